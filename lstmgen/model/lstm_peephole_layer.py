"""An LSTM layer with peepholes, as a written-out loop: torch has no kernel for them."""

from typing import Any

import torch
from torch import Tensor, nn

from lstmgen.cells.cell import Peephole, peephole_shape
from lstmgen.model.layer_interface import LayerOutput, State
from lstmgen.model.lstm_layer import loop_lstm


class PeepholeLSTMLayer(nn.Module):
    """A layer of LSTM cells with peepholes; ``weight_ch_l0`` has rows i, f, o."""

    has_cell, has_kernel, has_bf16 = True, False, False

    def __init__(self, input_size: int, hidden_size: int, *, peephole: Peephole) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        rows = 4 * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(rows))
        self.bias_hh_l0 = nn.Parameter(torch.empty(rows))
        self.weight_ch_l0 = nn.Parameter(torch.empty(peephole_shape(peephole, hidden_size)))

    def run_kernel(self, inputs: Any, state: State, *, bf16: bool = False) -> LayerOutput:
        """Not available."""
        raise NotImplementedError("torch has no kernel for peepholes")

    def input_bias(self) -> Tensor:
        """Both biases."""
        return self.bias_ih_l0 + self.bias_hh_l0

    def run_loop(self, sums: Tensor, state: State) -> LayerOutput:
        """Run the written-out loop over a window."""
        states, cells = loop_lstm(
            sums, self.weight_hh_l0, self.weight_ch_l0, state.hidden, state.cell
        )
        last = State(states[-1], cells[-1])
        return LayerOutput(states.transpose(0, 1), last, cells.transpose(0, 1))

    def recompute_cells(self, inputs: Tensor, previous: Tensor, state: State) -> None:
        """Not needed: the loop returns all cells."""


def make_layer(input_size: int, hidden_size: int, *, peephole: Peephole) -> PeepholeLSTMLayer:
    """A layer, batch first."""
    return PeepholeLSTMLayer(input_size, hidden_size, peephole=peephole)
