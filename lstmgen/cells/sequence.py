"""Sequences forward, and backpropagation through time (Werbos 1990), for every cell.

A recurrent network unrolled over T steps is a network of T layers with tied weights. So
the gradient of a weight is the sum over its T copies, and the gradient of a state is the
sum of two: through its own output, and through the next step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array, State, StepGradient, Weights
from lstmgen.cells.cell import Layer, zero_state


@dataclass(frozen=True)
class ForwardPass:
    """One layer's forward pass over a batch of sequences."""

    layer: Layer
    inputs: Array  # (batch, time, input)
    start: State  # the state before the first step
    states: State  # after every step, (batch, time, hidden) each; constant after a sequence's end
    gates: Any  # at every step, (batch, time, hidden) each
    mask: NDArray[np.bool_]  # (batch, time), false after a sequence's end

    @property
    def outputs(self) -> Array:
        """The hidden states of all steps, (batch, time, hidden), 0 after a sequence's end."""
        return np.where(self.mask[..., None], self.states.hidden, 0)

    @property
    def last(self) -> State:
        """The state after each sequence's last step."""
        return _at(self.states, -1)

    def before(self, step: int) -> State:
        """The state before a step."""
        return _at(self.states, step - 1) if step else self.start


@dataclass(frozen=True)
class Gradients:
    """One layer's gradients by backpropagation through time."""

    weights: Weights  # summed over steps and batch
    inputs: Array  # (batch, time, input)
    start: State  # of the state before the first step
    states: State  # of the state after each step, through all later steps, (batch, time, hidden)
    steps: tuple[StepGradient, ...]  # the contribution of each step; empty unless requested


def forward(
    layer: Layer, inputs: Array, start: State | None = None, *, lengths: Sequence[int] | None = None
) -> ForwardPass:
    """Run one layer over a batch of sequences.

    Args:
        inputs: (batch, time, input), at least one step; values after a sequence's end are ignored.
        start: the state before them; None is zero.
        lengths: steps of each sequence, 1..time; None is all of them.

    Raises:
        ValueError: if there is no step, or the lengths do not fit.
    """
    batch, time, _ = inputs.shape
    ends = np.full(batch, time) if lengths is None else np.asarray(lengths)
    if time < 1 or ends.shape != (batch,) or ends.min() < 1 or ends.max() > time:
        raise ValueError(f"lengths must be {batch} numbers in 1..{time}, at least one step")
    mask = np.arange(time) < ends[:, None]
    inputs = np.where(mask[..., None], inputs, 0)
    start = start or zero_state(layer, batch)
    state, states, gates = start, [], []
    for step in range(time):
        after, step_gates = layer.cell.step(layer.weights, inputs[:, step], state)
        state = _choose(mask[:, step], after, state)
        states.append(state)
        gates.append(step_gates)
    stacked_gates = _stack(layer.cell.fields, gates)
    return ForwardPass(layer, inputs, start, _stack(State, states), stacked_gates, mask)


def backward(
    run: ForwardPass, d_outputs: Array, d_last: State | None = None, *, per_step: bool = False
) -> Gradients:
    """Backpropagate through time.

    Args:
        d_outputs: gradient of the outputs, (batch, time, hidden).
        d_last: gradient of the last state; None is zero.
        per_step: also return the contribution of each step.
    """
    layer, time = run.layer, run.inputs.shape[1]
    later = d_last or State(np.zeros_like(run.start.hidden), np.zeros_like(run.start.cell))
    total = Weights(*(None if w is None else np.zeros_like(w) for w in layer.weights))  # type: ignore[arg-type]
    d_inputs, d_states, steps = np.zeros_like(run.inputs), [], []
    zero = State(np.zeros_like(later.hidden), np.zeros_like(later.cell))
    for step in reversed(range(time)):
        mask = run.mask[:, step]
        here = State(later.hidden + mask[:, None] * d_outputs[:, step], later.cell)
        gates = type(run.gates)(*(gate[:, step] for gate in run.gates))
        gradient = layer.cell.step_backward(
            layer.weights,
            run.inputs[:, step],
            run.before(step),
            _at(run.states, step),
            gates,
            _choose(mask, here, zero),
        )
        later = _choose(mask, gradient.before, here)
        d_inputs[:, step] = gradient.x
        for summed, term in zip(total, gradient.weights, strict=True):
            if summed is not None and term is not None:
                summed += term
        d_states.append(here)
        if per_step:
            steps.append(gradient)
    return Gradients(total, d_inputs, later, _stack(State, d_states[::-1]), tuple(steps[::-1]))


def forward_stack(
    layers: Sequence[Layer],
    inputs: Array,
    starts: Sequence[State] | None = None,
    *,
    lengths: Sequence[int] | None = None,
) -> list[ForwardPass]:
    """Run stacked layers over a batch of sequences, from the input up."""
    runs: list[ForwardPass] = []
    for place, layer in enumerate(layers):
        start = None if starts is None else starts[place]
        runs.append(forward(layer, inputs, start, lengths=lengths))
        inputs = runs[-1].outputs
    return runs


def backward_stack(
    runs: Sequence[ForwardPass],
    d_outputs: Array,
    d_lasts: Sequence[State] | None = None,
    *,
    per_step: bool = False,
) -> list[Gradients]:
    """Backpropagate through stacked layers, from the input up; see ``backward``."""
    gradients: list[Gradients] = []
    for place in reversed(range(len(runs))):
        d_last = None if d_lasts is None else d_lasts[place]
        gradients.append(backward(runs[place], d_outputs, d_last, per_step=per_step))
        d_outputs = gradients[-1].inputs
    return gradients[::-1]


def _at(states: State, step: int) -> State:
    return State(states.hidden[:, step], states.cell[:, step])


def _choose(rows: NDArray[np.bool_], a: State, b: State) -> State:
    """The rows of ``a`` where true, else of ``b``."""
    if rows.all():
        return a
    return State(*(np.where(rows[:, None], x, y) for x, y in zip(a, b, strict=True)))


def _stack(kind: Any, parts: Sequence[Any]) -> Any:
    """Tuples of (batch, size) as one tuple of (batch, time, size)."""
    return kind(*(np.stack(column, axis=1) for column in zip(*parts, strict=True)))
