"""What the gates of a layer do, word by word, and how far back a gradient reaches."""

from dataclasses import dataclass

import numpy as np

from lstmgen.cells import CELLS, Layer, forward_stack, initial_weights
from lstmgen.cells.step import Array, State
from lstmgen.generation.engine import Engine
from lstmgen.inspection.explaining import Ids, cost, cost_gradient

VANISHED = 1e-3  # share of the gradient at the prediction, below which it is called gone


@dataclass(frozen=True)
class GateTrace:
    """One layer over a text.

    Attributes:
        names: of the panels: the gates, then the memory: the cell, or the hidden where
            there is none (which in an Elman network is the candidate itself).
        values: panel by panel, (words, hidden).
        units: all of them, the one whose memory changes most over the text first.
    """

    names: tuple[str, ...]
    values: tuple[Array, ...]
    units: tuple[int, ...]

    @property
    def squashed_cell(self) -> Array:
        """tanh of the cell, which is what the read gate lets out, (words, hidden)."""
        return np.tanh(self.values[self.names.index("cell")])


@dataclass(frozen=True)
class GradientTrace:
    """The gradient of one prediction's cost with respect to what came before it.

    Attributes:
        nats: the cost.
        states: norm of the gradient of the layer's state (hidden and cell) after each
            word, all later steps included, (words,).
        words: norm of the gradient of each word's vector, (words,).
    """

    nats: float
    states: Array
    words: Array

    @property
    def relative(self) -> Array:
        """The state's norms as shares of the one at the prediction; 0 where that is 0."""
        shares: Array = self.states / self.states[-1] if self.states[-1] else self.states * 0
        return shares

    @property
    def vanished_from(self) -> int | None:
        """The words back from which on it has vanished for good; None where it has not."""
        alive = np.flatnonzero(self.relative >= VANISHED)
        back = len(self.states) - int(alive[0]) if len(alive) else 0
        return back + 1 if back < len(self.states) else None


def trace_gates(engine: Engine, ids: Ids, *, layer: int) -> GateTrace:
    """Read words from a zero state and keep what one layer's gates did.

    Args:
        ids: (words,).
        layer: counted from 0 at the input.
    """
    run = forward_stack(engine.layers, engine.embed(ids)[None])[layer]
    memory = run.states.cell[0] if run.layer.cell.has_cell else run.states.hidden[0]
    panels = {
        name: values[0]
        for name, values in run.gates._asdict().items()
        if not np.array_equal(values[0], memory)  # what is the memory itself is shown once
    }
    panels["cell" if run.layer.cell.has_cell else "hidden"] = memory
    changes = np.argsort(-memory.std(axis=0), kind="stable")
    return GateTrace(tuple(panels), tuple(panels.values()), tuple(changes.tolist()))


def trace_gradient(
    engine: Engine, ids: Ids, target: int, *, layer: int, layers: list[Layer] | None = None
) -> GradientTrace:
    """Go back from the cost of one word to all words before it.

    Args:
        ids: (words,) that are read from a zero state. target: the word behind them.
        layer: whose state is looked at, counted from 0 at the input.
        layers: a network to take instead of the engine's own.
    """
    logits, _, gradients = cost_gradient(engine, ids, target, layers=layers)
    d_states: State = gradients[layer].states
    both = np.concatenate([d_states.hidden[0], d_states.cell[0]], axis=1)
    return GradientTrace(
        nats=cost(logits, target),
        states=np.linalg.norm(both, axis=1),
        words=np.linalg.norm(gradients[0].inputs[0], axis=1),
    )


def fresh_elman(engine: Engine, *, seed: int) -> list[Layer]:
    """Elman layers of an engine's sizes with their initial weights, in its dtype."""
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
