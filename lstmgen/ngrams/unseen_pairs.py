"""Pairs of words whose absence from a text is no accident.

In a text of N words, chance alone would give the pair (a, b) count(a) * count(b) / N times. If it
occurs that often at random, it is absent with probability exp(-expected) (a Poisson count of 0).
So "I are", absent from a text that has both words often, is no pair of the language, while a pair
of rare words that is absent says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lstmgen.ngrams.kneser_ney import Floats, KneserNey, Numbers


@dataclass(frozen=True)
class UnseenPairs:
    """The expected counts of the pairs that a text does not have.

    Attributes:
        groups: (vocab,) group of each id; ids of one group are one word (in other letter cases).
        counts: (vocab,) count of each id's group in the text.
        total: number of words of the text.
        members: the ids of each group.
        firsts, lasts: (vocab,) the pairs that begin with an id, as a slice of ``seconds``.
        seconds: (pairs,) second id of each pair of the text.
    """

    groups: Numbers
    counts: Floats
    total: float
    members: tuple[Numbers, ...]
    firsts: Numbers
    lasts: Numbers
    seconds: Numbers

    def expected(self, word: int) -> Floats:
        """(vocab,) count by chance of the pairs of a word and each other; 0 for those seen."""
        if word >= len(self.groups):  # an unknown word
            return np.zeros(len(self.groups))
        seen = np.zeros(len(self.members), dtype=bool)
        for member in self.members[self.groups[word]].tolist():
            seen[self.groups[self.seconds[self.firsts[member] : self.lasts[member]]]] = True
        expected: Floats = self.counts * (self.counts[word] / self.total)
        expected[seen[self.groups]] = 0.0
        return expected


def find_unseen_pairs(
    ngrams: KneserNey, counts: Sequence[int], groups: Sequence[int]
) -> UnseenPairs | None:
    """The unseen pairs of the text of an n-gram model; None if that has no pairs.

    Args:
        counts: of each id in the text.
        groups: of each id, numbered from 0 without gaps.
    """
    if ngrams.order < 2:
        return None
    base, (words, pairs) = ngrams.vocab_size + 1, (level.keys for level in ngrams.levels[:2])
    numbers = np.searchsorted(words, np.arange(ngrams.vocab_size))
    found = np.minimum(numbers, len(words) - 1)
    numbers = np.where(words[found] == np.arange(ngrams.vocab_size), found, len(words))
    group_of = np.asarray(groups, dtype=np.int64)
    sums: Floats = np.bincount(group_of, np.asarray(counts, dtype=np.float64)).astype(np.float64)
    order = np.argsort(group_of, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(group_of[order])) + 1)
    return UnseenPairs(
        group_of,
        sums[group_of],
        float(max(1.0, sums.sum())),
        tuple(members),
        np.searchsorted(pairs, numbers * base),
        np.searchsorted(pairs, (numbers + 1) * base),
        pairs % base,
    )
