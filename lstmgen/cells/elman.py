"""The Elman cell, the simplest recurrent network (Elman 1990, "Finding structure in time").

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)

Backward, where d is the gradient of the loss:

    d_sum = d_h' * (1 - h'^2)
    d_W_ih = d_sum x^T      d_W_hh = d_sum h^T      d_b = d_sum
    d_x = W_ih^T d_sum      d_h = W_hh^T d_sum

Equals torch's ``nn.RNN(nonlinearity="tanh")``.
"""

from typing import NamedTuple

import numpy as np

from lstmgen.cells.building_blocks import (
    Array,
    State,
    StepGradient,
    Weights,
    linear,
    linear_backward,
    tanh_slope,
)
from lstmgen.cells.cell import Cell, Gate


class ElmanGates(NamedTuple):
    """The activation, which is the new hidden state."""

    candidate: Array  # (batch, hidden)


def elman_step(weights: Weights, x: Array, before: State) -> tuple[State, ElmanGates]:
    """One step forward; ``x`` is (batch, input)."""
    hidden = np.tanh(linear(weights, x, before.hidden))
    return State(hidden, before.cell), ElmanGates(hidden)


def elman_step_backward(
    weights: Weights, x: Array, before: State, after: State, gates: ElmanGates, d_after: State
) -> StepGradient:
    """One step backward; ``d_after`` is the gradient of the state after it."""
    d_sums = d_after.hidden * tanh_slope(after.hidden)
    d_weights, d_x, d_hidden = linear_backward(weights, x, before.hidden, d_sums)
    d_before = State(d_hidden, d_after.cell)
    return StepGradient(d_weights, d_x, d_before, ElmanGates(d_sums), d_after.cell)


ELMAN = Cell(
    "elman",
    "Elman",
    ElmanGates,
    {"candidate": Gate("g", squash="tanh")},
    equations=(
        "g = tanh(W x + U h + b),   h' = g",
        "W = weight_ih, U = weight_hh, b = both biases; ' marks what is after the word",
    ),
    equations_backward=("d g = d h' * (1 - g^2)        d h = U^T d g",),
    spell=lambda n: [*n.lines.values(), f"h' = g = {n.after[0]}"],
    step=elman_step,
    step_backward=elman_step_backward,
)
