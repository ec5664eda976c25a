"""What every recurrent cell defines: its gates, states, printed equations and steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from lstmgen.cells.step import Array, State, StepGradient, Weights

Peephole = Literal["diagonal", "full"]


class Gate(NamedTuple):
    """How a gate is displayed."""

    letter: str  # in equations
    purpose: str = ""  # if its name does not say what it does
    squash: Literal["sigmoid", "tanh"] = "sigmoid"  # its activation function


class Numbers(NamedTuple):
    """One unit at one step, formatted for the equations with numbers."""

    gates: Mapping[str, str]  # gate values
    lines: Mapping[str, str]  # each gate's equation with its numbers
    before: tuple[str, str]  # hidden and cell
    after: tuple[str, str]


@dataclass(frozen=True)
class Cell:
    """A type of recurrent cell.

    Attributes:
        name: as in ``model.cell``.
        title: display name; ``{peephole}`` is replaced by the kind of peephole.
        fields: named tuple of the gates, in the order of the weights' rows.
        gates: how each of them is displayed.
        equations, equations_backward: one step, as printed.
        spell: the equations of one unit with its numbers, as lines.
        step: (weights, x, state before) to the state after and the gates.
        step_backward: from the gradient of the state after a step to all other gradients.
        has_cell: has a cell state in addition to the hidden state.
        has_peepholes: gates see the cell state; needs ``weight_ch``.
        initial_biases: of gates whose bias does not start at 0.
        scaled_by: gates whose recurrent part, U h + b_hh, another gate multiplies.
    """

    name: str
    title: str
    fields: Any
    gates: Mapping[str, Gate]
    equations: tuple[str, ...]
    equations_backward: tuple[str, ...]
    spell: Callable[[Numbers], list[str]]
    step: Callable[[Weights, Array, State], tuple[State, Any]]
    step_backward: Callable[[Weights, Array, State, State, Any, State], StepGradient]
    has_cell: bool = False
    has_peepholes: bool = False
    initial_biases: Mapping[str, float] = field(default_factory=dict)
    scaled_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        """Number of blocks of ``hidden`` rows in its weights."""
        return len(self.fields._fields)


class Layer(NamedTuple):
    """One layer of a network."""

    cell: Cell
    weights: Weights


def peephole_shape(peephole: Peephole, hidden_size: int) -> tuple[int, ...]:
    """The shape of ``weight_ch``."""
    return (3 * hidden_size,) if peephole == "diagonal" else (3 * hidden_size, hidden_size)


def zero_state(layer: Layer, batch: int) -> State:
    """The state before the first word."""
    like = layer.weights.weight_hh
    hidden = np.zeros((batch, like.shape[1]), dtype=like.dtype)
    return State(hidden, hidden.copy() if layer.cell.has_cell else hidden[:, :0])
