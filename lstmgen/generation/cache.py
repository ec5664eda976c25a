"""The neural cache in generation: recent words become more likely in similar contexts.

Grave, Joulin and Usunier 2017 (arXiv 1612.04426); ``evaluation.cache_mixture`` does the same in
torch to score a text. In sampling the cache gives the last word no probability: the output after a
word resembles the output before it, so the cache would write most words twice.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.sampling import Scores, log_sum_exp, probabilities


class RecentWords:
    """The last words of one text, each with the top layer's output that predicted it.

    Args:
        sample: for ``cache_weight`` and the other settings of the cache.
    """

    def __init__(self, sample: SampleConfig, *, vocab_size: int) -> None:
        self.sample, self.vocab_size = sample, vocab_size
        self.outputs: NDArray[np.floating[Any]] | None = None  # (words, size), a ring when full
        self.words = np.zeros(sample.cache_window, dtype=np.int64)
        self.seen = 0

    def add(self, output: NDArray[np.floating[Any]], word: int) -> None:
        """Add a word and the output before it, (size,); an unknown word occupies a slot only."""
        slot = self.seen % self.sample.cache_window
        if self.outputs is None:
            self.outputs = np.zeros((1, len(output)), dtype=output.dtype)
        elif slot == len(self.outputs):  # double the buffer, up to the window
            size = min(2 * slot, self.sample.cache_window)
            larger = np.zeros((size, len(output)), dtype=output.dtype)
            larger[:slot] = self.outputs
            self.outputs = larger
        self.outputs[slot], self.words[slot] = output, word
        self.seen += 1

    def fork(self) -> "RecentWords":
        """An independent copy."""
        other = RecentWords(self.sample, vocab_size=self.vocab_size)
        other.outputs = None if self.outputs is None else self.outputs.copy()
        other.words, other.seen = self.words.copy(), self.seen
        return other

    def _used(self) -> NDArray[np.bool_]:
        """Which slots count: those of known words, but for the last word."""
        window = self.sample.cache_window
        words = self.words[: min(self.seen, window)]
        used = words < self.vocab_size
        if self.seen and not self.sample.cache_last_word:
            used &= words != self.words[(self.seen - 1) % window]
        return used

    def mix(self, logits: NDArray[np.floating[Any]], output: NDArray[np.floating[Any]]) -> Scores:
        """Logits, (vocabulary,), of the mixture of a model and its cache.

        The mixture's log-probabilities are shifted by the model's log-sum-exp, since a
        repetition penalty depends on the signs of logits. Without a word in the cache but the
        last one, they are the model's.

        Args:
            logits: (vocabulary,) of the model.
            output: (size,) of its top layer.
        """
        scores: Scores = logits.astype(np.float64)
        used = self._used()
        if self.outputs is None or not used.any():
            return scores
        similarity = (self.outputs[: len(used)][used] @ output).astype(np.float64)
        weights = probabilities((self.sample.cache_theta * similarity)[None])[0]
        mixture = (1 - self.sample.cache_weight) * probabilities(scores[None])[0]
        np.add.at(mixture, self.words[: len(used)][used], self.sample.cache_weight * weights)
        with np.errstate(divide="ignore"):
            mixed: Scores = np.log(mixture) + log_sum_exp(scores)
        return mixed
