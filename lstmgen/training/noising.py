"""Kneser-Ney noising: now and then training reads a word as another one (Xie et al. 2017).

The counterpart, for a network, of backing off in an n-gram model (arXiv 1703.02573): a word
is replaced the more often, the more different words follow it, by a word that stands behind
many different ones. Targets stay as they are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lstmgen.model.dropout import NOISE, Masks
from lstmgen.windows.window import Ids, Window


@dataclass(frozen=True)
class Noise:
    """Which words are replaced, and by which.

    Attributes:
        shares: (vocabulary,) how often each word is replaced.
        cumulated: (vocabulary,) the distribution of replacements, summed up to each word.
    """

    shares: NDArray[np.float64]
    cumulated: NDArray[np.float64]

    def applied(self, window: Window, masks: Masks) -> Window:
        """A window as it is read; what is drawn depends on the step and on each row's number."""
        drawn = masks.uniform(NOISE, 2 * window.inputs.shape[1])
        decides, chooses = np.split(drawn, 2, axis=1)
        others = np.searchsorted(self.cumulated, chooses, side="right")
        replaced = decides < self.shares[window.inputs]
        return replace(window, inputs=np.where(replaced, others, window.inputs))


def kneser_ney_noise(ids: Ids, *, vocab_size: int, rate: float) -> Noise:
    """The noise of a training text.

    Args:
        ids: the text.
        rate: the share of a word that is followed by another one each time.

    Returns:
        Shares of rate x (different words behind it) / (times it is there), and replacements in
        proportion to the number of different words before them.
    """
    words = np.asarray(ids, dtype=np.int64)
    pairs = np.unique(words[:-1] * vocab_size + words[1:])
    times = np.bincount(words, minlength=vocab_size)
    behind = np.bincount(pairs // vocab_size, minlength=vocab_size)
    before = np.bincount(pairs % vocab_size, minlength=vocab_size)
    cumulated = np.cumsum(before) / max(1, len(pairs))
    return Noise(rate * behind / np.maximum(times, 1), cumulated)
