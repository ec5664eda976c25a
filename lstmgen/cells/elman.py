"""The Elman cell, the simplest recurrent network (Elman 1990, "Finding structure in time").

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)

Backwards, with d standing for the gradient of the cost:

    d_sum = d_h' * (1 - h'^2)
    d_W_ih = d_sum x^T      d_W_hh = d_sum h^T      d_b = d_sum
    d_x = W_ih^T d_sum      d_h = W_hh^T d_sum

Equals torch's ``nn.RNN(nonlinearity="tanh")``.
"""

from typing import NamedTuple

import numpy as np

from lstmgen.cells.cell import Cell, Gate, Numbers
from lstmgen.cells.step import (
    Array,
    State,
    StepGradient,
    Weights,
    linear,
    linear_backward,
    tanh_slope,
)


class ElmanGates(NamedTuple):
    """Its one squashed sum, which is the new hidden state."""

    candidate: Array  # (batch, hidden)


def elman_step(weights: Weights, x: Array, before: State) -> tuple[State, ElmanGates]:
    """Advance by one step.

    Args:
        x: (batch, input).
    """
    hidden = np.tanh(linear(weights, x, before.hidden))
    return State(hidden, before.cell), ElmanGates(hidden)


def elman_step_backward(
    weights: Weights, x: Array, before: State, after: State, gates: ElmanGates, d_after: State
) -> StepGradient:
    """Go back by one step: ``d_after`` is the gradient of the state after it."""
    d_sums = d_after.hidden * tanh_slope(after.hidden)
    d_weights, d_x, d_hidden = linear_backward(weights, x, before.hidden, d_sums)
    before_state = State(d_hidden, d_after.cell)
    return StepGradient(d_weights, d_x, before_state, ElmanGates(d_sums), d_after.cell)


def _spell(n: Numbers) -> list[str]:
    return [*n.lines.values(), f"h' = g = {n.after[0]}"]


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
    spell=_spell,
    step=elman_step,
    step_backward=elman_step_backward,
)
