"""Kneser-Ney noising: random replacement of input words (Xie et al. 2017, arXiv 1703.02573).

The counterpart, for a network, of backing off in an n-gram model: the more different words
follow a word, the more often it is replaced, by a word that follows many different ones.
Targets are unchanged.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lstmgen.model.dropout_masks import NOISE, Masks
from lstmgen.windows.window import Ids, Window


@dataclass(frozen=True)
class Noise:
    """Which words are replaced, and by which.

    Attributes:
        rates: (vocabulary,) the probability that each word is replaced.
        cumulative: (vocabulary,) the cumulative distribution of replacements.
    """

    rates: NDArray[np.float64]
    cumulative: NDArray[np.float64]

    def apply(self, window: Window, masks: Masks) -> Window:
        """A noised window; the noise depends on the step and on each row's number."""
        uniform = masks.uniform(NOISE, 2 * window.inputs.shape[1])
        decides, chooses = np.split(uniform, 2, axis=1)
        others = np.searchsorted(self.cumulative, chooses, side="right")
        replaced = decides < self.rates[window.inputs]
        return replace(window, inputs=np.where(replaced, others, window.inputs))


def kneser_ney_noise(ids: Ids, *, vocab_size: int, rate: float) -> Noise:
    """The noise of a training text.

    A word's rate is ``rate`` x (number of different next words) / (its count); replacements are
    drawn in proportion to their number of different previous words.
    """
    words = np.asarray(ids, dtype=np.int64)
    pairs = np.unique(words[:-1] * vocab_size + words[1:])
    counts = np.bincount(words, minlength=vocab_size)
    after = np.bincount(pairs // vocab_size, minlength=vocab_size)
    before = np.bincount(pairs % vocab_size, minlength=vocab_size)
    cumulative = np.cumsum(before) / max(1, len(pairs))
    return Noise(rate * after / np.maximum(counts, 1), cumulative)
