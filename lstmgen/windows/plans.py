"""Which windows a training step takes: contiguous streams, or random starts.

Both plans answer the same questions from (epoch, step) alone, so a position in
training is two integers and nothing has to be replayed.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lstmgen.windows.window import Ids, Window, cut_windows


@dataclass(frozen=True)
class Fit:
    """Sizes that a text can fill, and what had to give way."""

    window: int
    stride: int
    batch_size: int
    accumulate: int
    notice: str  # empty where nothing changed


def fit_to_text(length: int, *, window: int, stride: int, batch_size: int, accumulate: int) -> Fit:
    """Shrink window and batch to a text, so that a story of 12 words trains.

    A window holds at most the whole text; every stream holds a window of targets.

    Args:
        length: of the text in ids, ``<story>`` included; at least 2.
    """
    targets = length - 1
    small_window = min(window, targets)
    small_stride = min(stride, small_window)
    streams = max(1, min(batch_size * accumulate, targets // small_window))
    parts = min(accumulate, streams)
    batch = min(batch_size, streams // parts)
    changes = [
        f"{name} {old} -> {new}"
        for name, old, new in (
            ("train.window", window, small_window),
            ("train.stride", stride, small_stride),
            ("train.batch_size", batch_size, batch),
            ("train.accumulate", accumulate, parts),
        )
        if old != new
    ]
    notice = f"the text has {targets:,} words to predict, so {', '.join(changes)}"
    return Fit(small_window, small_stride, batch, parts, notice if changes else "")


@dataclass(frozen=True)
class StreamPlan:
    """The text as parallel contiguous streams, read from end to end.

    Every word but the first is a target once per epoch. Streams differ by at
    most one word; what a shorter one lacks in its last window is not scored.

    Attributes:
        length: of the text in ids.
        batch_size, accumulate: their product is the number of streams; a
            micro-batch is a group of ``batch_size`` streams.
    """

    length: int
    window: int
    stride: int
    batch_size: int
    accumulate: int = 1
    carries = True

    @property
    def streams(self) -> int:
        """How many streams are read side by side."""
        return self.batch_size * self.accumulate

    def steps_in(self, epoch: int) -> int:
        """Steps in an epoch; here the same in all."""
        longest = -(-(self.length - 1) // self.streams)
        return -(-longest // self.stride)

    def micro_batches(self, ids: Ids, *, epoch: int, step: int) -> list[Window]:
        """The windows of one step, one for each micro-batch."""
        bounds = 1 + np.arange(self.streams + 1) * (self.length - 1) // self.streams
        windows = []
        for part in range(self.accumulate):
            rows = np.arange(part * self.batch_size, (part + 1) * self.batch_size)
            windows.append(
                cut_windows(
                    ids,
                    bounds[rows] + step * self.stride,
                    ends=bounds[rows + 1],
                    window=self.window,
                    stride=self.stride,
                    rows=rows,
                )
            )
        return windows


@dataclass(frozen=True)
class RandomPlan:
    """Windows at random starts, each read from a zero state.

    With n words in a window, valid starts are 0..length-n-1, the last one
    included. An epoch takes those of one random phase modulo ``stride``, shuffled.
    """

    length: int
    window: int
    stride: int
    batch_size: int
    accumulate: int = 1
    seed: int = 0
    carries = False

    def starts(self, epoch: int) -> NDArray[np.int64]:
        """The starts of an epoch's windows in the order in which they are taken."""
        return _shuffled_starts(self.length - self.window, self.stride, self.seed, epoch)

    def steps_in(self, epoch: int) -> int:
        """Steps in an epoch; one more or less as its phase falls."""
        windows = _count_starts(self.length - self.window, self.stride, self.seed, epoch)
        return -(-windows // (self.batch_size * self.accumulate))

    def micro_batches(self, ids: Ids, *, epoch: int, step: int) -> list[Window]:
        """The windows of one step; the last step of an epoch may have fewer."""
        together = self.batch_size * self.accumulate
        taken = self.starts(epoch)[step * together : (step + 1) * together]
        rows = np.arange(len(taken))
        return [
            cut_windows(
                ids,
                taken[part] + self.window - self.stride + 1,
                ends=np.full(len(part), self.length),
                window=self.window,
                stride=self.stride,
                rows=part,
            )
            for part in np.split(rows, range(self.batch_size, len(taken), self.batch_size))
        ]


Plan = StreamPlan | RandomPlan


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.default_rng([seed, 0x57A7, epoch])


def _phase(generator: np.random.Generator, valid: int, stride: int) -> int:
    return int(generator.integers(min(stride, valid)))


@lru_cache(maxsize=4096)
def _count_starts(valid: int, stride: int, seed: int, epoch: int) -> int:
    phase = _phase(_generator(seed, epoch), valid, stride)
    return -(-(valid - phase) // stride)


@lru_cache(maxsize=1)  # every step of an epoch asks for the same ones
def _shuffled_starts(valid: int, stride: int, seed: int, epoch: int) -> NDArray[np.int64]:
    generator = _generator(seed, epoch)
    starts = generator.permutation(np.arange(_phase(generator, valid, stride), valid, stride))
    starts.flags.writeable = False
    return starts


def steps_until(plan: Plan, epochs: int) -> int:
    """All steps of so many epochs."""
    if isinstance(plan, StreamPlan):
        return epochs * plan.steps_in(0)
    return sum(plan.steps_in(epoch) for epoch in range(epochs))
