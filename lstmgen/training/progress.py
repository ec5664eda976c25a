"""How far a training has come: all that a resumption needs beside tensors."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from lstmgen.training.schedules import STALE


@dataclass
class Progress:
    """Counters of a training; saved with each checkpoint.

    Attributes:
        step: optimiser steps done.
        epoch, epoch_step: position in the plan: the next step to take.
        words: scored so far.
        best_step, best_nats: the evaluation with the fewest nats per word.
        stale: evaluations since the best one.
        stalled: evaluations since the best one or the last halving of the rate.
        halvings: how often the plateau schedule has halved the rate.
        evaluated: the step of the last evaluation.
        valid_nats: per word, of every evaluation.
    """

    step: int = 0
    epoch: int = 0
    epoch_step: int = 0
    words: int = 0
    best_step: int | None = None
    best_nats: float | None = None
    stale: int = 0
    stalled: int = 0
    halvings: int = 0
    evaluated: int = -1
    valid_nats: list[float] = field(default_factory=list)

    def advance(self, *, words: int, steps_in_epoch: int) -> None:
        """Count one step."""
        self.step += 1
        self.words += words
        self.epoch_step += 1
        if self.epoch_step >= steps_in_epoch:
            self.epoch, self.epoch_step = self.epoch + 1, 0

    def record(self, nats_per_word: float) -> bool:
        """Count one evaluation of the current step; True where it is the best so far.

        A tie keeps the older one, and what is not a number is never the best.
        """
        self.valid_nats.append(nats_per_word)
        before = math.inf if self.best_nats is None else self.best_nats
        if nats_per_word < before:
            self.best_step, self.best_nats = self.step, nats_per_word
            self.stale = self.stalled = 0
            return True
        self.stale += 1
        self.stalled += 1
        if self.stalled >= STALE:
            self.stalled = 0
            self.halvings += 1
        return False

    @classmethod
    def from_json(cls, data: Any) -> "Progress":
        """What ``as_json`` gave, from a file that may come from a stranger.

        Raises:
            ValueError: where it is not that.
        """
        found = cls(**data) if isinstance(data, dict) else None
        if found is None or set(data) != set(asdict(found)):
            raise ValueError("other counters than a training has")
        counts = [found.step, found.epoch, found.epoch_step, found.words, found.stale,
                  found.stalled, found.halvings, found.evaluated + 1]  # fmt: skip
        counts += [] if found.best_step is None else [found.best_step]
        if not all(type(count) is int and 0 <= count < 2**62 for count in counts):
            raise ValueError("a counter that is no whole number")
        nats = found.valid_nats if isinstance(found.valid_nats, list) else [None]
        nats = nats if found.best_nats is None else [*nats, found.best_nats]
        if not all(isinstance(value, float) for value in nats):
            raise ValueError("nats that are no numbers")
        return found

    def as_json(self) -> dict[str, Any]:
        """All counters; no time is among them, so equal trainings save equal bytes."""
        return asdict(self)
