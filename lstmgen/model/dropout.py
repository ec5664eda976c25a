"""Dropout masks that depend on where they act and on nothing else.

A mask is drawn from (seed, step, stream, layer): the same for a stream whether
it sits in a micro-batch of 1 or of 64, on one process or on four, in a run or
in its resumption. One mask serves a sequence for a whole window (variational
dropout, Gal and Ghahramani 2016, arXiv 1512.05287). Philox is a counter-based
generator, so the part of the sequence that belongs to a row is reached directly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MaskSource = Callable[[int, int, float], Tensor]  # place, width, share -> (batch, 1, width)


@dataclass(frozen=True)
class Masks:
    """The dropout masks of one step.

    Attributes:
        rows: numbers of the streams in this micro-batch, without gaps.
    """

    seed: int
    step: int
    rows: range
    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")

    def __call__(self, place: int, width: int, share: float) -> Tensor:
        """The mask of one place in the network.

        Args:
            place: number of the place, a layer's input or the output.
            width: units.
            share: of units that are dropped; the others are scaled by 1 / (1 - share).

        Returns:
            (batch, 1, width), each entry 0 or 1 / (1 - share).
        """
        blocks = -(-width // 4)  # Philox gives four numbers a count
        bits = np.random.Philox(key=np.array([self.seed, self.step * 64 + place], dtype=np.uint64))
        bits.advance(self.rows.start * blocks)
        drawn = bits.random_raw(len(self.rows) * blocks * 4).reshape(len(self.rows), blocks * 4)
        kept = drawn[:, None, :width] >= np.uint64(int(share * 2**64))
        mask = torch.from_numpy(kept).to(self.device, self.dtype)
        return mask.mul_(1 / (1 - share))
