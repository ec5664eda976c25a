"""An Elman layer: PyTorch's ``nn.RNN``, and the same as a written-out loop."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lstmgen.model.layer_interface import LayerOutput, State, allocate_states, weight_gradient


class ElmanLayer(nn.RNN):
    """A layer of Elman cells."""

    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter
    has_cell, has_kernel, has_bf16 = False, True, False

    def run_kernel(self, inputs: Any, state: State, *, bf16: bool = False) -> LayerOutput:
        """Run torch's kernel over a window."""
        outputs, hidden = self(inputs, state.hidden[None])
        return LayerOutput(outputs, State(hidden[0], state.cell), None)

    def input_bias(self) -> Tensor:
        """Both biases."""
        return self.bias_ih_l0 + self.bias_hh_l0

    def run_loop(self, sums: Tensor, state: State) -> LayerOutput:
        """Run the written-out loop over a window."""
        states = loop_elman(sums, self.weight_hh_l0, state.hidden)
        return LayerOutput(states.transpose(0, 1), State(states[-1], state.cell), None)

    def recompute_cells(self, inputs: Tensor, previous: Tensor, state: State) -> None:
        """An Elman layer has no cell state."""


def make_layer(input_size: int, hidden_size: int, **_: Any) -> ElmanLayer:
    """A layer, batch first."""
    return ElmanLayer(input_size, hidden_size, batch_first=True)


def loop_elman(sums: Tensor, weight_hh: Tensor, hidden: Tensor) -> Tensor:
    """An Elman layer over a window.

    Args:
        sums: (time, batch, hidden), W_ih x plus both biases.
        hidden: (batch, hidden) before the first step.

    Returns:
        The hidden states of all steps, (time, batch, hidden).
    """
    result: Tensor = _ElmanLoop.apply(sums, weight_hh, hidden)  # type: ignore[no-untyped-call]
    return result


class _ElmanLoop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sums: Tensor, weight_hh: Tensor, hidden: Tensor) -> Tensor:
        hidden_states = allocate_states(sums, hidden)
        recurrent = weight_hh.t()
        for step, from_x in enumerate(sums):
            torch.addmm(from_x, hidden_states[step], recurrent, out=hidden_states[step + 1]).tanh_()
        ctx.save_for_backward(weight_hh, hidden_states)
        return hidden_states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden_states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight_hh, hidden_states = ctx.saved_tensors
        slopes = 1 - hidden_states[1:].square()
        d_sums = torch.empty_like(slopes)
        d_hidden = torch.zeros_like(hidden_states[0])
        for step in reversed(range(len(slopes))):
            d_hidden += d_hidden_states[step]
            d_sum = torch.mul(d_hidden, slopes[step], out=d_sums[step])
            torch.mm(d_sum, weight_hh, out=d_hidden)
        return d_sums, weight_gradient(d_sums, hidden_states[:-1]), d_hidden
