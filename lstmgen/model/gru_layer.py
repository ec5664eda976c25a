"""A GRU layer: PyTorch's ``nn.GRU``, and the same as a written-out loop."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lstmgen.model.layer_interface import LayerOutput, State, allocate_states, weight_gradient


class GRULayer(nn.GRU):
    """A layer of GRU cells."""

    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter
    has_cell, has_kernel, has_bf16 = False, True, False

    def run_kernel(self, inputs: Any, state: State, *, bf16: bool = False) -> LayerOutput:
        """Run torch's kernel over a window."""
        outputs, hidden = self(inputs, state.hidden[None])
        return LayerOutput(outputs, State(hidden[0], state.cell), None)

    def input_bias(self) -> Tensor:
        """The input bias alone: the recurrent one is added inside the reset gate."""
        return self.bias_ih_l0

    def run_loop(self, sums: Tensor, state: State) -> LayerOutput:
        """Run the written-out loop over a window."""
        states = loop_gru(sums, self.weight_hh_l0, self.bias_hh_l0, state.hidden)
        return LayerOutput(states.transpose(0, 1), State(states[-1], state.cell), None)

    def recompute_cells(self, inputs: Tensor, previous: Tensor, state: State) -> None:
        """A GRU has no cell state."""


def make_layer(input_size: int, hidden_size: int, **_: Any) -> GRULayer:
    """A layer, batch first."""
    return GRULayer(input_size, hidden_size, batch_first=True)


def loop_gru(sums: Tensor, weight_hh: Tensor, bias_hh: Tensor, hidden: Tensor) -> Tensor:
    """A GRU layer over a window.

    Args:
        sums: (time, batch, 3 * hidden), W_ih x plus its bias.
        hidden: (batch, hidden) before the first step.

    Returns:
        The hidden states of all steps, (time, batch, hidden).
    """
    result: Tensor = _GRULoop.apply(sums, weight_hh, bias_hh, hidden)  # type: ignore[no-untyped-call]
    return result


class _GRULoop(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, sums: Tensor, weight_hh: Tensor, bias_hh: Tensor, hidden: Tensor
    ) -> Tensor:
        size = hidden.shape[1]
        hidden_states = allocate_states(sums, hidden)
        gates, recurrent_sums = torch.empty_like(sums), torch.empty_like(sums)
        recurrent = weight_hh.t()
        for step, from_x in enumerate(sums):
            before, from_h = hidden_states[step], recurrent_sums[step]
            torch.addmm(bias_hh, before, recurrent, out=from_h)
            reset, update, candidate = gates[step].chunk(3, dim=1)
            both = gates[step, :, : 2 * size]
            torch.add(from_x[:, : 2 * size], from_h[:, : 2 * size], out=both).sigmoid_()
            torch.addcmul(from_x[:, 2 * size :], reset, from_h[:, 2 * size :], out=candidate)
            torch.lerp(candidate.tanh_(), before, update, out=hidden_states[step + 1])
        ctx.save_for_backward(weight_hh, hidden_states, gates, recurrent_sums[..., 2 * size :])
        return hidden_states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden_states: Tensor) -> tuple[Tensor, ...]:
        weight_hh, hidden_states, gates, recurrent_candidate = ctx.saved_tensors
        reset, update, candidate = gates.chunk(3, dim=-1)
        size = reset.shape[-1]
        # d_sum of update and candidate is d_hidden times these, that of reset the
        # candidate's times the third.
        to_update = (hidden_states[:-1] - candidate) * update * (1 - update)
        to_candidate = (1 - update) * (1 - candidate.square())
        to_reset = recurrent_candidate * reset * (1 - reset)
        d_from_x, d_from_h = torch.empty_like(gates), torch.empty_like(gates)
        d_hidden = torch.zeros_like(hidden_states[0])
        for step in reversed(range(len(gates))):
            d_hidden += d_hidden_states[step]
            d_reset, d_update, d_recurrent = d_from_h[step].chunk(3, dim=1)
            d_candidate = d_from_x[step, :, 2 * size :]
            torch.mul(d_hidden, to_candidate[step], out=d_candidate)
            torch.mul(d_hidden, to_update[step], out=d_update)
            torch.mul(d_candidate, to_reset[step], out=d_reset)
            torch.mul(d_candidate, reset[step], out=d_recurrent)
            d_hidden.mul_(update[step]).addmm_(d_from_h[step], weight_hh)
        d_from_x[..., : 2 * size] = d_from_h[..., : 2 * size]
        d_weight = weight_gradient(d_from_h, hidden_states[:-1])
        return d_from_x, d_weight, d_from_h.sum(dim=(0, 1)), d_hidden
