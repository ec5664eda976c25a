"""Sums over several steps; only the properties divide."""

import math
from dataclasses import dataclass


@dataclass
class Meter:
    """Nats, words and seconds since it was made."""

    nats: float = 0.0
    words: int = 0
    seconds: float = 0.0

    def add(self, *, nats: float, words: int, seconds: float) -> None:
        """Count one step."""
        self.nats += nats
        self.words += words
        self.seconds += seconds

    @property
    def nats_per_word(self) -> float:
        """NaN before the first word."""
        return self.nats / self.words if self.words else math.nan

    @property
    def words_per_second(self) -> float:
        """Words scored per second; 0 before the first step."""
        return self.words / self.seconds if self.seconds else 0.0
