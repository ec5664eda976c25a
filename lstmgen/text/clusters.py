"""A vocabulary cut by frequency, for the adaptive softmax."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARES = (0.8, 0.95)  # of the running text that the words up to each cut make up


def frequency_clusters(counts: Sequence[int]) -> list[NDArray[np.int64]]:
    """The ids of a vocabulary in clusters, the commonest words first.

    The words that make up 80 % of the training text, those that bring it to 95 %,
    and the rest; fewer clusters where the vocabulary is too small to fill them.

    Args:
        counts: how often training has each word.
    """
    numbers = np.asarray(counts, dtype=np.int64)
    order = np.argsort(-numbers, kind="stable")
    reached = np.cumsum(numbers[order]) / max(1, int(numbers.sum()))
    cuts = np.unique([int(np.searchsorted(reached, share)) + 1 for share in SHARES])
    return np.split(order, cuts[cuts < len(order)])
