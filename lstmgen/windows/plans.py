"""The windows of each training step: contiguous streams, or random starts.

Both plans depend on (epoch, step) alone, so a position in training is two integers, and resuming
replays nothing.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lstmgen.errors import counted
from lstmgen.windows.window import Ids, Window, cut_windows

AHEAD, AHEAD_WORDS = 16, 1 << 16  # steps whose windows are cut at once, and words in them, at most


@dataclass(frozen=True)
class Fit:
    """Sizes that a text can fill, and a notice of what was changed (or ``""``)."""

    window: int
    stride: int
    batch_size: int
    accumulate: int
    notice: str


def fit_to_text(length: int, *, window: int, stride: int, batch_size: int, accumulate: int) -> Fit:
    """Shrink window and batch to a text, so that even a story of 12 words can be trained on.

    A window is at most as long as the text; every stream has at least a window of targets.

    Args:
        length: of the text in ids, ``<story>`` included; at least 2.
    """
    targets = length - 1
    new_window = min(window, targets)
    streams = max(1, min(batch_size * accumulate, targets // new_window))
    parts = min(accumulate, streams)
    old = (window, stride, batch_size, accumulate)
    new = (new_window, min(stride, new_window), min(batch_size, streams // parts), parts)
    names = ("window", "stride", "batch_size", "accumulate")
    changes = [
        f"train.{name} {a} -> {b}" for name, a, b in zip(names, old, new, strict=True) if a != b
    ]
    notice = f"the text has {counted(targets, 'word')} to predict, so {', '.join(changes)}"
    return Fit(*new, notice if changes else "")


@dataclass(frozen=True)
class StreamPlan:
    """The text as ``batch_size * accumulate`` contiguous streams, read in parallel.

    Every word but the first is a target once per epoch. Stream lengths differ by at most one
    word; the gap in a shorter stream's last window is not scored. A micro-batch is a group of
    ``batch_size`` streams.
    """

    length: int
    window: int
    stride: int
    batch_size: int
    accumulate: int = 1
    carries = True

    @property
    def streams(self) -> int:
        """The number of streams."""
        return self.batch_size * self.accumulate

    def steps_in(self, epoch: int) -> int:
        """Steps in an epoch; the same in all epochs."""
        longest = -(-(self.length - 1) // self.streams)
        return -(-longest // self.stride)

    def micro_batches(self, ids: Ids, *, epoch: int, step: int) -> list[Window]:
        """The windows of one step, one batch per micro-batch."""
        bounds = 1 + np.arange(self.streams + 1) * (self.length - 1) // self.streams
        return [
            cut_windows(
                ids,
                bounds[rows] + step * self.stride,
                ends=bounds[rows + 1],
                window=self.window,
                stride=self.stride,
                rows=rows,
            )
            for rows in np.arange(self.streams).reshape(self.accumulate, self.batch_size)
        ]


@dataclass(frozen=True)
class RandomPlan:
    """Windows at random starts, each from a zero state.

    Valid starts are 0..length-window-1, inclusive. An epoch visits those of one random phase
    modulo ``stride``, shuffled.
    """

    length: int
    window: int
    stride: int
    batch_size: int
    accumulate: int = 1
    seed: int = 0
    carries = False

    def starts(self, epoch: int) -> NDArray[np.int64]:
        """The starts of an epoch's windows, in the order of the steps."""
        return _shuffled_starts(self.length - self.window, self.stride, self.seed, epoch)

    def steps_in(self, epoch: int) -> int:
        """Steps in an epoch; may differ by one between epochs, depending on the phase."""
        windows = _count_starts(self.length - self.window, self.stride, self.seed, epoch)
        return -(-windows // (self.batch_size * self.accumulate))

    def micro_batches(self, ids: Ids, *, epoch: int, step: int) -> list[Window]:
        """The windows of one step; the last step of an epoch may have fewer."""
        size = self.batch_size * self.accumulate
        starts = self.starts(epoch)[step * size : (step + 1) * size]
        rows = np.arange(len(starts))
        return [
            cut_windows(
                ids,
                starts[part] + self.window - self.stride + 1,
                ends=np.full(len(part), self.length),
                window=self.window,
                stride=self.stride,
                rows=part,
            )
            for part in np.split(rows, range(self.batch_size, len(starts), self.batch_size))
        ]


Plan = StreamPlan | RandomPlan


class WindowsAhead:
    """The windows of consecutive steps, cut for several steps at a time.

    A step leaves little of this code in the processor's caches, so that cutting the windows of
    one step there takes nearly as long as cutting those of ten.
    """

    def __init__(self, plan: Plan, ids: Ids) -> None:
        self._plan, self._ids = plan, ids
        words = plan.batch_size * plan.accumulate * plan.window
        self._steps = max(1, min(AHEAD, AHEAD_WORDS // words))
        self._cut: dict[tuple[int, int], list[Window]] = {}

    def take(self, epoch: int, step: int) -> list[Window]:
        """The windows of one step, one batch per micro-batch."""
        if (epoch, step) not in self._cut:
            last = min(step + self._steps, self._plan.steps_in(epoch))
            self._cut = {
                (epoch, ahead): self._plan.micro_batches(self._ids, epoch=epoch, step=ahead)
                for ahead in range(step, last)
            }
        return self._cut.pop((epoch, step))


def _draw_phase(valid: int, stride: int, seed: int, epoch: int) -> tuple[int, np.random.Generator]:
    generator = np.random.default_rng([seed, 0x57A7, epoch])
    return int(generator.integers(min(stride, valid))), generator


@lru_cache(maxsize=4096)
def _count_starts(valid: int, stride: int, seed: int, epoch: int) -> int:
    phase, _ = _draw_phase(valid, stride, seed, epoch)
    return -(-(valid - phase) // stride)


@lru_cache(maxsize=1)  # shared by all steps of an epoch
def _shuffled_starts(valid: int, stride: int, seed: int, epoch: int) -> NDArray[np.int64]:
    phase, generator = _draw_phase(valid, stride, seed, epoch)
    starts = generator.permutation(np.arange(phase, valid, stride))
    starts.flags.writeable = False
    return starts


def steps_until(plan: Plan, epochs: int) -> int:
    """The number of steps in ``epochs`` epochs."""
    if isinstance(plan, StreamPlan):
        return epochs * plan.steps_in(0)
    return sum(plan.steps_in(epoch) for epoch in range(epochs))
