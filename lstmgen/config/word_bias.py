"""Entries of ``sample.bias``: a word and the nats that are added to its logit."""

import math
from collections.abc import Iterable

MAX_BIAS = 100.0  # nats


def parse_bias(entry: str) -> tuple[str, float] | None:
    """The word and the nats of an entry such as ``sea:1.5``; None if it is no such entry."""
    word, _, number = entry.rpartition(":")
    try:
        nats = float(number)
    except ValueError:
        return None
    return (word, nats) if word and math.isfinite(nats) and abs(nats) <= MAX_BIAS else None


def biased_words(entries: Iterable[str]) -> list[str]:
    """The words of valid entries."""
    return [word for word, _ in filter(None, map(parse_bias, entries))]
