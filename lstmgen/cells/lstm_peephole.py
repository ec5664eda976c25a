"""The LSTM with peepholes (Gers and Schmidhuber 2000; Graves 2013): the gates see the cell.

    i = sigmoid(W_i x + U_i h + P_i c + b_i)
    f = sigmoid(W_f x + U_f h + P_f c + b_f)
    g = tanh(W_g x + U_g h + b_g)
    c' = f * c + i * g
    o = sigmoid(W_o x + U_o h + P_o c' + b_o)      sees the new cell, computed before it
    h' = o * tanh(c')

P is ``weight_ch``, its rows in the order i, f, o. Usually it is diagonal: each unit sees
only its own cell (3 * hidden numbers, P * c). Full peepholes are matrices. With P = 0
this is the LSTM.
"""

import numpy as np

from lstmgen.cells.building_blocks import (
    Array,
    State,
    StepGradient,
    Weights,
    linear,
    linear_backward,
    sigmoid,
    sigmoid_slope,
    tanh_slope,
)
from lstmgen.cells.cell import Cell
from lstmgen.cells.lstm import FORGET_BIAS, LSTM_BACKWARD, LSTM_GATES, LSTMGates, spell_lstm


def lstm_peephole_step(weights: Weights, x: Array, before: State) -> tuple[State, LSTMGates]:
    """One step forward; ``x`` is (batch, input)."""
    p_i, p_f, p_o = _split_peepholes(weights)
    sum_i, sum_f, sum_g, sum_o = np.split(linear(weights, x, before.hidden), 4, axis=1)
    input_gate = sigmoid(sum_i + _peep(p_i, before.cell))
    forget = sigmoid(sum_f + _peep(p_f, before.cell))
    candidate = np.tanh(sum_g)
    cell = forget * before.cell + input_gate * candidate
    output = sigmoid(sum_o + _peep(p_o, cell))
    return State(output * np.tanh(cell), cell), LSTMGates(input_gate, forget, candidate, output)


def lstm_peephole_step_backward(
    weights: Weights, x: Array, before: State, after: State, gates: LSTMGates, d_after: State
) -> StepGradient:
    """One step backward: as in the LSTM, plus the paths through the peepholes.

    d_c' gains P_o^T d_sum_o, d_c gains P_i^T d_sum_i + P_f^T d_sum_f, and
    d_P_i = d_sum_i c^T, d_P_f = d_sum_f c^T, d_P_o = d_sum_o c'^T.
    """
    p_i, p_f, p_o = _split_peepholes(weights)
    tanh_cell = np.tanh(after.cell)
    d_o = d_after.hidden * tanh_cell * sigmoid_slope(gates.output)
    d_cell = d_after.cell + d_after.hidden * gates.output * tanh_slope(tanh_cell)
    d_cell = d_cell + _peep_backward(p_o, d_o)
    d_i = d_cell * gates.candidate * sigmoid_slope(gates.input)
    d_f = d_cell * before.cell * sigmoid_slope(gates.forget)
    d_g = d_cell * gates.input * tanh_slope(gates.candidate)
    d_before_cell = d_cell * gates.forget + _peep_backward(p_i, d_i)
    d_before_cell = d_before_cell + _peep_backward(p_f, d_f)
    d_gates = LSTMGates(d_i, d_f, d_g, d_o)
    d_sums = np.concatenate(d_gates, axis=1)
    d_weights, d_x, d_hidden = linear_backward(weights, x, before.hidden, d_sums)
    d_peepholes = [
        _peephole_gradient(p_i, d_i, before.cell),
        _peephole_gradient(p_f, d_f, before.cell),
        _peephole_gradient(p_o, d_o, after.cell),
    ]
    d_weights = d_weights._replace(weight_ch=np.concatenate(d_peepholes))
    return StepGradient(d_weights, d_x, State(d_hidden, d_before_cell), d_gates, d_cell)


def _split_peepholes(weights: Weights) -> list[Array]:
    """P_i, P_f and P_o: vectors if diagonal, matrices if full."""
    if weights.weight_ch is None:
        raise ValueError("a peephole LSTM needs weight_ch, these weights have none")
    return np.split(weights.weight_ch, 3)


def _peep(peephole: Array, cell: Array) -> Array:
    return cell * peephole if peephole.ndim == 1 else cell @ peephole.T


def _peep_backward(peephole: Array, d_sum: Array) -> Array:
    return d_sum * peephole if peephole.ndim == 1 else d_sum @ peephole


def _peephole_gradient(peephole: Array, d_sum: Array, cell: Array) -> Array:
    gradient: Array = (d_sum * cell).sum(axis=0) if peephole.ndim == 1 else d_sum.T @ cell
    return gradient


LSTM_PEEPHOLE = Cell(
    "lstm_peephole",
    "LSTM with {peephole} peepholes",
    LSTMGates,
    LSTM_GATES,
    equations=(
        "i = sigmoid(W_i x + U_i h + P_i c + b_i)      input gate (write)",
        "f = sigmoid(W_f x + U_f h + P_f c + b_f)      forget gate (keep)",
        "g = tanh(W_g x + U_g h + b_g)                 candidate",
        "c' = f * c + i * g",
        "o = sigmoid(W_o x + U_o h + P_o c' + b_o)     output gate (read) sees the new cell",
        "h' = o * tanh(c')",
        "W = weight_ih, U = weight_hh, P = weight_ch, b = both biases; ' marks what is after",
    ),
    equations_backward=(
        *LSTM_BACKWARD,
        "d c' gains P_o^T d o, d c gains P_i^T d i + P_f^T d f",
        "d h = U^T (d i, d f, d g, d o)",
    ),
    spell=spell_lstm,
    step=lstm_peephole_step,
    step_backward=lstm_peephole_step_backward,
    has_cell=True,
    has_peepholes=True,
    initial_biases={"forget": FORGET_BIAS},
)
