"""For library users: stacked layers over sequences of different lengths."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from lstmgen.model.layer_interface import RecurrentLayer, State, zero_state
from lstmgen.model.run_layers import run_layer


def run_stack(
    layers: Sequence[RecurrentLayer],
    inputs: Tensor,
    states: Sequence[State] | None = None,
    *,
    lengths: Tensor | None = None,
    loop: bool = False,
) -> tuple[Tensor, list[State]]:
    """Run stacked layers, from the input up, over sequences.

    Args:
        inputs: (batch, time, input).
        states: before the sequences; None: zero.
        lengths: (batch,) number of steps of each sequence, 1..time; None: all. Inputs after
            a sequence's end are ignored.
        loop: use the written-out loop instead of torch's kernels.

    Returns:
        The top layer's hidden state at every step, (batch, time, hidden), 0 after a sequence's
        end, and each layer's state after the last step of each sequence; both differentiable.

    Raises:
        ValueError: for invalid lengths.
    """
    batch, time, _ = inputs.shape
    if lengths is not None:
        if lengths.shape != (batch,) or int(lengths.min()) < 1 or int(lengths.max()) > time:
            raise ValueError(f"lengths must be {batch} numbers in 1..{time}")
        inside = torch.arange(time, device=inputs.device) < lengths[:, None]
        inputs = inputs.where(inside[..., None], torch.zeros_like(inputs))
    last_states: list[State] = []
    for place, layer in enumerate(layers):
        state = zero_state(layer, len(inputs)) if states is None else states[place]
        if lengths is None:
            inputs, last, _ = run_layer(layer, inputs, state, loop=loop)
        else:
            inputs, last = _run_lengths(layer, inputs, state, lengths, loop=loop)
        last_states.append(last)
    return inputs, last_states


def _run_lengths(
    layer: RecurrentLayer, inputs: Tensor, state: State, lengths: Tensor, *, loop: bool
) -> tuple[Tensor, State]:
    time = inputs.shape[1]
    if loop or not layer.has_kernel:
        outputs, _, cells = run_layer(layer, inputs, state, loop=True)
        rows = torch.arange(len(inputs), device=inputs.device)
        inside = torch.arange(time, device=inputs.device) < lengths[:, None]
        outputs = outputs.where(inside[..., None], torch.zeros_like(outputs))
        cell = state.cell if cells is None else cells[rows, lengths - 1]
        last = State(outputs[rows, lengths - 1], cell)
        return outputs, last
    packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
    outputs, last, _ = layer.run_kernel(packed, state)
    padded, _ = pad_packed_sequence(cast("PackedSequence", outputs), True, total_length=time)
    return padded, last
