"""Sums over several steps; only the properties divide."""

import math
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
