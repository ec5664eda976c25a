"""Dropout masks that depend on where they act and on nothing else.

A mask is drawn from (seed, step, stream, layer): the same for a stream whether
it sits in a micro-batch of 1 or of 64, on one process or on four, in a run or
in its resumption. One mask serves a sequence for a whole window (variational
dropout, Gal and Ghahramani 2016, arXiv 1512.05287). Philox is a counter-based
generator, so the part of the sequence that belongs to a row is reached directly. Whole
words are dropped by a hash of (seed, step, stream, word), so that a mask over a large
vocabulary need not be drawn for the few words of a window.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WORDS, NOISE = 62, 63  # places of whole words, and of words that are read as others
RECURRENT = 32  # the first of 30 places, of recurrent matrices


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
        kept = self._drawn(place, width)[:, None] >= np.uint64(int(share * 2**64))
        return self._scaled(kept, share)

    def uniform(self, place: int, width: int) -> NDArray[np.float64]:
        """(batch, width) numbers in [0, 1)."""
        bits = self._drawn(place, width) >> np.uint64(11)
        return bits.astype(np.float64) * 2.0**-53

    def words(self, ids: Tensor, share: float) -> Tensor:
        """Which words a sequence does without in its whole window (Gal and Ghahramani 2016).

        Args:
            ids: (batch, time). share: of the vocabulary that each sequence does without.

        Returns:
            (batch, time), each 0 or 1 / (1 - share); a word has one fate in a sequence.
        """
        key = self._bits(WORDS).random_raw(1).view(np.int64)
        numbers = torch.from_numpy(np.arange(self.rows.start, self.rows.stop) ^ key)
        rows = _mixed(numbers.to(ids.device, non_blocking=True))
        hashed = _mixed(rows[:, None] ^ ids)
        least = int(share * 2**64) - 2**63  # of 64 bits that are read with a sign here
        kept = (hashed ^ -(2**63)) >= least
        return kept.to(self.dtype).mul_(1 / (1 - share))

    def weights(self, layer: int, shape: torch.Size, share: float) -> Tensor:
        """Which recurrent weights a step does without, for all sequences (Wan et al. 2013).

        Args:
            layer: counted from 0. shape: of its matrix.

        Returns:
            The shape, each entry 0 or 1 / (1 - share).
        """
        drawn = self._bits(RECURRENT + layer).random_raw(-(-shape.numel() // 4))
        parts = drawn.astype("<u8", copy=False).view("<u2")[: shape.numel()]  # 16 bits a weight
        return self._scaled(parts.reshape(shape) >= int(share * 2**16), share)

    def _drawn(self, place: int, width: int) -> NDArray[np.uint64]:
        """(batch, width) random numbers, the same for a row in whatever micro-batch."""
        blocks = -(-width // 4)  # Philox gives four numbers a count
        bits = self._bits(place)
        bits.advance(self.rows.start * blocks)
        drawn = bits.random_raw(len(self.rows) * blocks * 4).reshape(len(self.rows), blocks * 4)
        return drawn[:, :width]

    def _bits(self, place: int) -> np.random.Philox:
        return np.random.Philox(key=np.array([self.seed, self.step * 64 + place], dtype=np.uint64))

    def _scaled(self, kept: NDArray[np.bool_], share: float) -> Tensor:
        mask = torch.from_numpy(kept).to(self.device, self.dtype, non_blocking=True)
        return mask.mul_(1 / (1 - share))


def _mixed(numbers: Tensor) -> Tensor:
    """64 bits that depend on all bits of a number (the finaliser of SplitMix64, Steele 2014)."""
    numbers = numbers + _signed(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ _shifted(numbers, shift)) * _signed(factor)
    return numbers ^ _shifted(numbers, 31)


def _signed(bits: int) -> int:
    """64 bits as torch reads them."""
    return bits - (bits >> 63 << 64)


def _shifted(numbers: Tensor, places: int) -> Tensor:
    """To the right, with zeros coming in whatever the sign."""
    return (numbers >> places) & ((1 << 64 - places) - 1)
