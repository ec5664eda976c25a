"""Whole sequences forward, and back-propagation through time (Werbos 1990), for every cell.

A recurrent network read over T steps is a network of T layers that share their
weights. So the gradient of a weight is the sum of the gradients of T copies of
it, and the gradient of a state is what comes from its own output plus what comes
back from the step after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.cell import Layer, zero_state
from lstmgen.cells.step import Array, State, StepGradient, Weights


@dataclass(frozen=True)
class Run:
    """One layer's way through a batch of sequences.

    Attributes:
        inputs: (batch, time, input).
        start: the state before the first step.
        states: after every step, (batch, time, hidden) each; behind its end a
            shorter sequence keeps its last one.
        gates: at every step, (batch, time, hidden) each.
        alive: (batch, time), false behind the end of a shorter sequence.
    """

    layer: Layer
    inputs: Array
    start: State
    states: State
    gates: Any
    alive: NDArray[np.bool_]

    @property
    def outputs(self) -> Array:
        """The hiddens of all steps, (batch, time, hidden), 0 behind a sequence's end."""
        return np.where(self.alive[..., None], self.states.hidden, 0)

    @property
    def last(self) -> State:
        """The state after each sequence's last step."""
        return _at(self.states, -1)

    def before(self, step: int) -> State:
        """The state before a step."""
        return _at(self.states, step - 1) if step else self.start


@dataclass(frozen=True)
class Gradients:
    """What back-propagation through time finds for one layer.

    Attributes:
        weights: of every parameter, summed over steps and batch.
        inputs: (batch, time, input).
        start: of the state before the first step.
        arriving: of the state after each step, all later ones included,
            (batch, time, hidden) each.
        steps: each step's share, in order; empty unless asked for.
    """

    weights: Weights
    inputs: Array
    start: State
    arriving: State
    steps: tuple[StepGradient, ...]


def forward(
    layer: Layer,
    inputs: Array,
    start: State | None = None,
    *,
    lengths: Sequence[int] | None = None,
) -> Run:
    """Read a batch of sequences.

    Args:
        inputs: (batch, time, input), at least one step.
        start: the state before them; None is zero.
        lengths: how many steps each sequence has, 1..time; None is all of them.
            What stands behind a sequence's end changes nothing.

    Raises:
        ValueError: for no step at all, or lengths that do not fit.
    """
    batch, time, _ = inputs.shape
    ends = np.full(batch, time) if lengths is None else np.asarray(lengths)
    if time < 1 or ends.shape != (batch,) or ends.min() < 1 or ends.max() > time:
        raise ValueError(f"lengths must be {batch} numbers in 1..{time}, one step at least")
    alive = np.arange(time) < ends[:, None]
    inputs = np.where(alive[..., None], inputs, 0)
    start = start or zero_state(layer, batch)
    state, states, gates = start, [], []
    for step in range(time):
        after, opened = layer.cell.step(layer.weights, inputs[:, step], state)
        state = _choose(alive[:, step], after, state)
        states.append(state)
        gates.append(opened)
    return Run(layer, inputs, start, _stack(State, states), _stack(layer.cell.fields, gates), alive)


def backward(
    run: Run, d_outputs: Array, d_last: State | None = None, *, per_step: bool = False
) -> Gradients:
    """Go back through time.

    Args:
        d_outputs: gradient of the outputs, (batch, time, hidden).
        d_last: gradient of the last state; None is zero.
        per_step: keep every step's share of the gradients.
    """
    layer, time = run.layer, run.inputs.shape[1]
    later = d_last or State(np.zeros_like(run.start.hidden), np.zeros_like(run.start.cell))
    total = Weights(*(None if w is None else np.zeros_like(w) for w in layer.weights))  # type: ignore[arg-type]
    d_inputs, arriving, steps = np.zeros_like(run.inputs), [], []
    nothing = State(np.zeros_like(later.hidden), np.zeros_like(later.cell))
    for step in reversed(range(time)):
        alive = run.alive[:, step]
        here = State(later.hidden + alive[:, None] * d_outputs[:, step], later.cell)
        gates = type(run.gates)(*(gate[:, step] for gate in run.gates))
        gradient = layer.cell.step_backward(
            layer.weights,
            run.inputs[:, step],
            run.before(step),
            _at(run.states, step),
            gates,
            _choose(alive, here, nothing),
        )
        later = _choose(alive, gradient.before, here)
        d_inputs[:, step] = gradient.x
        for summed, share in zip(total, gradient.weights, strict=True):
            if summed is not None and share is not None:
                summed += share
        arriving.append(here)
        if per_step:
            steps.append(gradient)
    return Gradients(total, d_inputs, later, _stack(State, arriving[::-1]), tuple(reversed(steps)))


def forward_stack(
    layers: Sequence[Layer],
    inputs: Array,
    starts: Sequence[State] | None = None,
    *,
    lengths: Sequence[int] | None = None,
) -> list[Run]:
    """Read a batch of sequences by layers on top of each other, from the input up."""
    runs: list[Run] = []
    for place, layer in enumerate(layers):
        start = None if starts is None else starts[place]
        runs.append(forward(layer, inputs, start, lengths=lengths))
        inputs = runs[-1].outputs
    return runs


def backward_stack(
    runs: Sequence[Run],
    d_outputs: Array,
    d_lasts: Sequence[State] | None = None,
    *,
    per_step: bool = False,
) -> list[Gradients]:
    """Go back through a stack.

    Args:
        d_outputs: gradient of the top layer's outputs, (batch, time, hidden).
        d_lasts: of each layer's last state, from the input up; None is zero.
        per_step: keep every step's share of the gradients.
    """
    gradients: list[Gradients] = []
    for place in reversed(range(len(runs))):
        d_last = None if d_lasts is None else d_lasts[place]
        gradients.append(backward(runs[place], d_outputs, d_last, per_step=per_step))
        d_outputs = gradients[-1].inputs
    return gradients[::-1]


def _at(states: State, step: int) -> State:
    return State(states.hidden[:, step], states.cell[:, step])


def _choose(rows: NDArray[np.bool_], a: State, b: State) -> State:
    """The rows of ``a`` where true, of ``b`` where not."""
    if rows.all():
        return a
    return State(*(np.where(rows[:, None], x, y) for x, y in zip(a, b, strict=True)))


def _stack(kind: Any, parts: Sequence[Any]) -> Any:
    """Tuples of (batch, size) as one tuple of (batch, time, size)."""
    return kind(*(np.stack(column, axis=1) for column in zip(*parts, strict=True)))
