"""Sums over several steps, and detection of loss spikes."""

import math
import statistics
from collections import deque
from dataclasses import dataclass

from torch import Tensor


@dataclass
class Meter:
    """Sums of nats, words and seconds; only the properties divide."""

    nats: float | Tensor = 0.0  # a tensor stays on its device until read
    words: int = 0
    timed_words: int = 0
    seconds: float = 0.0

    def add(self, *, nats: float | Tensor, words: int, seconds: float, timed: bool = True) -> None:
        """Count one step; untimed ones (warm-up) are excluded from the rate."""
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


# A spike exceeds all three bounds over the median loss of recent steps.
RATIO = 3.0
MARGIN = 1.0  # nats: below this, spikes are noise, as on a memorized text
DEVIATIONS = 10.0  # median absolute deviations: steps of few words are noisy
MIN_STEPS, MAX_STEPS = 10, 100  # of the median


class Spikes:
    """Detects loss spikes; each is reported once, at its first step."""

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=MAX_STEPS)
        self.high = False

    def update(self, nats_per_word: float) -> float | None:
        """Add one step; if a spike starts with it, return the median of the steps before."""
        usual = bound = math.inf
        if len(self.recent) >= MIN_STEPS:
            usual = statistics.median(self.recent)
            spread = statistics.median(abs(nats - usual) for nats in self.recent)
            bound = max(RATIO * usual, usual + MARGIN, usual + DEVIATIONS * spread)
        before, self.high = self.high, nats_per_word > bound
        self.recent.append(nats_per_word)
        return usual if self.high and not before else None
