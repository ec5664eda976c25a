"""One recurrent layer over a window, and the state it hands on."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

_PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class LSTMState(NamedTuple):
    """What one layer hands from one window to the next."""

    hidden: Tensor  # (batch, hidden)
    cell: Tensor  # (batch, hidden)


def zero_state(layer: nn.LSTM, batch: int) -> LSTMState:
    """The state before the first word."""
    weight = layer.get_parameter("weight_hh_l0")
    zeros = weight.new_zeros(batch, layer.hidden_size)
    return LSTMState(zeros, zeros.clone())


def run_layer(layer: nn.LSTM, inputs: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
    """Read a window from a state.

    Args:
        inputs: (batch, time, input).

    Returns:
        The hidden of every step, (batch, time, hidden), and the state after the last.
    """
    outputs, (hidden, cell) = layer(inputs, (state.hidden[None], state.cell[None]))
    return outputs, LSTMState(hidden[0], cell[0])


@torch.no_grad()
def state_after(
    layer: nn.LSTM, inputs: Tensor, outputs: Tensor, state: LSTMState, words: Tensor
) -> LSTMState:
    """The state after a number of words of a window that has been read.

    ``nn.LSTM`` returns the cell at the end of a call only, and a second call for
    the first words would cost as much as a window. The hiddens are all there, so
    the gates of those words are one matrix product and the cell one recurrence.

    Args:
        inputs, outputs: (batch, time, input) and (batch, time, hidden) of the window.
        state: before the window.
        words: (batch,) how many words each row has read, 0..time.

    Returns:
        The state, cut off from the graph.
    """
    most = int(words.max())
    hiddens = torch.cat([state.hidden[:, None], outputs[:, :most]], dim=1)
    w_ih, w_hh, b_ih, b_hh = (layer.get_parameter(name) for name in _PARAMETERS)
    gates = inputs[:, :most] @ w_ih.T + hiddens[:, :most] @ w_hh.T + (b_ih + b_hh)
    write, keep, candidate, _ = gates.chunk(4, dim=-1)
    new = write.sigmoid() * candidate.tanh()
    keep = keep.sigmoid()
    cells = [state.cell]
    for step in range(most):
        cells.append(keep[:, step] * cells[-1] + new[:, step])
    rows = torch.arange(len(words), device=words.device)
    return LSTMState(hiddens[rows, words], torch.stack(cells, dim=1)[rows, words])
