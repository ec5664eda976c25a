"""The neural cache while generating: recent words become likelier where they would fit.

Grave, Joulin and Usunier 2017 (arXiv 1612.04426); ``evaluation.cache`` is the same for whole
texts in torch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.sampling import Scores, probabilities


@dataclass(frozen=True)
class CacheSettings:
    """How a cache is read.

    Attributes:
        weight: of the cache in the mixture with the model; 0 leaves it out.
        window: words that it holds.
        theta: how sharply likeness counts.
    """

    weight: float = 0.0
    window: int = 500
    theta: float = 10.0


class RecentWords:
    """The last words of one text, each beside the top layer's output that it followed."""

    def __init__(self, settings: CacheSettings, *, vocab_size: int) -> None:
        self.settings, self.vocab_size = settings, vocab_size
        self.outputs: NDArray[np.floating[Any]] | None = None  # (words, size), later a ring
        self.words = np.zeros(settings.window, dtype=np.int64)
        self.seen = 0

    def add(self, output: NDArray[np.floating[Any]], word: int) -> None:
        """Hold a word; one that is no entry only takes its place in the window.

        Args:
            output: (size,) of the top layer before the word.
        """
        place = self.seen % self.settings.window
        if self.outputs is None:
            self.outputs = np.zeros((1, len(output)), dtype=output.dtype)
        elif place == len(self.outputs):  # twice as many, as far as the window
            more = np.zeros((2 * place, len(output)), dtype=output.dtype)[: self.settings.window]
            more[:place] = self.outputs
            self.outputs = more
        self.outputs[place], self.words[place] = output, word
        self.seen += 1

    def fork(self) -> "RecentWords":
        """A copy that goes its own way."""
        other = RecentWords(self.settings, vocab_size=self.vocab_size)
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
        held = min(self.seen, self.settings.window)
        known = self.words[:held] < self.vocab_size
        scores: Scores = logits.astype(np.float64)
        if self.outputs is None or not known.any():
            return scores
        likeness = self.settings.theta * (self.outputs[:held][known] @ output).astype(np.float64)
        weights = probabilities(likeness[None])[0]
        shares = (1 - self.settings.weight) * probabilities(scores[None])[0]
        np.add.at(shares, self.words[:held][known], self.settings.weight * weights)
        with np.errstate(divide="ignore"):
            mixed: Scores = np.log(shares) + np.logaddexp.reduce(scores)
        return mixed
