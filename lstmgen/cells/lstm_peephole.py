"""The LSTM with peepholes (Gers and Schmidhuber 2000; Graves 2013): the gates see the cell.

    i = sigmoid(W_i x + U_i h + P_i c + b_i)
    f = sigmoid(W_f x + U_f h + P_f c + b_f)
    g = tanh(W_g x + U_g h + b_g)
    c' = f * c + i * g
    o = sigmoid(W_o x + U_o h + P_o c' + b_o)      the new cell, so c' comes first
    h' = o * tanh(c')

P is ``weight_ch``, its rows in the order i, f, o. Usual is the diagonal one, where
each unit sees its own cell only (3 * hidden numbers, P * c); full ones are
matrices. With P = 0 this is the LSTM.
"""

import numpy as np

from lstmgen.cells.cell import Cell
from lstmgen.cells.lstm import FORGET_BIAS, LSTM_BACKWARD, LSTM_GATES, LSTMGates, spell_lstm
from lstmgen.cells.step import (
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


def lstm_peephole_step(weights: Weights, x: Array, before: State) -> tuple[State, LSTMGates]:
    """Advance by one step.

    Args:
        x: (batch, input).
    """
    sums = linear(weights, x, before.hidden)
    see_write, see_keep, see_read = _peepholes(weights)
    sum_write, sum_keep, sum_candidate, sum_read = np.split(sums, 4, axis=1)
    write = sigmoid(sum_write + _see(see_write, before.cell))
    keep = sigmoid(sum_keep + _see(see_keep, before.cell))
    candidate = np.tanh(sum_candidate)
    cell = keep * before.cell + write * candidate
    read = sigmoid(sum_read + _see(see_read, cell))
    return State(read * np.tanh(cell), cell), LSTMGates(write, keep, candidate, read)


def lstm_peephole_step_backward(
    weights: Weights, x: Array, before: State, after: State, gates: LSTMGates, d_after: State
) -> StepGradient:
    """Go back by one step: as the LSTM does, and through the peepholes too.

    d_c' gains P_o^T d_sum_o, d_c gains P_i^T d_sum_i + P_f^T d_sum_f, and
    d_P_i = d_sum_i c^T, d_P_f = d_sum_f c^T, d_P_o = d_sum_o c'^T.
    """
    see_write, see_keep, see_read = _peepholes(weights)
    squashed = np.tanh(after.cell)
    read = d_after.hidden * squashed * sigmoid_slope(gates.output)
    d_cell = d_after.cell + d_after.hidden * gates.output * tanh_slope(squashed)
    d_cell = d_cell + _see_backward(see_read, read)
    write = d_cell * gates.candidate * sigmoid_slope(gates.input)
    keep = d_cell * before.cell * sigmoid_slope(gates.forget)
    candidate = d_cell * gates.input * tanh_slope(gates.candidate)
    d_before_cell = d_cell * gates.forget + _see_backward(see_write, write)
    d_before_cell = d_before_cell + _see_backward(see_keep, keep)
    d_gates = LSTMGates(write, keep, candidate, read)
    d_sums = np.concatenate(d_gates, axis=1)
    d_weights, d_x, d_hidden = linear_backward(weights, x, before.hidden, d_sums)
    d_peepholes = [
        _peephole_gradient(see, d_sum, cell)
        for see, d_sum, cell in (
            (see_write, write, before.cell),
            (see_keep, keep, before.cell),
            (see_read, read, after.cell),
        )
    ]
    d_weights = d_weights._replace(weight_ch=np.concatenate(d_peepholes))
    return StepGradient(d_weights, d_x, State(d_hidden, d_before_cell), d_gates, d_cell)


def _peepholes(weights: Weights) -> list[Array]:
    """P_i, P_f and P_o: vectors where diagonal, matrices where full."""
    if weights.weight_ch is None:
        raise ValueError("a peephole LSTM needs weight_ch, these weights have none")
    return np.split(weights.weight_ch, 3)


def _see(peephole: Array, cell: Array) -> Array:
    return cell * peephole if peephole.ndim == 1 else cell @ peephole.T


def _see_backward(peephole: Array, d_sum: Array) -> Array:
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
