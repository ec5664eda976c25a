"""The neural cache while generating: recent words become likelier where they would fit.

Grave, Joulin and Usunier 2017 (arXiv 1612.04426); ``evaluation.cache`` is the same for whole
texts in torch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.sampling import Scores, probabilities


class RecentWords:
    """The last words of one text, each beside the top layer's output that it followed.

    Args:
        sample: the settings ``cache_weight``, ``cache_window`` and ``cache_theta``.
    """

    def __init__(self, sample: SampleConfig, *, vocab_size: int) -> None:
        self.sample, self.vocab_size = sample, vocab_size
        self.outputs: NDArray[np.floating[Any]] | None = None  # (words, size), later a ring
        self.words = np.zeros(sample.cache_window, dtype=np.int64)
        self.seen = 0

    def add(self, output: NDArray[np.floating[Any]], word: int) -> None:
        """Hold a word; one that is no entry only takes its place in the window.

        Args:
            output: (size,) of the top layer before the word.
        """
        place = self.seen % self.sample.cache_window
        if self.outputs is None:
            self.outputs = np.zeros((1, len(output)), dtype=output.dtype)
        elif place == len(self.outputs):  # twice as many, as far as the window
            more = np.zeros((2 * place, len(output)), dtype=output.dtype)[
                : self.sample.cache_window
            ]
            more[:place] = self.outputs
            self.outputs = more
        self.outputs[place], self.words[place] = output, word
        self.seen += 1

    def fork(self) -> "RecentWords":
        """A copy that goes its own way."""
        other = RecentWords(self.sample, vocab_size=self.vocab_size)
        other.outputs = None if self.outputs is None else self.outputs.copy()
        other.words, other.seen = self.words.copy(), self.seen
        return other

    def mix(self, logits: NDArray[np.floating[Any]], output: NDArray[np.floating[Any]]) -> Scores:
        """Logits of the mixture of a model and its cache, (vocabulary,).

        They are the log-probabilities moved by what the model's own were moved by, since a
        repetition penalty looks at their signs.

        Args:
            logits: (vocabulary,) of the model. output: (size,) of its top layer.
        """
        held = min(self.seen, self.sample.cache_window)
        known = self.words[:held] < self.vocab_size
        scores: Scores = logits.astype(np.float64)
        if self.outputs is None or not known.any():
            return scores
        likeness = self.sample.cache_theta * (self.outputs[:held][known] @ output).astype(
            np.float64
        )
        weights = probabilities(likeness[None])[0]
        mixture = (1 - self.sample.cache_weight) * probabilities(scores[None])[0]
        np.add.at(mixture, self.words[:held][known], self.sample.cache_weight * weights)
        with np.errstate(divide="ignore"):
            mixed: Scores = np.log(mixture) + np.logaddexp.reduce(scores)
        return mixed
