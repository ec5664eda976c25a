"""Recurrent layers over a window, and the state that they hand on.

Each cell has its layer in a file of its own, ``model.<cell>_layer``; what they have in common
is ``recurrent.RecurrentLayer``.
"""

import importlib
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from lstmgen.cells.cell import Peephole
from lstmgen.model.recurrent import RecurrentLayer, Run, State


def make_layer(
    cell: str, input_size: int, hidden_size: int, *, peephole: Peephole = "diagonal"
) -> RecurrentLayer:
    """A layer with PyTorch's parameters for its cell."""
    module = importlib.import_module(f"lstmgen.model.{cell}_layer")
    return cast("RecurrentLayer", module.make_layer(input_size, hidden_size, peephole=peephole))


def run_layer(
    layer: RecurrentLayer, inputs: Tensor, state: State, *, loop: bool = False, bf16: bool = False
) -> Run:
    """Read a window from a state.

    Args:
        inputs: (batch, time, input).
        loop: by the written-out loop instead of torch's kernel.
        bf16: take the matmuls in bfloat16, where torch has a kernel for that (an
            LSTM's; not the loop). What comes out, and the cell, stay as they are.
    """
    if loop or not layer.has_kernel:
        weight = layer.get_parameter("weight_ih_l0")
        sums = functional.linear(inputs.transpose(0, 1), weight, layer.input_bias())
        return layer.run_loop(sums, state)
    return layer.run_kernel(inputs, state, bf16=bf16)


def run_table(
    layer: RecurrentLayer, ids: Tensor, state: State, *, scale: Tensor | None = None
) -> Run:
    """Read a window of one-hot words from a state, without making the vectors.

    A one-hot vector times a matrix is one of its columns, so the matmuls with the
    inputs are looked up; the loop does the rest.

    Args:
        ids: (batch, time), each in 0..input-1.
        scale: (batch, time), the one of each vector; None is 1.
    """
    columns = functional.embedding(ids.t(), layer.get_parameter("weight_ih_l0").t())
    if scale is not None:
        columns = columns * scale.t()[..., None]
    return layer.run_loop(columns + layer.input_bias(), state)


@torch.no_grad()
def state_after(
    layer: RecurrentLayer, inputs: Tensor, run: Run, state: State, words: Tensor
) -> State:
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
    if cells is None:
        cells = layer.cells_of(inputs[:, :most], hidden_states[:, :most], state)
    if cells is None:
        return State(hidden_states[rows, words], state.cell)
    cells = torch.cat([state.cell[:, None], cells[:, :most]], dim=1)
    return State(hidden_states[rows, words], cells[rows, words])
