"""Types and functions that the steps of all cells use.

All arrays are batch first and of any float dtype; names and layouts are torch's, so weights
can be exchanged unchanged.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


class Weights(NamedTuple):
    """The parameters of one layer, a block of ``hidden`` rows for each gate."""

    weight_ih: Array  # (gates * hidden, input), acts on the input x
    weight_hh: Array  # (gates * hidden, hidden), acts on the hidden state before
    bias_ih: Array  # (gates * hidden,)
    bias_hh: Array  # (gates * hidden,), separate because the GRU scales it
    weight_ch: Array | None = None  # peepholes: (3 * hidden,) diagonal, (3 * hidden, hidden) full


class State(NamedTuple):
    """The state of one layer between two steps."""

    hidden: Array  # (batch, hidden), also its output
    cell: Array  # (batch, hidden); (batch, 0) if the cell type has no cell state


class StepGradient(NamedTuple):
    """Gradients of one step, given those of the state after it."""

    weights: Weights  # of this step's copy of the parameters, summed over the batch
    x: Array  # (batch, input)
    before: State
    gates: Any  # before their sigmoid or tanh, in the cell's own tuple of gates
    cell: Array  # of the new cell, including through the new hidden state; (batch, 0) if none


def sigmoid(x: Array) -> Array:
    """The logistic function 1 / (1 + exp(-x)), computed by tanh, which never overflows."""
    result: Array = 0.5 * np.tanh(0.5 * x) + 0.5
    return result


def sigmoid_slope(y: Array) -> Array:
    """Derivative of the logistic function, given its value ``y``: at most 1/4."""
    return y * (1 - y)


def tanh_slope(y: Array) -> Array:
    """Derivative of tanh, given its value ``y``: at most 1."""
    return 1 - y * y


def linear(weights: Weights, x: Array, hidden: Array) -> Array:
    """W_ih x + b_ih + W_hh h + b_hh, all gates at once: (batch, gates * hidden)."""
    # For a few rows OpenBLAS is twice as fast in this order.
    sums = (weights.weight_ih @ x.T).T
    sums += (weights.weight_hh @ hidden.T).T
    sums += weights.bias_ih + weights.bias_hh
    return sums


def linear_backward(
    weights: Weights, x: Array, hidden: Array, d_sums: Array
) -> tuple[Weights, Array, Array]:
    """Gradients of the weights, of x and of the hidden state, given those of ``linear``'s sums."""
    bias = d_sums.sum(axis=0)
    return (
        Weights(d_sums.T @ x, d_sums.T @ hidden, bias, bias),
        d_sums @ weights.weight_ih,
        d_sums @ weights.weight_hh,
    )
