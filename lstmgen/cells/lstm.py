"""The LSTM cell (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000).

    i = sigmoid(W_i x + U_i h + b_i)        input gate (write)
    f = sigmoid(W_f x + U_f h + b_f)        forget gate (keep)
    g = tanh(W_g x + U_g h + b_g)           candidate
    o = sigmoid(W_o x + U_o h + b_o)        output gate (read)
    c' = f * c + i * g
    h' = o * tanh(c')

W is ``weight_ih``, U is ``weight_hh``, b the sum of the two biases; rows are in
PyTorch's order i, f, g, o, and * acts element by element. Equals torch's ``nn.LSTM``.
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
    sigmoid,
    sigmoid_slope,
    tanh_slope,
)
from lstmgen.cells.cell import Cell, Gate, Numbers


class LSTMGates(NamedTuple):
    """Each (batch, hidden), in the order of the rows."""

    input: Array
    forget: Array
    candidate: Array
    output: Array


def lstm_step(weights: Weights, x: Array, before: State) -> tuple[State, LSTMGates]:
    """One step forward; ``x`` is (batch, input)."""
    sums = linear(weights, x, before.hidden)
    size = before.hidden.shape[1]
    input_forget = sigmoid(sums[:, : 2 * size])
    input_gate, forget = input_forget[:, :size], input_forget[:, size:]
    candidate = np.tanh(sums[:, 2 * size : 3 * size])
    output = sigmoid(sums[:, 3 * size :])
    cell = forget * before.cell + input_gate * candidate
    return State(output * np.tanh(cell), cell), LSTMGates(input_gate, forget, candidate, output)


def lstm_step_backward(
    weights: Weights, x: Array, before: State, after: State, gates: LSTMGates, d_after: State
) -> StepGradient:
    """One step backward; ``d_after`` is the gradient of the state after it.

    d_o = d_h' * tanh(c')
    d_c' gains d_h' * o * (1 - tanh(c')^2)
    d_i = d_c' * g      d_f = d_c' * c      d_g = d_c' * i      d_c = d_c' * f

    Along c the gradient is only multiplied by f: with f = 1 it passes unchanged.
    """
    tanh_cell = np.tanh(after.cell)
    d_cell = d_after.cell + d_after.hidden * gates.output * tanh_slope(tanh_cell)
    d_gates = LSTMGates(
        input=d_cell * gates.candidate * sigmoid_slope(gates.input),
        forget=d_cell * before.cell * sigmoid_slope(gates.forget),
        candidate=d_cell * gates.input * tanh_slope(gates.candidate),
        output=d_after.hidden * tanh_cell * sigmoid_slope(gates.output),
    )
    d_sums = np.concatenate(d_gates, axis=1)
    d_weights, d_x, d_hidden = linear_backward(weights, x, before.hidden, d_sums)
    return StepGradient(d_weights, d_x, State(d_hidden, d_cell * gates.forget), d_gates, d_cell)


FORGET_BIAS = 1.0  # Gers et al. 2000; Jozefowicz et al. 2015
LSTM_GATES = {
    "input": Gate("i", "write"),
    "forget": Gate("f", "keep"),
    "candidate": Gate("g", squash="tanh"),
    "output": Gate("o", "read"),
}
LSTM_BACKWARD = (
    "d o = d h' * tanh(c') * o * (1 - o)             d c' gains d h' * o * (1 - tanh(c')^2)",
    "d i = d c' * g * i * (1 - i)                    d f = d c' * c * f * (1 - f)",
    "d g = d c' * i * (1 - g^2)                      d c = d c' * f",
)


def spell_lstm(n: Numbers) -> list[str]:
    """The equations of one unit with its numbers; the output gate follows the new cell."""
    (_, cell_before), (hidden, cell), gates = n.before, n.after, n.gates
    first = [line for name, line in n.lines.items() if name != "output"]
    new = f"c' = {gates['forget']} * {cell_before} + {gates['input']} * {gates['candidate']}"
    last = f"h' = {gates['output']} * tanh({cell}) = {hidden}"
    return [*first, f"{new} = {cell}", n.lines["output"], last]


LSTM = Cell(
    "lstm",
    "LSTM",
    LSTMGates,
    LSTM_GATES,
    equations=(
        "i = sigmoid(W_i x + U_i h + b_i)     input gate (write)",
        "f = sigmoid(W_f x + U_f h + b_f)     forget gate (keep)",
        "g = tanh(W_g x + U_g h + b_g)        candidate",
        "o = sigmoid(W_o x + U_o h + b_o)     output gate (read)",
        "c' = f * c + i * g,   h' = o * tanh(c')",
        "W = weight_ih, U = weight_hh, b = both biases; ' marks what is after the word",
    ),
    equations_backward=(*LSTM_BACKWARD, "d h = U^T (d i, d f, d g, d o)"),
    spell=spell_lstm,
    step=lstm_step,
    step_backward=lstm_step_backward,
    has_cell=True,
    initial_biases={"forget": FORGET_BIAS},
)
