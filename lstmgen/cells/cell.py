"""What every recurrent cell defines: its gates, states, printed equations and steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from lstmgen.cells.building_blocks import Array, State, StepGradient, Weights

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

    ``step`` maps (weights, x, state before) to the state after and the gates; ``step_backward``
    maps the gradient of the state after a step to all other gradients.
    """

    name: str  # as in ``model.cell``
    title: str  # display name; ``{peephole}`` is replaced by the kind of peephole
    fields: Any  # named tuple of the gates, in the order of the weights' rows
    gates: Mapping[str, Gate]  # how each of them is displayed
    equations: tuple[str, ...]  # one step, as printed
    equations_backward: tuple[str, ...]
    spell: Callable[[Numbers], list[str]]  # the equations of one unit with its numbers
    step: Callable[[Weights, Array, State], tuple[State, Any]]
    step_backward: Callable[[Weights, Array, State, State, Any, State], StepGradient]
    has_cell: bool = False  # has a cell state in addition to the hidden state
    has_peepholes: bool = False  # gates see the cell state; needs ``weight_ch``
    initial_biases: Mapping[str, float] = field(default_factory=dict)  # 0 if not listed
    scaled_by: Mapping[str, str] = field(default_factory=dict)  # gate that multiplies U h + b_hh

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
