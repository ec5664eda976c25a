"""The written-out recurrent layers: a loop over time with back-propagation by hand.

What can leave the loop has left it. The products with the inputs of the whole
window come in ready; going back, every factor that does not depend on later
steps is computed for all steps at once, and the gradient of a recurrent matrix
is one product over all steps. ``cells`` holds the same equations to be read.

Everything here is time first, (time, batch, ...), so that a step is one block.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def loop_elman(products: Tensor, weight_hh: Tensor, hidden: Tensor) -> Tensor:
    """An Elman layer.

    Args:
        products: (time, batch, hidden), W_ih x and both biases.
        hidden: (batch, hidden) before the first step.

    Returns:
        The hiddens of all steps, (time, batch, hidden).
    """
    result: Tensor = _ElmanLoop.apply(products, weight_hh, hidden)  # type: ignore[no-untyped-call]
    return result


def loop_gru(products: Tensor, weight_hh: Tensor, bias_hh: Tensor, hidden: Tensor) -> Tensor:
    """A GRU layer.

    Args:
        products: (time, batch, 3 * hidden), W_ih x and its bias.
        hidden: (batch, hidden) before the first step.

    Returns:
        The hiddens of all steps, (time, batch, hidden).
    """
    result: Tensor = _GRULoop.apply(  # type: ignore[no-untyped-call]
        products, weight_hh, bias_hh, hidden
    )
    return result


def loop_lstm(
    products: Tensor, weight_hh: Tensor, weight_ch: Tensor | None, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    """An LSTM layer, with or without peepholes.

    Args:
        products: (time, batch, 4 * hidden), W_ih x and both biases.
        weight_ch: peepholes of the gates i, f, o: (3 * hidden,) diagonal,
            (3 * hidden, hidden) full, None for none.
        hidden, cell: (batch, hidden) before the first step.

    Returns:
        The hiddens and the cells of all steps, (time, batch, hidden) each.
    """
    result: tuple[Tensor, Tensor] = _LSTMLoop.apply(  # type: ignore[no-untyped-call]
        products, weight_hh, weight_ch, hidden, cell
    )
    return result


class _ElmanLoop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, products: Tensor, weight_hh: Tensor, hidden: Tensor) -> Tensor:
        hidden_states = _with_start(products, hidden)
        recurrent = weight_hh.t()
        for step, product in enumerate(products):
            torch.addmm(
                product, hidden_states[step], recurrent, out=hidden_states[step + 1]
            ).tanh_()
        ctx.save_for_backward(weight_hh, hidden_states)
        return hidden_states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hiddens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight_hh, hidden_states = ctx.saved_tensors
        slopes = 1 - hidden_states[1:].square()
        d_sums = torch.empty_like(slopes)
        d_hidden = torch.zeros_like(hidden_states[0])
        for step in reversed(range(len(slopes))):
            d_hidden += d_hiddens[step]
            d_sum = torch.mul(d_hidden, slopes[step], out=d_sums[step])
            torch.mm(d_sum, weight_hh, out=d_hidden)
        return d_sums, _weight_gradient(d_sums, hidden_states[:-1]), d_hidden


class _GRULoop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, products: Tensor, weight_hh: Tensor, bias_hh: Tensor, hidden: Tensor
    ) -> Tensor:
        size = hidden.shape[1]
        hidden_states = _with_start(products, hidden)
        gates, recalled = torch.empty_like(products), torch.empty_like(products)
        recurrent = weight_hh.t()
        for step, product in enumerate(products):
            before, from_h, opened = hidden_states[step], recalled[step], gates[step]
            torch.addmm(bias_hh, before, recurrent, out=from_h)
            reset, update, candidate = opened.chunk(3, dim=1)
            both = opened[:, : 2 * size]
            torch.add(product[:, : 2 * size], from_h[:, : 2 * size], out=both).sigmoid_()
            torch.addcmul(product[:, 2 * size :], reset, from_h[:, 2 * size :], out=candidate)
            torch.lerp(candidate.tanh_(), before, update, out=hidden_states[step + 1])
        ctx.save_for_backward(weight_hh, hidden_states, gates, recalled[..., 2 * size :])
        return hidden_states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hiddens: Tensor) -> tuple[Tensor, ...]:
        weight_hh, hidden_states, gates, recalled = ctx.saved_tensors
        reset, update, candidate = gates.chunk(3, dim=-1)
        size = reset.shape[-1]
        # d_sum of update and candidate is d_hidden times these, that of reset the
        # candidate's times the third.
        to_update = (hidden_states[:-1] - candidate) * update * (1 - update)
        to_candidate = (1 - update) * (1 - candidate.square())
        to_reset = recalled * reset * (1 - reset)
        d_from_x, d_from_h = torch.empty_like(gates), torch.empty_like(gates)
        d_hidden = torch.zeros_like(hidden_states[0])
        for step in reversed(range(len(gates))):
            d_hidden += d_hiddens[step]
            d_reset, d_update, d_recalled = d_from_h[step].chunk(3, dim=1)
            d_candidate = d_from_x[step, :, 2 * size :]
            torch.mul(d_hidden, to_candidate[step], out=d_candidate)
            torch.mul(d_hidden, to_update[step], out=d_update)
            torch.mul(d_candidate, to_reset[step], out=d_reset)
            torch.mul(d_candidate, reset[step], out=d_recalled)
            d_hidden.mul_(update[step]).addmm_(d_from_h[step], weight_hh)
        d_from_x[..., : 2 * size] = d_from_h[..., : 2 * size]
        d_weight = _weight_gradient(d_from_h, hidden_states[:-1])
        return d_from_x, d_weight, d_from_h.sum(dim=(0, 1)), d_hidden


class _LSTMLoop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        products: Tensor,
        weight_hh: Tensor,
        weight_ch: Tensor | None,
        hidden: Tensor,
        cell: Tensor,
    ) -> tuple[Tensor, Tensor]:
        size = hidden.shape[1]
        hidden_states, cells = _with_start(products, hidden), _with_start(products, cell)
        gates, squashed = torch.empty_like(products), torch.empty_like(hidden_states[1:])
        recurrent = weight_hh.t()
        peepholes = None if weight_ch is None else _Peepholes(weight_ch)
        for step, product in enumerate(products):
            before, after, opened = cells[step], cells[step + 1], gates[step]
            torch.addmm(product, hidden_states[step], recurrent, out=opened)
            both = opened[:, : 2 * size]
            write, keep, candidate, read = opened.chunk(4, dim=1)
            if peepholes is not None:
                peepholes.add_old(both, before)
            both.sigmoid_()
            torch.mul(keep, before, out=after).addcmul_(write, candidate.tanh_())
            if peepholes is not None:
                peepholes.add_new(read, after)
            torch.tanh(after, out=squashed[step])
            torch.mul(read.sigmoid_(), squashed[step], out=hidden_states[step + 1])
        ctx.save_for_backward(weight_hh, weight_ch, hidden_states, cells, gates, squashed)
        ctx.set_materialize_grads(False)  # training takes no gradient of the cells
        return hidden_states[1:], cells[1:]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_hiddens: Tensor | None, d_cells: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        weight_hh, weight_ch, hidden_states, cells, gates, squashed = ctx.saved_tensors
        peepholes = None if weight_ch is None else _Peepholes(weight_ch)
        size = squashed.shape[-1]
        write, keep, candidate, read = gates.chunk(4, dim=-1)
        # d_sum of i, f and g is d_cell times these, that of o is d_hidden times to_read.
        factors = torch.stack(
            [
                candidate * write * (1 - write),
                cells[:-1] * keep * (1 - keep),
                write * (1 - candidate.square()),
            ],
            dim=2,
        )
        to_read = squashed * read * (1 - read)
        to_cell = read * (1 - squashed.square())
        d_sums = torch.empty_like(gates)
        d_hidden, d_cell = torch.zeros_like(hidden_states[0]), torch.zeros_like(cells[0])
        for step in reversed(range(len(gates))):
            d_sum = d_sums[step]
            d_read = d_sum[:, 3 * size :]
            if d_hiddens is not None:
                d_hidden += d_hiddens[step]
            if d_cells is not None:
                d_cell += d_cells[step]
            torch.mul(d_hidden, to_read[step], out=d_read)
            d_cell.addcmul_(d_hidden, to_cell[step])
            if peepholes is not None:
                peepholes.add_new_backward(d_cell, d_read)
            d_others = d_sum[:, : 3 * size].view(-1, 3, size)
            torch.mul(factors[step], d_cell[:, None], out=d_others)
            d_cell.mul_(keep[step])
            if peepholes is not None:
                peepholes.add_old_backward(d_cell, d_sum[:, : 2 * size])
            torch.mm(d_sum, weight_hh, out=d_hidden)
        d_weight = _weight_gradient(d_sums, hidden_states[:-1])
        d_peepholes = None if peepholes is None else peepholes.gradient(d_sums, cells)
        return d_sums, d_weight, d_peepholes, d_hidden, d_cell


class _Peepholes:
    """The cell's way into the gates: i and f see the old one, o the new one."""

    def __init__(self, weight_ch: Tensor) -> None:
        size = len(weight_ch) // 3
        self.size, self.diagonal = size, weight_ch.dim() == 1
        self.old, self.new = weight_ch[: 2 * size], weight_ch[2 * size :]
        if self.diagonal:
            self.old = self.old.view(1, 2, size)

    def add_old(self, sums: Tensor, cell: Tensor) -> None:
        if self.diagonal:
            sums.view(-1, 2, self.size).addcmul_(self.old, cell[:, None])
        else:
            sums.addmm_(cell, self.old.t())

    def add_new(self, sums: Tensor, cell: Tensor) -> None:
        if self.diagonal:
            sums.addcmul_(self.new, cell)
        else:
            sums.addmm_(cell, self.new.t())

    def add_old_backward(self, d_cell: Tensor, d_sums: Tensor) -> None:
        if self.diagonal:
            d_cell.addcmul_(self.old[:, 0], d_sums[:, : self.size])
            d_cell.addcmul_(self.old[:, 1], d_sums[:, self.size :])
        else:
            d_cell.addmm_(d_sums, self.old)

    def add_new_backward(self, d_cell: Tensor, d_sums: Tensor) -> None:
        if self.diagonal:
            d_cell.addcmul_(self.new, d_sums)
        else:
            d_cell.addmm_(d_sums, self.new)

    def gradient(self, d_sums: Tensor, cells: Tensor) -> Tensor:
        size, before, after = self.size, cells[:-1], cells[1:]
        if self.diagonal:
            write, keep, _, read = d_sums.chunk(4, dim=-1)
            seen = ((write, before), (keep, before), (read, after))
            return torch.cat([torch.einsum("tbh,tbh->h", d_sum, cell) for d_sum, cell in seen])
        old = _weight_gradient(d_sums[..., : 2 * size], before)
        return torch.cat([old, _weight_gradient(d_sums[..., 3 * size :], after)])


def _with_start(products: Tensor, start: Tensor) -> Tensor:
    """(time + 1, batch, size) with the first step filled in."""
    states = products.new_empty(len(products) + 1, *start.shape)
    states[0] = start
    return states


def _weight_gradient(d_sums: Tensor, seen: Tensor) -> Tensor:
    """Sum over steps and batch of d_sum seen^T."""
    return d_sums.flatten(0, 1).t() @ seen.flatten(0, 1)
