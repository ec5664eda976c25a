"""The counters of a training: everything but tensors that resuming needs."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from lstmgen.training.schedules import STALE


@dataclass
class Progress:
    """Counters of a training; saved with each checkpoint.

    Attributes:
        step: optimizer steps done.
        epoch, epoch_step: position of the next step in the plan.
        words: scored so far.
        best_step, best_nats: of the evaluation with the fewest nats per word.
        stale: evaluations since the best one.
        stalled: evaluations since the best one or the last halving of the rate.
        halvings: times that the plateau schedule has halved the rate.
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
        """Record an evaluation of the current step; True if it is the best so far.

        A tie keeps the older one, and NaN is never the best.
        """
        self.valid_nats.append(nats_per_word)
        best = math.inf if self.best_nats is None else self.best_nats
        if nats_per_word < best:
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
        """The inverse of ``as_json``, for an untrusted file.

        Raises:
            ValueError: if it is not valid.
        """
        progress = cls(**data) if isinstance(data, dict) else None
        if progress is None or set(data) != set(asdict(progress)):
            raise ValueError("other counters than a training has")
        counts = [
            progress.step, progress.epoch, progress.epoch_step, progress.words, progress.stale,
            progress.stalled, progress.halvings, progress.evaluated + 1,
        ]  # fmt: skip
        counts += [] if progress.best_step is None else [progress.best_step]
        if not all(type(count) is int and 0 <= count < 2**62 for count in counts):
            raise ValueError("a counter that is not an integer")
        earlier = (progress.epoch, progress.epoch_step, progress.best_step or 0, progress.evaluated)
        if max(earlier) > progress.step:
            raise ValueError("a counter that is beyond the step")
        nats = progress.valid_nats if isinstance(progress.valid_nats, list) else [None]
        nats = nats if progress.best_nats is None else [*nats, progress.best_nats]
        if not all(isinstance(value, float) for value in nats):
            raise ValueError("nats that are not numbers")
        return progress

    def as_json(self) -> dict[str, Any]:
        """All counters; no times, so that equal trainings save equal bytes."""
        return asdict(self)
