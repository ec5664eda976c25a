"""Dropout masks that depend on where they act and on nothing else.

A mask is drawn from (seed, step, sequence, layer): the same for a sequence whether it is in a
micro-batch of 1 or of 64, on one process or on four, before or after a resume. One mask serves
a sequence for a window (variational dropout, Gal and Ghahramani 2016, arXiv 1512.05287).
Philox is a counter-based generator, so the numbers of a row are reached directly. Word dropout
hashes (seed, step, sequence, word), so that no mask over a large vocabulary is drawn for the
few words of a window.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Sites 0..31 are layer inputs and the output, 32..61 recurrent matrices.
RECURRENT, WORDS, NOISE = 32, 62, 63


@dataclass(frozen=True)
class Masks:
    """The dropout masks of one step.

    Attributes:
        rows: numbers of the sequences in this micro-batch, consecutive.
    """

    seed: int
    step: int
    rows: range
    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")

    def __call__(self, site: int, width: int, rate: float) -> Tensor:
        """The mask of one site in the network, a layer's input or the output.

        Returns:
            (batch, 1, width), each entry 0 with probability ``rate``, or 1 / (1 - rate).
        """
        keep = self._random_bits(site, width)[:, None] >= np.uint64(int(rate * 2**64))
        return self._to_mask(keep, rate)

    def uniform(self, site: int, width: int) -> NDArray[np.float64]:
        """(batch, width) numbers in [0, 1)."""
        bits = self._random_bits(site, width) >> np.uint64(11)
        return bits.astype(np.float64) * 2.0**-53

    def words(self, ids: Tensor, rate: float) -> Tensor:
        """Word dropout: a word is dropped everywhere in a sequence (Gal and Ghahramani 2016).

        Args:
            ids: (batch, time). rate: fraction of the vocabulary that each sequence loses.

        Returns:
            (batch, time), each 0 or 1 / (1 - rate).
        """
        key = self._philox(WORDS).random_raw(1).view(np.int64)
        numbers = torch.from_numpy(np.arange(self.rows.start, self.rows.stop) ^ key)
        rows = _splitmix64(numbers.to(ids.device, non_blocking=True))
        hashed = _splitmix64(rows[:, None] ^ ids)
        threshold = int(rate * 2**64) - 2**63  # torch reads these 64 bits with a sign
        keep = (hashed ^ -(2**63)) >= threshold
        return keep.to(self.dtype).mul_(1 / (1 - rate))

    def weights(self, layer: int, shape: torch.Size, rate: float) -> Tensor:
        """The DropConnect mask of a layer's recurrent matrix (Wan et al. 2013), of its shape.

        The same for all sequences; entries are 0 or 1 / (1 - rate).
        """
        bits = self._philox(RECURRENT + layer).random_raw(-(-shape.numel() // 4))
        parts = bits.astype("<u8", copy=False).view("<u2")[: shape.numel()]  # 16 bits a weight
        return self._to_mask(parts.reshape(shape) >= int(rate * 2**16), rate)

    def _random_bits(self, site: int, width: int) -> NDArray[np.uint64]:
        """(batch, width) random numbers, the same for a row in any micro-batch."""
        blocks = -(-width // 4)  # Philox yields four numbers per count
        philox = self._philox(site)
        philox.advance(self.rows.start * blocks)
        bits = philox.random_raw(len(self.rows) * blocks * 4).reshape(len(self.rows), blocks * 4)
        return bits[:, :width]

    def _philox(self, site: int) -> np.random.Philox:
        return np.random.Philox(key=np.array([self.seed, self.step * 64 + site], dtype=np.uint64))

    def _to_mask(self, keep: NDArray[np.bool_], rate: float) -> Tensor:
        mask = torch.from_numpy(keep).to(self.device, self.dtype, non_blocking=True)
        return mask.mul_(1 / (1 - rate))


def _splitmix64(numbers: Tensor) -> Tensor:
    """A hash of 64-bit numbers (the finalizer of SplitMix64, Steele 2014)."""
    numbers = numbers + _signed(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ _logical_shift(numbers, shift)) * _signed(factor)
    return numbers ^ _logical_shift(numbers, 31)


def _signed(bits: int) -> int:
    """64 bits as torch reads them."""
    return bits - (bits >> 63 << 64)


def _logical_shift(numbers: Tensor, places: int) -> Tensor:
    """Shift right and fill with zeros, whatever the sign."""
    return (numbers >> places) & ((1 << 64 - places) - 1)
