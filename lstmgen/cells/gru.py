"""The gated recurrent unit (Cho et al. 2014), in the variant that cuDNN and torch use.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)         reset gate
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)         update gate
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn))      candidate
    h' = (1 - z) * n + z * h

Rows are in the order r, z, n. The reset gate acts on the recurrent sum, as in the first
version of the paper (arXiv 1406.1078v1; the third one applies it to h), so the candidate's
two biases cannot be merged. Equals torch's ``nn.GRU``.
"""

from typing import NamedTuple

import numpy as np

from lstmgen.cells.building_blocks import (
    Array,
    State,
    StepGradient,
    Weights,
    sigmoid,
    sigmoid_slope,
    tanh_slope,
)
from lstmgen.cells.cell import Cell, Gate, Numbers


class GRUGates(NamedTuple):
    """Each (batch, hidden), in the order of the rows."""

    reset: Array
    update: Array
    candidate: Array


def gru_step(weights: Weights, x: Array, before: State) -> tuple[State, GRUGates]:
    """One step forward; ``x`` is (batch, input)."""
    from_x = x @ weights.weight_ih.T + weights.bias_ih
    from_h = before.hidden @ weights.weight_hh.T + weights.bias_hh
    size = before.hidden.shape[1]
    reset_update = sigmoid(from_x[:, : 2 * size] + from_h[:, : 2 * size])
    reset, update = reset_update[:, :size], reset_update[:, size:]
    candidate = np.tanh(from_x[:, 2 * size :] + reset * from_h[:, 2 * size :])
    hidden = (1 - update) * candidate + update * before.hidden
    return State(hidden, before.cell), GRUGates(reset, update, candidate)


def gru_step_backward(
    weights: Weights, x: Array, before: State, after: State, gates: GRUGates, d_after: State
) -> StepGradient:
    """One step backward; ``d_after`` is the gradient of the state after it.

    d_z = d_h' * (h - n)                  d_n = d_h' * (1 - z)
    d_sum_n = d_n * (1 - n^2)             d_r = d_sum_n * (W_hn h + b_hn)
    d_h = z * d_h' + W_hr^T d_sum_r + W_hz^T d_sum_z + W_hn^T (r * d_sum_n)
    """
    size = before.hidden.shape[1]
    recurrent = before.hidden @ weights.weight_hh[2 * size :].T + weights.bias_hh[2 * size :]
    d_hidden = d_after.hidden
    candidate = d_hidden * (1 - gates.update) * tanh_slope(gates.candidate)
    update = d_hidden * (before.hidden - gates.candidate) * sigmoid_slope(gates.update)
    reset = candidate * recurrent * sigmoid_slope(gates.reset)
    d_from_x = np.concatenate([reset, update, candidate], axis=1)
    d_from_h = np.concatenate([reset, update, candidate * gates.reset], axis=1)
    d_weights = Weights(
        d_from_x.T @ x, d_from_h.T @ before.hidden, d_from_x.sum(axis=0), d_from_h.sum(axis=0)
    )
    d_before = d_hidden * gates.update + d_from_h @ weights.weight_hh
    d_x, d_gates = d_from_x @ weights.weight_ih, GRUGates(reset, update, candidate)
    return StepGradient(d_weights, d_x, State(d_before, d_after.cell), d_gates, d_after.cell)


def _spell(n: Numbers) -> list[str]:
    z, g = n.gates["update"], n.gates["candidate"]
    return [*n.lines.values(), f"h' = (1 - {z}) * {g} + {z} * {n.before[0]} = {n.after[0]}"]


GRU = Cell(
    "gru",
    "GRU",
    GRUGates,
    {"reset": Gate("r"), "update": Gate("z"), "candidate": Gate("g", squash="tanh")},
    equations=(
        "r = sigmoid(W_r x + U_r h + b_r)                reset gate",
        "z = sigmoid(W_z x + U_z h + b_z)                update gate",
        "g = tanh(W_g x + b_g + r * (U_g h + e_g))       candidate",
        "h' = (1 - z) * g + z * h                        (this z is no logit)",
        "W = weight_ih, U = weight_hh, b = both biases, but in g b = bias_ih and e = bias_hh;",
        "' marks what is after the word",
    ),
    equations_backward=(
        "d g = d h' * (1 - z) * (1 - g^2)                d z = d h' * (h - g) * z * (1 - z)",
        "d r = d g * (U_g h + e_g) * r * (1 - r)         d h = d h' * z + U^T (d r, d z, r * d g)",
    ),
    spell=_spell,
    step=gru_step,
    step_backward=gru_step_backward,
    scaled_by={"candidate": "reset"},
)
