"""Novelty of pairs of words: how many of a text's pairs the training text does not have.

A model that only repeats pairs is timid, and one with more new pairs than held-out text is wild.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer[Any]]
Keys = NDArray[np.int64]


@dataclass(frozen=True)
class PairNovelty:
    """Counts of pairs of adjacent tokens, both of them in the vocabulary."""

    novel: int  # pairs that the training text does not have
    pairs: int

    @property
    def fraction(self) -> float:
        """Fraction of the pairs that are novel; NaN without a pair."""
        return self.novel / self.pairs if self.pairs else float("nan")


@dataclass(frozen=True)
class KnownPairs:
    """The pairs of adjacent tokens of a training text."""

    vocab_size: int
    keys: Keys  # first * vocab_size + second, ascending

    def novelty(self, texts: Iterable[Ids]) -> PairNovelty:
        """Count the novel pairs of texts, (tokens,) ids each; ``<story>`` is a token."""
        novel = pairs = 0
        for ids in texts:
            keys = _pairs(ids, self.vocab_size)
            places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            known = int((self.keys[places] == keys).sum()) if len(self.keys) else 0
            novel, pairs = novel + len(keys) - known, pairs + len(keys)
        return PairNovelty(novel, pairs)


def find_pairs(ids: Ids, vocab_size: int) -> KnownPairs:
    """The pairs of a training text, (tokens,) ids; larger ids are unknown words."""
    return KnownPairs(vocab_size, np.unique(_pairs(ids, vocab_size)))


def _pairs(ids: Ids, vocab_size: int) -> Keys:
    words = np.asarray(ids, dtype=np.int64)
    first, second = words[:-1], words[1:]
    known = (first < vocab_size) & (second < vocab_size)
    keys: Keys = first[known] * vocab_size + second[known]
    return keys
