"""Running recurrent layers over a window.

Each cell's layer is in ``model.<cell>_layer``; their interface is ``recurrent.RecurrentLayer``.
"""

import importlib
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional

from lstmgen.cells.cell import Peephole
from lstmgen.model.layer_interface import LayerOutput, RecurrentLayer, State


def make_layer(
    cell: str, input_size: int, hidden_size: int, *, peephole: Peephole = "diagonal"
) -> RecurrentLayer:
    """A layer with PyTorch's parameters for its cell."""
    module = importlib.import_module(f"lstmgen.model.{cell}_layer")
    return cast("RecurrentLayer", module.make_layer(input_size, hidden_size, peephole=peephole))


def run_layer(
    layer: RecurrentLayer, inputs: Tensor, state: State, *, loop: bool = False, bf16: bool = False
) -> LayerOutput:
    """Run a layer over a window.

    Args:
        inputs: (batch, time, input).
        loop: use the written-out loop instead of torch's kernel.
        bf16: do the matmuls in bfloat16, if torch has a kernel for that (the LSTM's; never
            the loop). Outputs and cell keep their dtype.
    """
    if loop or not layer.has_kernel:
        weight = layer.get_parameter("weight_ih_l0")
        sums = functional.linear(inputs.transpose(0, 1), weight, layer.input_bias())
        return layer.run_loop(sums, state)
    return layer.run_kernel(inputs, state, bf16=bf16)


def run_one_hot(
    layer: RecurrentLayer, ids: Tensor, state: State, *, scale: Tensor | None = None
) -> LayerOutput:
    """Run a layer over a window of one-hot words, without making the vectors.

    A one-hot vector times a matrix is one of its columns, so the input matmuls are lookups; the
    loop does the rest.

    Args:
        ids: (batch, time), each in 0..input-1.
        scale: (batch, time), the nonzero entry of each vector; None: 1.
    """
    columns = functional.embedding(ids.t(), layer.get_parameter("weight_ih_l0").t())
    if scale is not None:
        columns = columns * scale.t()[..., None]
    return layer.run_loop(columns + layer.input_bias(), state)


@torch.no_grad()
def state_after(
    layer: RecurrentLayer, inputs: Tensor, result: LayerOutput, state: State, words: Tensor
) -> State:
    """The detached state after some words of a window.

    Args:
        inputs: (batch, time, input) of the window. result: of the window.
        state: before the window.
        words: (batch,) number of words of each row, 0..time; on the CPU.
    """
    longest = int(words.max())
    hidden_states = torch.cat([state.hidden[:, None], result.outputs[:, :longest]], dim=1)
    words = words.to(inputs.device, non_blocking=True)
    rows = torch.arange(len(words), device=words.device)
    cells = result.cells
    if cells is None:
        cells = layer.recompute_cells(inputs[:, :longest], hidden_states[:, :longest], state)
    if cells is None:
        return State(hidden_states[rows, words], state.cell)
    cells = torch.cat([state.cell[:, None], cells[:, :longest]], dim=1)
    return State(hidden_states[rows, words], cells[rows, words])
