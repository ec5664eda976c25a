"""The LSTM cell, one step at a time.

Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000:

    i = sigmoid(W_i x + U_i h + b_i)        input gate (write)
    f = sigmoid(W_f x + U_f h + b_f)        forget gate (keep)
    g = tanh(W_g x + U_g h + b_g)           candidate
    o = sigmoid(W_o x + U_o h + b_o)        output gate (read)
    c' = f * c + i * g
    h' = o * tanh(c')

Matrices hold the four gates as rows, in torch's order i, f, g, o.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class LSTMWeights(NamedTuple):
    """The parameters of one layer."""

    input: Array  # (4*hidden, input), acts on the word
    recurrent: Array  # (4*hidden, hidden), acts on the hidden before
    bias: Array  # (4*hidden,), the sum of torch's two


class LSTMState(NamedTuple):
    """The memory of one layer."""

    hidden: Array  # (batch, hidden)
    cell: Array  # (batch, hidden)


def sigmoid(x: Array) -> Array:
    """The logistic function, by way of tanh, which overflows nowhere."""
    result: Array = 0.5 * np.tanh(0.5 * x) + 0.5
    return result


def zero_state(weights: LSTMWeights, batch: int) -> LSTMState:
    """The state before the first word."""
    hidden = weights.recurrent.shape[1]
    zeros = np.zeros((batch, hidden), dtype=weights.recurrent.dtype)
    return LSTMState(zeros, zeros.copy())


def lstm_step(weights: LSTMWeights, x: Array, state: LSTMState) -> LSTMState:
    """Advance a layer by one word.

    Args:
        x: (batch, input).
        state: from the word before.

    Returns:
        The new state; its hidden is the layer's output.
    """
    gates = x @ weights.input.T
    gates += state.hidden @ weights.recurrent.T
    gates += weights.bias
    size = gates.shape[1] // 4
    candidate = np.tanh(gates[:, 2 * size : 3 * size])
    write, keep, read = (sigmoid(gates[:, k * size : (k + 1) * size]) for k in (0, 1, 3))
    cell = keep * state.cell + write * candidate
    return LSTMState(read * np.tanh(cell), cell)
