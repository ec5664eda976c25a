"""Interpolated modified Kneser-Ney n-gram models.

The probability of a word is its discounted relative frequency after the context, plus the
discounted mass times its probability after a context shorter by one word; the recursion ends in
the uniform distribution. Lower orders count distinct predecessors, not occurrences. (Chen and
Goodman 1998, TR-10-98, section 4.1.6, after Kneser and Ney 1995.)

The n-grams of each order are one sorted array of keys, (number of the context among the
n-grams one word shorter) * base + word: exact, and without hashing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

MAX_ORDER, DEFAULT_ORDER = 5, 3  # words of an n-gram
BLOCK = 1 << 18  # words scored at a time
MAX_WORDS = 5_000_000  # of a training text; more would need too much memory
FALLBACK = (0.5, 1.0, 1.5)  # discounts for texts too small to estimate them from


@dataclass(frozen=True)
class Level:
    """All n-grams of one order."""

    keys: Numbers  # (n-grams,) ascending
    counts: Numbers  # (n-grams,) at least 1
    discounts: Floats  # (4,) subtracted from counts of 0, 1, 2, and 3 or more
    totals: Floats  # (contexts,) sums of counts; 0 for a context without continuation
    backoff: Floats  # (contexts,) probability mass that the discounts free for shorter contexts


@dataclass(frozen=True)
class KneserNey:
    """An n-gram model over the ids 0..vocab_size-1, one level per order.

    Larger ids are out-of-vocabulary words: their probability is 0, and no context contains them.
    """

    vocab_size: int
    levels: tuple[Level, ...]

    @property
    def order(self) -> int:
        """Length of the longest n-gram, in words."""
        return len(self.levels)

    def probabilities(self, ids: Ids) -> Floats:
        """(words - 1,) probability of each word of a text but the first, given those before."""
        words = np.asarray(ids, dtype=np.int64)
        probs = np.where(words < self.vocab_size, 1 / self.vocab_size, 0.0)
        contexts: Numbers = np.zeros(len(words), dtype=np.int64)
        for before, level in enumerate(self.levels):
            contexts = contexts[: max(0, len(words) - before)]
            targets = words[before:]
            ngrams = _find(level, contexts * (self.vocab_size + 1) + targets, contexts >= 0)
            probs[before:] = _interpolate(level, contexts, ngrams, probs[before:])
            contexts = ngrams
        return probs[1:]

    def distribution(self, context: Sequence[int]) -> Floats:
        """(vocab_size,) probability of every word after the last ``order - 1`` ids of a context."""
        known = list(context)[-(self.order - 1) :] if self.order > 1 else []
        probs = self._without_context.copy()
        for before, level in enumerate(self.levels[1 : len(known) + 1], start=1):
            number = self._number(known[len(known) - before :])
            if number < 0 or not level.totals[number]:
                break  # so no longer context has been seen either
            self._interpolate_all(level, number, probs)
        return probs

    @cached_property
    def _without_context(self) -> Floats:
        """(vocab_size,) probability of every word whatever was before it."""
        probs = np.full(self.vocab_size, 1 / self.vocab_size)
        if self.levels[0].totals[0]:
            self._interpolate_all(self.levels[0], 0, probs)
        return probs

    def _interpolate_all(self, level: Level, number: int, shorter: Floats) -> None:
        """Change the probabilities of all words after a shorter context to those after a context.

        Args:
            number: of the context.
        """
        base = self.vocab_size + 1
        first, last = np.searchsorted(level.keys, (number * base, (number + 1) * base))
        counts = level.counts[first:last]
        shorter *= level.backoff[number]
        shorter[level.keys[first:last] - number * base] += (
            counts - level.discounts[np.minimum(counts, 3)]
        ) / level.totals[number]

    def _number(self, words: Sequence[int]) -> int:
        """The number of an n-gram among those of its order; -1 for an unseen one, 0 for none."""
        number = 0
        for level, word in zip(self.levels, words, strict=False):
            key = number * (self.vocab_size + 1) + word
            number = int(np.searchsorted(level.keys, key))
            known = number < len(level.keys) and level.keys[number] == key
            if not known or word >= self.vocab_size:
                return -1
        return number

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The n-grams and their counts, which ``from_arrays`` reads."""
        arrays: dict[str, NDArray[Any]] = {}
        for n, level in enumerate(self.levels, start=1):
            arrays |= {f"keys.{n}": level.keys, f"counts.{n}": level.counts.astype(np.uint32)}
        return arrays

    def perplexity(self, ids: Ids) -> float:
        """Perplexity of a text without its first and unknown words; NaN if no word is scored."""
        nll, words = 0.0, 0
        for start in range(1, len(ids), BLOCK):  # so that memory does not grow with the text
            before = max(0, start - max(1, self.order - 1))
            part = ids[before : start + BLOCK]
            probs = self.probabilities(part)[start - before - 1 :]
            scored = probs[np.asarray(part[start - before :]) < self.vocab_size]
            nll, words = nll - float(np.log(scored).sum()), words + len(scored)
        return math.exp(nll / words) if words else math.nan


def build_kneser_ney(ids: Ids, *, order: int, vocab_size: int) -> KneserNey:
    """Estimate a model from a training text.

    Args:
        ids: (words,), each in 0..vocab_size-1.
        order: 1..5; reduced to the length of the text.

    Raises:
        ValueError: the order is out of range or the text is empty.
    """
    if not 1 <= order <= MAX_ORDER or not len(ids):
        raise ValueError(f"order = {order}: must lie in 1..{MAX_ORDER}, and the text have words")
    words = np.asarray(ids, dtype=np.int64)
    grams = _count(words, min(order, len(words)), base=vocab_size + 1)
    levels = []
    for place, (keys, _, numbers, counts) in enumerate(grams):
        if place + 1 < len(grams):  # distinct predecessors; the text's start counts as one
            longer = grams[place + 1].firsts
            counts = np.bincount(numbers[longer + 1], minlength=len(keys))
            counts[numbers[0]] += 1
        contexts = len(grams[place - 1].keys) if place else 1
        levels.append(_level(keys, counts, contexts=contexts, base=vocab_size + 1))
    return KneserNey(vocab_size, tuple(levels))


def from_arrays(arrays: Mapping[str, NDArray[Any]], *, vocab_size: int) -> KneserNey:
    """Rebuild a model from untrusted arrays, those of ``to_arrays``.

    Raises:
        ValueError: they are not a model of a vocabulary with ``vocab_size`` entries.
    """
    order, base = len(arrays) // 2, vocab_size + 1
    names = {f"{part}.{n}" for n in range(1, order + 1) for part in ("keys", "counts")}
    if not 1 <= order <= MAX_ORDER or set(arrays) != names:
        raise ValueError("other arrays than a model has")
    levels: list[Level] = []
    for n in range(1, order + 1):
        keys, counts = arrays[f"keys.{n}"], arrays[f"counts.{n}"]
        contexts = len(levels[-1].keys) if levels else 1
        if keys.dtype != np.int64 or counts.dtype != np.uint32:
            raise ValueError("an array of another type")
        valid = (
            keys.ndim == counts.ndim == 1
            and len(keys) == len(counts) > 0
            and int(counts.min()) > 0
            and int(keys[0]) >= 0
            and bool((np.diff(keys) > 0).all())
            and int(keys[-1]) // base < contexts
            and int((keys % base).max()) < vocab_size
        )
        if not valid:
            raise ValueError("the arrays do not count n-grams")
        levels.append(_level(keys, counts.astype(np.int64), contexts=contexts, base=base))
    return KneserNey(vocab_size, tuple(levels))


def build_unigram(counts: Sequence[int]) -> KneserNey:
    """A model of order 1 from the count of each vocabulary entry."""
    array = np.asarray(counts, dtype=np.int64)
    keys = np.flatnonzero(array)
    return KneserNey(len(array), (_level(keys, array[keys], contexts=1, base=len(array) + 1),))


class _Grams(NamedTuple):
    """The n-grams of one order of a text."""

    keys: Numbers  # ascending
    firsts: Numbers  # first position of each
    numbers: Numbers  # for each position, the n-gram that starts there
    counts: Numbers  # of each


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
    discounts = _discounts(counts)
    places = keys // base
    totals = np.bincount(places, weights=counts, minlength=contexts).astype(np.float64)
    freed = np.bincount(places, weights=discounts[np.minimum(counts, 3)], minlength=contexts)
    return Level(keys, counts, discounts, totals, freed / np.maximum(totals, 1))


def _discounts(counts: Numbers) -> Floats:
    """Discounts of counts of 0, 1, 2, and 3 or more (Chen and Goodman, equation 26)."""
    seen = [int((counts == times).sum()) for times in range(1, 5)]
    if all(seen):
        y = seen[0] / (seen[0] + 2 * seen[1])
        estimates = [n - (n + 1) * y * seen[n] / seen[n - 1] for n in (1, 2, 3)]
        if all(0 < discount < n for n, discount in enumerate(estimates, start=1)):
            return np.array([0.0, *estimates])
    return np.array([0.0, *FALLBACK])


def _find(level: Level, keys: Numbers, known: NDArray[np.bool_]) -> Numbers:
    """The numbers of n-grams; -1 for unseen ones and where the context is not ``known``."""
    places = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
    return np.where(known & (level.keys[places] == keys), places, -1)


def _interpolate(level: Level, contexts: Numbers, ngrams: Numbers, shorter: Floats) -> Floats:
    """Probabilities after contexts, from those after contexts shorter by a word.

    Args:
        contexts, ngrams: numbers of the contexts and of the n-grams with the word, or -1.
    """
    counts = np.where(ngrams >= 0, level.counts[ngrams], 0)
    discounted = counts - level.discounts[np.minimum(counts, 3)]
    totals = np.where(contexts >= 0, level.totals[contexts], 0.0)
    interpolated = discounted / np.maximum(totals, 1) + level.backoff[contexts] * shorter
    return np.where(totals > 0, interpolated, shorter)
