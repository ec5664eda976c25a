"""Sums over several steps, of which only the properties divide, and what stands out of them."""

import math
import statistics
from collections import deque
from dataclasses import dataclass

from torch import Tensor


@dataclass
class Meter:
    """Nats, words and seconds since it was made."""

    nats: float | Tensor = 0.0  # a tensor stays where it is until somebody asks
    words: int = 0
    timed_words: int = 0
    seconds: float = 0.0

    def add(self, *, nats: float | Tensor, words: int, seconds: float, timed: bool = True) -> None:
        """Count one step; the rate leaves out steps that are not timed, as a warm-up."""
        self.nats = self.nats + nats
        self.words += words
        if timed:
            self.timed_words += words
            self.seconds += seconds

    @property
    def nats_per_word(self) -> float:
        """NaN before the first word."""
        return float(self.nats) / self.words if self.words else math.nan

    @property
    def words_per_second(self) -> float:
        """Words scored per second; 0 before the first timed step."""
        return self.timed_words / self.seconds if self.seconds else 0.0


SPIKE = 3.0  # times the usual nats per word
LEAST = 1.0  # nats above it: a text that is known by heart has leaps of no account
SPREADS = 10.0  # of the steps before, as their median distance from it: few words are noisy
FEWEST, MOST = 10, 100  # steps whose median is the usual


class Spikes:
    """Finds steps whose nats per word leap up; each leap is found once, at its first step."""

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=MOST)
        self.high = False

    def look(self, nats_per_word: float) -> float | None:
        """Count one step.

        Returns:
            Where a leap begins with it, the median of the steps before.
        """
        usual = bound = math.inf
        if len(self.recent) >= FEWEST:
            usual = statistics.median(self.recent)
            spread = statistics.median(abs(nats - usual) for nats in self.recent)
            bound = max(SPIKE * usual, usual + LEAST, usual + SPREADS * spread)
        before, self.high = self.high, nats_per_word > bound
        self.recent.append(nats_per_word)
        return usual if self.high and not before else None
