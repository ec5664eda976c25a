"""An Elman layer: PyTorch's ``nn.RNN``, and the same as a written-out loop."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lstmgen.model.recurrent import Run, State, weight_gradient, with_start


class ElmanLayer(nn.RNN):
    """A layer of Elman cells."""

    weight_hh_l0: nn.Parameter
    bias_ih_l0: nn.Parameter
    bias_hh_l0: nn.Parameter
    has_kernel, has_bf16 = True, False

    def zero_state(self, batch: int) -> State:
        """The state before the first word."""
        hidden = self.weight_hh_l0.new_zeros(batch, self.hidden_size)
        return State(hidden, hidden[:, :0])

    def run_kernel(self, inputs: Any, state: State, *, bf16: bool = False) -> Run:
        """Read a window by torch's kernel."""
        outputs, hidden = self(inputs, state.hidden[None])
        return Run(outputs, State(hidden[0], state.cell), None)

    def input_bias(self) -> Tensor:
        """Both biases."""
        return self.bias_ih_l0 + self.bias_hh_l0

    def run_loop(self, sums: Tensor, state: State) -> Run:
        """Read a window by the written-out loop."""
        states = loop_elman(sums, self.weight_hh_l0, state.hidden)
        return Run(states.transpose(0, 1), State(states[-1], state.cell), None)

    def cells_of(self, inputs: Tensor, befores: Tensor, state: State) -> None:
        """There are none."""


def make_layer(input_size: int, hidden_size: int, **_: Any) -> ElmanLayer:
    """A layer, batch first."""
    return ElmanLayer(input_size, hidden_size, batch_first=True)


def loop_elman(products: Tensor, weight_hh: Tensor, hidden: Tensor) -> Tensor:
    """An Elman layer.

    Args:
        products: (time, batch, hidden), W_ih x and both biases.
        hidden: (batch, hidden) before the first step.

    Returns:
        The hidden states of all steps, (time, batch, hidden).
    """
    result: Tensor = _ElmanLoop.apply(products, weight_hh, hidden)  # type: ignore[no-untyped-call]
    return result


class _ElmanLoop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, products: Tensor, weight_hh: Tensor, hidden: Tensor) -> Tensor:
        hidden_states = with_start(products, hidden)
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
        return d_sums, weight_gradient(d_sums, hidden_states[:-1]), d_hidden
