"""Recurrent layers over a window, and the state that they hand on.

A layer is torch's own module (its parameters are at their names in torch), read by
its fused kernel or by the written-out loop of ``model.loops``; one with peepholes
is a module of ours, since torch has none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lstmgen.cells.cell import CellName, Peephole, peephole_shape
from lstmgen.model.loops import loop_elman, loop_gru, loop_lstm

_PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class PeepholeLSTM(nn.Module):
    """The parameters of an LSTM with peepholes; ``weight_ch_l0`` has rows i, f, o."""

    def __init__(self, input_size: int, hidden_size: int, *, peephole: Peephole) -> None:
        super().__init__()
        self.hidden_size = hidden_size
        rows = 4 * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(rows))
        self.bias_hh_l0 = nn.Parameter(torch.empty(rows))
        self.weight_ch_l0 = nn.Parameter(torch.empty(peephole_shape(peephole, hidden_size)))


Layer = nn.RNN | nn.GRU | nn.LSTM | PeepholeLSTM


class State(NamedTuple):
    """What one layer hands from one window to the next."""

    hidden: Tensor  # (batch, hidden)
    cell: Tensor  # (batch, hidden); (batch, 0) where a cell has no second memory


class Run(NamedTuple):
    """What a layer makes of a window."""

    outputs: Tensor  # the hidden of every step, (batch, time, hidden)
    last: State  # after the last step
    cells: Tensor | None  # of every step where known, (batch, time, hidden)


def make_layer(
    cell: CellName, input_size: int, hidden_size: int, *, peephole: Peephole = "diagonal"
) -> Layer:
    """A layer with torch's parameters for its cell."""
    if cell == "lstm_peephole":
        return PeepholeLSTM(input_size, hidden_size, peephole=peephole)
    kinds: dict[str, type[nn.RNN | nn.GRU | nn.LSTM]]
    kinds = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
    return kinds[cell](input_size, hidden_size, batch_first=True)


def zero_state(layer: Layer, batch: int) -> State:
    """The state before the first word."""
    hidden = layer.get_parameter("weight_hh_l0").new_zeros(batch, layer.hidden_size)
    has_cell = isinstance(layer, nn.LSTM | PeepholeLSTM)
    return State(hidden, hidden.clone() if has_cell else hidden[:, :0])


def run_layer(
    layer: Layer, inputs: Tensor, state: State, *, loop: bool = False, bf16: bool = False
) -> Run:
    """Read a window from a state.

    Args:
        inputs: (batch, time, input).
        loop: by the written-out loop instead of torch's kernel.
        bf16: take the products in bfloat16, where torch has a kernel for that (an
            LSTM's; not the loop). What comes out, and the cell, stay as they are.
    """
    if loop or isinstance(layer, PeepholeLSTM):
        return _run_loop(layer, inputs, state)
    if isinstance(layer, nn.LSTM):
        if bf16:
            return _run_bf16(layer, inputs, state)
        outputs, (hidden, cell) = layer(inputs, (state.hidden[None], state.cell[None]))
        return Run(outputs, State(hidden[0], cell[0]), None)
    outputs, hidden = layer(inputs, state.hidden[None])
    return Run(outputs, State(hidden[0], state.cell), None)


def run_stack(
    layers: Sequence[Layer],
    inputs: Tensor,
    states: Sequence[State] | None = None,
    *,
    lengths: Tensor | None = None,
    loop: bool = False,
) -> tuple[Tensor, list[State]]:
    """Read sequences by layers on top of each other, from the input up.

    Args:
        inputs: (batch, time, input).
        states: before the sequences; None is zero.
        lengths: (batch,) how many steps each sequence has, 1..time; None is all.
            What stands behind a sequence's end changes nothing.
        loop: by the written-out loop instead of torch's kernels.

    Returns:
        The top layer's hidden at every step, (batch, time, hidden), 0 behind a
        sequence's end, and each layer's state after the last step of each sequence.
        Both are differentiable.

    Raises:
        ValueError: for lengths that do not fit.
    """
    batch, time, _ = inputs.shape
    if lengths is not None:
        if lengths.shape != (batch,) or int(lengths.min()) < 1 or int(lengths.max()) > time:
            raise ValueError(f"lengths must be {batch} numbers in 1..{time}")
        inside = torch.arange(time, device=inputs.device) < lengths[:, None]
        inputs = inputs.where(inside[..., None], torch.zeros_like(inputs))
    lasts: list[State] = []
    for place, layer in enumerate(layers):
        state = zero_state(layer, len(inputs)) if states is None else states[place]
        if lengths is None:
            inputs, last, _ = run_layer(layer, inputs, state, loop=loop)
        else:
            inputs, last = _run_lengths(layer, inputs, state, lengths, loop=loop)
        lasts.append(last)
    return inputs, lasts


@torch.no_grad()
def state_after(layer: Layer, inputs: Tensor, run: Run, state: State, words: Tensor) -> State:
    """The state after a number of words of a window that has been read.

    Args:
        inputs: (batch, time, input) of the window.
        state: before the window.
        words: (batch,) how many words each row has read, 0..time; on the CPU.

    Returns:
        The state, cut off from the graph.
    """
    most = int(words.max())
    hidden_states = torch.cat([state.hidden[:, None], run.outputs[:, :most]], dim=1)
    words = words.to(inputs.device, non_blocking=True)
    rows = torch.arange(len(words), device=words.device)
    cells = run.cells
    if cells is None and isinstance(layer, nn.LSTM):
        cells = _recompute_cells(layer, inputs[:, :most], hidden_states[:, :most], state.cell)
    if cells is None:
        return State(hidden_states[rows, words], state.cell)
    cells = torch.cat([state.cell[:, None], cells[:, :most]], dim=1)
    return State(hidden_states[rows, words], cells[rows, words])


def _recompute_cells(layer: nn.LSTM, inputs: Tensor, befores: Tensor, cell: Tensor) -> Tensor:
    """The cells of steps whose hiddens are known.

    torch's kernel returns the cell at the end of a call only, and a second call for
    the first words would cost as much as a window. The gates of those words are one
    matrix product, and the cell is one recurrence.

    Args:
        befores: (batch, time, hidden), the hidden before each step.
    """
    w_ih, w_hh, b_ih, b_hh = (layer.get_parameter(name) for name in _PARAMETERS)
    gates = inputs @ w_ih.T + befores @ w_hh.T + (b_ih + b_hh)
    write, keep, candidate, _ = gates.chunk(4, dim=-1)
    new, keep = write.sigmoid() * candidate.tanh(), keep.sigmoid()
    cells = []
    for step in range(inputs.shape[1]):
        cell = keep[:, step] * cell + new[:, step]
        cells.append(cell)
    return torch.stack(cells, dim=1) if cells else new


def _run_bf16(layer: nn.LSTM, inputs: Tensor, state: State) -> Run:
    """An LSTM's window by torch's bfloat16 kernel."""
    hidden, cell, dtype = state.hidden[None], state.cell[None], inputs.dtype
    if inputs.is_cuda:  # autocast lays the weights out as cuDNN wants them
        with torch.autocast("cuda", torch.bfloat16):
            outputs, (hidden, cell) = layer(inputs, (hidden, cell))
    else:  # here the cell may stay in float32 from window to window
        outputs, hidden, cell = torch.lstm(
            inputs.bfloat16(),
            (hidden.bfloat16(), cell),
            [layer.get_parameter(name).bfloat16() for name in _PARAMETERS],
            True,
            1,
            0.0,
            torch.is_grad_enabled(),
            False,
            True,
        )
    last = State(hidden[0].to(dtype), cell[0].to(dtype))
    return Run(outputs.to(dtype), last, None)


def run_table(layer: Layer, ids: Tensor, state: State, *, scale: Tensor | None = None) -> Run:
    """Read a window of one-hot words from a state, without making the vectors.

    A one-hot vector times a matrix is one of its columns, so the products with the
    inputs are looked up; the loop goes on from there.

    Args:
        ids: (batch, time), each in 0..input-1.
        scale: (batch, time), the one of each vector; None is 1.
    """
    columns = functional.embedding(ids.t(), layer.get_parameter("weight_ih_l0").t())
    if scale is not None:
        columns = columns * scale.t()[..., None]
    return _run_products(layer, columns + _input_bias(layer), state)


def _run_loop(layer: Layer, inputs: Tensor, state: State) -> Run:
    weight = layer.get_parameter("weight_ih_l0")
    products = functional.linear(inputs.transpose(0, 1), weight, _input_bias(layer))
    return _run_products(layer, products, state)


def _input_bias(layer: Layer) -> Tensor:
    """What is added before the loop: a GRU's other bias stands behind its reset gate."""
    bias = layer.get_parameter("bias_ih_l0")
    return bias if isinstance(layer, nn.GRU) else bias + layer.get_parameter("bias_hh_l0")


def _run_products(layer: Layer, products: Tensor, state: State) -> Run:
    """The loop from its inputs' products with their bias on, (time, batch, gates * hidden)."""
    w_hh = layer.get_parameter("weight_hh_l0")
    if isinstance(layer, nn.GRU):
        bias = layer.get_parameter("bias_hh_l0")
        hidden_states = loop_gru(products, w_hh, bias, state.hidden)
        return Run(hidden_states.transpose(0, 1), State(hidden_states[-1], state.cell), None)
    if isinstance(layer, nn.RNN):
        hidden_states = loop_elman(products, w_hh, state.hidden)
        return Run(hidden_states.transpose(0, 1), State(hidden_states[-1], state.cell), None)
    weight_ch = layer.weight_ch_l0 if isinstance(layer, PeepholeLSTM) else None
    hidden_states, cells = loop_lstm(products, w_hh, weight_ch, state.hidden, state.cell)
    last = State(hidden_states[-1], cells[-1])
    return Run(hidden_states.transpose(0, 1), last, cells.transpose(0, 1))


def _run_lengths(
    layer: Layer, inputs: Tensor, state: State, lengths: Tensor, *, loop: bool
) -> tuple[Tensor, State]:
    """Read sequences of different lengths."""
    time = inputs.shape[1]
    if loop or isinstance(layer, PeepholeLSTM):
        outputs, _, cells = run_layer(layer, inputs, state, loop=True)
        rows = torch.arange(len(inputs), device=inputs.device)
        inside = torch.arange(time, device=inputs.device) < lengths[:, None]
        outputs = outputs.where(inside[..., None], torch.zeros_like(outputs))
        cell = state.cell if cells is None else cells[rows, lengths - 1]
        last = State(outputs[rows, lengths - 1], cell)
        return outputs, last
    packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
    if isinstance(layer, nn.LSTM):
        outputs, (hidden, cell) = layer(packed, (state.hidden[None], state.cell[None]))
        last = State(hidden[0], cell[0])
    else:
        outputs, hidden = layer(packed, state.hidden[None])
        last = State(hidden[0], state.cell)
    padded, _ = pad_packed_sequence(outputs, batch_first=True, total_length=time)
    return padded, last
