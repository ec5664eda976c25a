"""Peepholes in the written-out LSTM loop."""

import torch
from torch import Tensor

from lstmgen.model.layer_interface import weight_gradient


class Peepholes:
    """Peepholes: input and forget gate see the old cell, the output gate the new one."""

    def __init__(self, weight_ch: Tensor) -> None:
        size = len(weight_ch) // 3
        self.size, self.diagonal = size, weight_ch.dim() == 1
        self.old, self.new = weight_ch[: 2 * size], weight_ch[2 * size :]
        if self.diagonal:
            self.old = self.old.view(1, 2, size)

    def add_old(self, sums: Tensor, cell: Tensor) -> None:
        """Add the old cell's peepholes to the sums of the input and forget gates."""
        if self.diagonal:
            sums.view(-1, 2, self.size).addcmul_(self.old, cell[:, None])
        else:
            sums.addmm_(cell, self.old.t())

    def add_new(self, sums: Tensor, cell: Tensor) -> None:
        """Add the new cell's peephole to the sum of the output gate."""
        if self.diagonal:
            sums.addcmul_(self.new, cell)
        else:
            sums.addmm_(cell, self.new.t())

    def add_old_backward(self, d_cell: Tensor, d_sums: Tensor) -> None:
        """Add to the old cell's gradient what those two gates pass back."""
        if self.diagonal:
            d_cell.addcmul_(self.old[:, 0], d_sums[:, : self.size])
            d_cell.addcmul_(self.old[:, 1], d_sums[:, self.size :])
        else:
            d_cell.addmm_(d_sums, self.old)

    def add_new_backward(self, d_cell: Tensor, d_sums: Tensor) -> None:
        """Add to the new cell's gradient what the output gate passes back."""
        if self.diagonal:
            d_cell.addcmul_(self.new, d_sums)
        else:
            d_cell.addmm_(d_sums, self.new)

    def gradient(self, d_sums: Tensor, cells: Tensor) -> Tensor:
        """The gradient of ``weight_ch``, from those of all sums."""
        size, before, after = self.size, cells[:-1], cells[1:]
        if self.diagonal:
            write, keep, _, read = d_sums.chunk(4, dim=-1)
            pairs = ((write, before), (keep, before), (read, after))
            return torch.cat([torch.einsum("tbh,tbh->h", d_sum, cell) for d_sum, cell in pairs])
        old = weight_gradient(d_sums[..., : 2 * size], before)
        return torch.cat([old, weight_gradient(d_sums[..., 3 * size :], after)])
