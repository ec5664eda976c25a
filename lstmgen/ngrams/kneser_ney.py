"""Interpolated modified Kneser-Ney models: counting, as well as it can be done.

The probability of a word after a context is its discounted count there, and what the
discounts left over, given to the same question after a context shorter by one word; below
the single word all entries are alike. Shorter contexts count different predecessors, not
occurrences. (Chen and Goodman 1998, TR-10-98, section 4.1.6, from Kneser and Ney 1995.)

The n-grams of each order are one sorted array of numbers, (number of the context among the
n-grams one word shorter) * base + word, so nothing is hashed and nothing is approximate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

MAX_ORDER, DEFAULT_ORDER = 5, 3  # words of an n-gram: at most, and where nothing else is asked for
BLOCK = 1 << 18  # words scored at a time
MAX_WORDS = 5_000_000  # of a text that is counted: more would take much memory
FALLBACK = (0.5, 1.0, 1.5)  # discounts where a text is too small to tell its own


@dataclass(frozen=True)
class Level:
    """All n-grams of one order.

    Attributes:
        keys: (n-grams,) rising.
        counts: (n-grams,), 1 at least.
        discounts: (4,) taken from counts of 0, 1, 2, and 3 or more.
        totals: (contexts,) sums of counts; 0 for a context that nothing follows.
        left: (contexts,) share of the total that the discounts leave to shorter contexts.
    """

    keys: Numbers
    counts: Numbers
    discounts: Floats
    totals: Floats
    left: Floats


@dataclass(frozen=True)
class KneserNey:
    """A model of the order ``len(levels)`` over the ids 0..vocab_size-1.

    A larger id stands for a word that the vocabulary lacks: its probability is 0, and no
    context with it is known.
    """

    vocab_size: int
    levels: tuple[Level, ...]

    @property
    def order(self) -> int:
        """Words of the longest n-gram."""
        return len(self.levels)

    def probabilities(self, ids: Ids) -> Floats:
        """Of each word of a text but the first, after the words before it.

        Args:
            ids: (words,) the text.

        Returns:
            (words - 1,); those of one context sum to 1 over the vocabulary.
        """
        words = np.asarray(ids, dtype=np.int64)
        shares = np.where(words < self.vocab_size, 1 / self.vocab_size, 0.0)
        contexts: Numbers = np.zeros(len(words), dtype=np.int64)
        for before, level in enumerate(self.levels):
            contexts = contexts[: max(0, len(words) - before)]
            targets = words[before:]
            found = _find(level, contexts * (self.vocab_size + 1) + targets, contexts >= 0)
            shares[before:] = _interpolate(level, contexts, found, shares[before:])
            contexts = found
        return shares[1:]

    def distribution(self, context: Sequence[int]) -> Floats:
        """Of every word after a context, (vocab_size,).

        Args:
            context: ids; the last ``order - 1`` of them count.
        """
        base = self.vocab_size + 1
        known = list(context)[-(self.order - 1) :] if self.order > 1 else []
        shares = np.full(self.vocab_size, 1 / self.vocab_size)
        words = np.arange(self.vocab_size)
        for before, level in enumerate(self.levels[: len(known) + 1]):
            number = 0
            for place, word in enumerate(known[len(known) - before :]):
                key = np.array([number * base + word])
                number = int(_find(self.levels[place], key, np.array([number >= 0]))[0])
            contexts = np.full(self.vocab_size, number)
            found = _find(level, contexts * base + words, contexts >= 0)
            shares = _interpolate(level, contexts, found, shares)
        return shares

    def perplexity(self, ids: Ids) -> float:
        """Of a text's words behind the first; words that the vocabulary lacks are left out.

        Returns:
            NaN where nothing is scored.
        """
        nats, words = 0.0, 0
        for start in range(1, len(ids), BLOCK):  # so that memory does not grow with the text
            before = max(0, start - max(1, self.order - 1))
            part = ids[before : start + BLOCK]
            shares = self.probabilities(part)[start - before - 1 :]
            scored = shares[np.asarray(part[start - before :]) < self.vocab_size]
            nats, words = nats - float(np.log(scored).sum()), words + len(scored)
        return math.exp(nats / words) if words else math.nan


def build_kneser_ney(ids: Ids, *, order: int, vocab_size: int) -> KneserNey:
    """Count a training text.

    Args:
        ids: (words,), each in 0..vocab_size-1.
        order: 1..5; at most the words of the text.

    Raises:
        ValueError: for an order out of range or a text without words.
    """
    if not 1 <= order <= MAX_ORDER or not len(ids):
        raise ValueError(f"order = {order}: must lie in 1..{MAX_ORDER}, and the text have words")
    words = np.asarray(ids, dtype=np.int64)
    grams = _count(words, min(order, len(words)), base=vocab_size + 1)
    levels = []
    for place, (keys, _, numbers, times) in enumerate(grams):
        counts = times
        if place + 1 < len(grams):  # different predecessors; the text's start is one
            longer = grams[place + 1].firsts
            counts = np.bincount(numbers[longer + 1], minlength=len(keys))
            counts[numbers[0]] += 1
        contexts = len(grams[place - 1].keys) if place else 1
        levels.append(_level(keys, counts, contexts=contexts, base=vocab_size + 1))
    return KneserNey(vocab_size, tuple(levels))


def build_unigram(counts: Sequence[int]) -> KneserNey:
    """The model of order 1 of a text whose words were counted, one count for each entry."""
    times = np.asarray(counts, dtype=np.int64)
    keys = np.flatnonzero(times)
    return KneserNey(len(times), (_level(keys, times[keys], contexts=1, base=len(times) + 1),))


class _Grams(NamedTuple):
    """The n-grams of one order of a text."""

    keys: Numbers  # rising
    firsts: Numbers  # where each stands first
    numbers: Numbers  # for each place, which one begins there
    times: Numbers  # how often each stands


def _count(words: Numbers, order: int, *, base: int) -> list[_Grams]:
    grams = []
    contexts: Numbers = np.zeros(len(words), dtype=np.int64)
    for before in range(order):
        keys = contexts[: len(words) - before] * base + words[before:]
        grams.append(
            _Grams(*np.unique(keys, return_index=True, return_inverse=True, return_counts=True))
        )
        contexts = grams[-1].numbers
    return grams


def _level(keys: Numbers, counts: Numbers, *, contexts: int, base: int) -> Level:
    """An order's n-grams with what interpolation needs, summed for each context."""
    discounts = _discounts(counts)
    taken = discounts[np.minimum(counts, 3)]
    places = keys // base
    totals = np.bincount(places, weights=counts, minlength=contexts).astype(np.float64)
    left = np.bincount(places, weights=taken, minlength=contexts)
    return Level(keys, counts, discounts, totals, left / np.maximum(totals, 1))


def _discounts(counts: Numbers) -> Floats:
    """What is taken from counts of 0, 1, 2, and 3 or more (Chen and Goodman, equation 26)."""
    seen = [int((counts == times).sum()) for times in range(1, 5)]
    if all(seen):
        share = seen[0] / (seen[0] + 2 * seen[1])
        told = [n - (n + 1) * share * seen[n] / seen[n - 1] for n in (1, 2, 3)]
        if all(0 < discount < n for n, discount in enumerate(told, start=1)):
            return np.array([0.0, *told])
    return np.array([0.0, *FALLBACK])


def _find(level: Level, keys: Numbers, known: NDArray[np.bool_]) -> Numbers:
    """The numbers of n-grams; -1 where training lacks one or its context is not ``known``."""
    places = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
    return np.where(known & (level.keys[places] == keys), places, -1)


def _interpolate(level: Level, contexts: Numbers, found: Numbers, shorter: Floats) -> Floats:
    """Probabilities after contexts, from those after contexts shorter by a word.

    Args:
        contexts, found: numbers of the contexts and of the n-grams with the word; -1: none.
    """
    counts = np.where(found >= 0, level.counts[found], 0)
    kept = counts - level.discounts[np.minimum(counts, 3)]
    totals = np.where(contexts >= 0, level.totals[contexts], 0.0)
    mixed = kept / np.maximum(totals, 1) + level.left[contexts] * shorter
    return np.where(totals > 0, mixed, shorter)
