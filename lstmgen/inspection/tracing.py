"""The gates of a layer word by word, and the gradient through time."""

from dataclasses import dataclass

import numpy as np

from lstmgen.cells import CELLS, Layer, forward_stack, initial_weights
from lstmgen.cells.building_blocks import Array, State
from lstmgen.generation.numpy_engine import Engine
from lstmgen.inspection.window_explanation import Ids, loss_gradient, nll

VANISHED = 1e-3  # norm relative to the last word's below which a gradient has vanished


@dataclass(frozen=True)
class GateTrace:
    """One layer over a text."""

    names: tuple[str, ...]  # the gates, then the memory: cell state, or hidden state if none
    values: tuple[Array, ...]  # (words, hidden) of each name
    units: tuple[int, ...]  # all units, the one whose memory varies most first

    @property
    def squashed_cell(self) -> Array:
        """tanh of the cell state, before the output gate, (words, hidden)."""
        return np.tanh(self.values[self.names.index("cell")])


@dataclass(frozen=True)
class GradientTrace:
    """The gradient of one prediction's loss with respect to earlier words and states."""

    loss: float  # in nats
    states: Array  # norm for the layer's state (hidden and cell) after each word, (words,)
    words: Array  # norm for each word's vector, (words,)

    @property
    def relative(self) -> Array:
        """The states' norms divided by the last one; 0 if that is 0."""
        ratios: Array = self.states / self.states[-1] if self.states[-1] else self.states * 0
        return ratios

    @property
    def vanished_from(self) -> int | None:
        """The distance in words from which the gradient stays vanished; None if never."""
        present = np.flatnonzero(self.relative >= VANISHED)
        back = len(self.states) - int(present[0]) if len(present) else 0
        return back + 1 if back < len(self.states) else None


def trace_gates(engine: Engine, ids: Ids, *, layer: int) -> GateTrace:
    """Read words, (words,), from a zero state and record the gates of one layer, counted from 0."""
    run = forward_stack(engine.layers, engine.embed(ids)[None])[layer]
    memory = run.states.cell[0] if run.layer.cell.has_cell else run.states.hidden[0]
    panels = {
        name: values[0]
        for name, values in run.gates._asdict().items()
        if not np.array_equal(values[0], memory)  # do not show the same values twice
    }
    panels["cell" if run.layer.cell.has_cell else "hidden"] = memory
    order = np.argsort(-memory.std(axis=0), kind="stable")
    return GateTrace(tuple(panels), tuple(panels.values()), tuple(order.tolist()))


def trace_gradient(
    engine: Engine, ids: Ids, target: int, *, layer: int, layers: list[Layer] | None = None
) -> GradientTrace:
    """Backpropagate the loss of one word to all words before it.

    Args:
        ids: (words,) to read from a zero state.
        target: the next word.
        layer: whose states are measured, counted from 0.
        layers: used instead of the engine's own.
    """
    logits, _, gradients = loss_gradient(engine, ids, target, layers=layers)
    d_states: State = gradients[layer].states
    both = np.concatenate([d_states.hidden[0], d_states.cell[0]], axis=1)
    return GradientTrace(
        loss=nll(logits, target),
        states=np.linalg.norm(both, axis=1),
        words=np.linalg.norm(gradients[0].inputs[0], axis=1),
    )


def untrained_elman(engine: Engine, *, seed: int) -> list[Layer]:
    """Elman layers of an engine's sizes and dtype with initial weights."""
    layers = []
    for place, layer in enumerate(engine.layers):
        like = layer.weights.weight_hh
        weights = initial_weights(
            CELLS["elman"],
            input_size=layer.weights.weight_ih.shape[1],
            hidden_size=like.shape[1],
            seed=seed,
            name=f"layers.{place}.",
        )
        cast = (None if part is None else part.astype(like.dtype) for part in weights)
        layers.append(Layer(CELLS["elman"], type(weights)(*cast)))  # type: ignore[arg-type]
    return layers
