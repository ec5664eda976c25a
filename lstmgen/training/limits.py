"""When a training ends or saves: limits, signals and clocks."""

import time
from collections.abc import Callable
from typing import NamedTuple

from lstmgen.errors import counted
from lstmgen.training.build import TrainingSetup
from lstmgen.training.checkpoint_manager import CheckpointManager
from lstmgen.training.distributed import World
from lstmgen.training.progress import Progress
from lstmgen.training.signals import StopRequests

SAVE_SECONDS = 600.0  # maximum time between checkpoints


class Decision(NamedTuple):
    """What all ranks agreed on between two steps.

    Attributes:
        stop: number of the signal that ends the training; 0: none.
        save: whether to write a checkpoint.
        time_over: whether ``train.max_minutes`` has passed.
    """

    stop: int = 0
    save: int = 0
    time_over: int = 0


class Limits:
    """The limits of one training process; ``seconds`` returns the run's training time."""

    def __init__(
        self, setup: TrainingSetup, manager: CheckpointManager, requests: StopRequests,
        world: World, seconds: Callable[[], float],
    ) -> None:  # fmt: skip
        self.settings, self.until = setup.config.train, setup.until
        self.manager, self.requests, self.world, self.seconds = manager, requests, world, seconds
        self.decision = Decision()

    @property
    def stopping(self) -> int:
        """The signal that ends the training now; 0: none.

        A single process obeys it at once, several ranks only after they have agreed.
        """
        return self.requests.stop if self.world.size == 1 else self.decision.stop

    def decide(self) -> None:
        """Check signals and clocks between two steps; a collective call."""
        minutes = self.settings.max_minutes
        overdue = time.monotonic() - self.manager.saved_at > SAVE_SECONDS
        over = self.world.is_main and minutes is not None and self.seconds() >= minutes * 60
        requested = self.requests.stop, self.requests.save or overdue, over
        self.decision = Decision(*self.world.all_reduce_max(*requested))

    def keep_evaluating(self) -> bool:
        """Check signals during an evaluation; a collective call."""
        stop = self.world.all_reduce_max(self.requests.stop)[0]
        self.decision = self.decision._replace(stop=stop)
        return not self.stopping

    def reached(self, progress: Progress) -> str:
        """The limit that ends the run now, in words; empty: none.

        Call it once per step: a clock that expires between two calls would end the run without
        its last evaluation.
        """
        if progress.step > self.until:  # resumed with a lower limit
            return (
                f"step {progress.step:,} is past the {self.until:,} that train.max_steps or "
                "train.epochs allows"
            )
        if progress.step == self.until:
            return f"finished {counted(self.until, 'step')}"
        if self.settings.max_minutes is not None and self.decision.time_over:
            minutes = f"{self.settings.max_minutes:g}"
            return f"finished {minutes} minute{'' if minutes == '1' else 's'}"
        return ""

    def out_of_patience(self, progress: Progress) -> str:
        """That ``train.patience`` evaluations brought no improvement, in words; otherwise empty."""
        patience, stale = self.settings.patience, progress.stale
        if patience is not None and stale >= patience:
            return (
                f"no better evaluation in the last {stale} (train.patience; null: never stop early)"
            )
        return ""
