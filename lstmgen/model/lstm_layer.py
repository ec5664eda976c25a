"""An LSTM layer: PyTorch's ``nn.LSTM``, also in bfloat16, and the same as a written-out loop."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lstmgen.model.layer_interface import (
    PARAMETERS,
    LayerOutput,
    State,
    allocate_states,
    weight_gradient,
)
from lstmgen.model.peepholes import Peepholes


class LSTMLayer(nn.LSTM):
    """A layer of LSTM cells."""

    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter
    has_cell, has_kernel, has_bf16 = True, True, True

    def run_kernel(self, inputs: Any, state: State, *, bf16: bool = False) -> LayerOutput:
        """Run torch's kernel over a window; with ``bf16`` the cell stays float32."""
        if bf16:
            return self._run_bf16(inputs, state)
        outputs, (hidden, cell) = self(inputs, (state.hidden[None], state.cell[None]))
        return LayerOutput(outputs, State(hidden[0], cell[0]), None)

    def input_bias(self) -> Tensor:
        """Both biases."""
        return self.bias_ih_l0 + self.bias_hh_l0

    def run_loop(self, sums: Tensor, state: State) -> LayerOutput:
        """Run the written-out loop over a window."""
        states, cells = loop_lstm(sums, self.weight_hh_l0, None, state.hidden, state.cell)
        last = State(states[-1], cells[-1])
        return LayerOutput(states.transpose(0, 1), last, cells.transpose(0, 1))

    def recompute_cells(self, inputs: Tensor, previous: Tensor, state: State) -> Tensor:
        """The cells of steps whose hidden states are known.

        torch's kernel returns only the last cell, and a second call for the first words would
        cost as much as a window. Here the gates of those words are one matmul.
        """
        w_ih, w_hh, b_ih, b_hh = (self.get_parameter(name) for name in PARAMETERS)
        gates = inputs @ w_ih.T + previous @ w_hh.T + (b_ih + b_hh)
        input_gate, forget, candidate, _ = gates.chunk(4, dim=-1)
        new, forget, cell = input_gate.sigmoid() * candidate.tanh(), forget.sigmoid(), state.cell
        cells = []
        for step in range(inputs.shape[1]):
            cell = forget[:, step] * cell + new[:, step]
            cells.append(cell)
        return torch.stack(cells, dim=1) if cells else new

    def _run_bf16(self, inputs: Tensor, state: State) -> LayerOutput:
        hidden, cell, dtype = state.hidden[None], state.cell[None], inputs.dtype
        if inputs.is_cuda:  # autocast gives the weights cuDNN's layout
            with torch.autocast("cuda", torch.bfloat16):
                outputs, (hidden, cell) = self(inputs, (hidden, cell))
        else:  # here the cell can stay float32
            weights = [self.get_parameter(name).bfloat16() for name in PARAMETERS]
            outputs, hidden, cell = torch.lstm(
                inputs.bfloat16(), (hidden.bfloat16(), cell), weights,
                True, 1, 0.0, torch.is_grad_enabled(), False, True,
            )  # fmt: skip
        last = State(hidden[0].to(dtype), cell[0].to(dtype))
        return LayerOutput(outputs.to(dtype), last, None)


def make_layer(input_size: int, hidden_size: int, **_: Any) -> LSTMLayer:
    """A layer, batch first."""
    return LSTMLayer(input_size, hidden_size, batch_first=True)


def loop_lstm(
    sums: Tensor, weight_hh: Tensor, weight_ch: Tensor | None, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    """An LSTM layer over a window, with or without peepholes.

    Args:
        sums: (time, batch, 4 * hidden), W_ih x plus both biases.
        weight_ch: peepholes of the gates i, f, o: (3 * hidden,) diagonal,
            (3 * hidden, hidden) full, None for none.
        hidden, cell: (batch, hidden) before the first step.

    Returns:
        The hidden states and cells of all steps, (time, batch, hidden) each.
    """
    result: tuple[Tensor, Tensor] = _LSTMLoop.apply(  # type: ignore[no-untyped-call]
        sums, weight_hh, weight_ch, hidden, cell
    )
    return result


class _LSTMLoop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        sums: Tensor,
        weight_hh: Tensor,
        weight_ch: Tensor | None,
        hidden: Tensor,
        cell: Tensor,
    ) -> tuple[Tensor, Tensor]:
        size = hidden.shape[1]
        hidden_states, cells = allocate_states(sums, hidden), allocate_states(sums, cell)
        gates, tanh_cells = torch.empty_like(sums), torch.empty_like(hidden_states[1:])
        recurrent = weight_hh.t()
        peepholes = None if weight_ch is None else Peepholes(weight_ch)
        for step, from_x in enumerate(sums):
            before, after, step_gates = cells[step], cells[step + 1], gates[step]
            torch.addmm(from_x, hidden_states[step], recurrent, out=step_gates)
            both = step_gates[:, : 2 * size]
            write, keep, candidate, read = step_gates.chunk(4, dim=1)
            if peepholes is not None:
                peepholes.add_old(both, before)
            both.sigmoid_()
            torch.mul(keep, before, out=after).addcmul_(write, candidate.tanh_())
            if peepholes is not None:
                peepholes.add_new(read, after)
            torch.tanh(after, out=tanh_cells[step])
            torch.mul(read.sigmoid_(), tanh_cells[step], out=hidden_states[step + 1])
        ctx.save_for_backward(weight_hh, weight_ch, hidden_states, cells, gates, tanh_cells)
        ctx.set_materialize_grads(False)  # training takes no gradient of the cells
        return hidden_states[1:], cells[1:]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, d_hidden_states: Tensor | None, d_cells: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        weight_hh, weight_ch, hidden_states, cells, gates, tanh_cells = ctx.saved_tensors
        peepholes = None if weight_ch is None else Peepholes(weight_ch)
        size = tanh_cells.shape[-1]
        write, keep, candidate, read = gates.chunk(4, dim=-1)
        # d_sum of i, f and g is d_cell times these, that of o is d_hidden times to_read.
        to_write = candidate * write * (1 - write)
        to_keep = cells[:-1] * keep * (1 - keep)
        to_candidate = write * (1 - candidate.square())
        factors = torch.stack([to_write, to_keep, to_candidate], dim=2)
        to_read = tanh_cells * read * (1 - read)
        to_cell = read * (1 - tanh_cells.square())
        d_sums = torch.empty_like(gates)
        d_hidden, d_cell = torch.zeros_like(hidden_states[0]), torch.zeros_like(cells[0])
        for step in reversed(range(len(gates))):
            d_sum = d_sums[step]
            d_read = d_sum[:, 3 * size :]
            if d_hidden_states is not None:
                d_hidden += d_hidden_states[step]
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
        d_weight = weight_gradient(d_sums, hidden_states[:-1])
        d_peepholes = None if peepholes is None else peepholes.gradient(d_sums, cells)
        return d_sums, d_weight, d_peepholes, d_hidden, d_cell
