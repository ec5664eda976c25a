"""Frequency clusters of a vocabulary, for the adaptive softmax."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COVERAGE = (0.8, 0.95)  # fraction of the running text covered by the words up to each cutoff


def frequency_clusters(counts: Sequence[int]) -> list[NDArray[np.int64]]:
    """Split a vocabulary's ids by frequency, most frequent first.

    The clusters hold the words that cover 80 % of the training text, those that bring the
    coverage to 95 %, and the rest; a small vocabulary may fill fewer clusters.

    Args:
        counts: training count of each word.
    """
    numbers = np.asarray(counts, dtype=np.int64)
    order = np.argsort(-numbers, kind="stable")
    cumulative = np.cumsum(numbers[order]) / max(1, int(numbers.sum()))
    cutoffs = np.unique([int(np.searchsorted(cumulative, part)) + 1 for part in COVERAGE])
    return np.split(order, cutoffs[cutoffs < len(order)])
