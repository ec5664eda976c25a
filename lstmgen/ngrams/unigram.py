"""The simplest baseline: each word by how often training has it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def unigram_perplexity(
    counts: Sequence[int], ids: NDArray[np.integer[Any]], *, unknown_id: int
) -> float:
    """Perplexity of a text under the add-one unigram model of a training text.

    Args:
        counts: how often training has each entry of the vocabulary.
        ids: the text to score, ``<story>`` first, which is not scored.
        unknown_id: scored where it is an entry, left out where it is not.

    Returns:
        NaN where nothing is scored.
    """
    total = sum(counts) + len(counts)
    nats = np.log(total) - np.log(np.asarray(counts, dtype=np.float64) + 1)
    seen = np.bincount(ids[1:], minlength=len(counts) + 1)[: len(counts)]
    scored = int(seen.sum())
    return math.exp(float(seen @ nats) / scored) if scored else math.nan
