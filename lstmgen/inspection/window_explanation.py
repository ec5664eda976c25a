"""The forward and backward pass of one window with all intermediate values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array
from lstmgen.cells.cell import Layer
from lstmgen.cells.sequence import ForwardPass, Gradients, backward_stack, forward_stack
from lstmgen.generation.numpy_engine import Engine
from lstmgen.generation.sampling import highest

Ids = NDArray[np.int64]

TOP = 5  # words listed of a distribution, in addition to the target


@dataclass(frozen=True)
class Choice:
    """A possible next word."""

    word: int
    logit: float
    probability: float
    error: float  # gradient of the loss with respect to the logit: p, minus 1 for the target


@dataclass(frozen=True)
class Prediction:
    """The prediction of one word."""

    after: tuple[int, ...]  # ids of the last words before it
    target: int  # the word that follows
    loss: float  # -ln of the target's probability, in nats
    choices: tuple[Choice, ...]  # the most likely words and the target, most likely first


@dataclass(frozen=True)
class Explanation:
    """One window forward and backward."""

    ids: tuple[int, ...]  # the words read
    prediction: Prediction  # of the word after them, whose loss is differentiated
    runs: tuple[ForwardPass, ...]  # of each layer, from the input up
    gradients: tuple[Gradients, ...]  # of each layer, with the contribution of each step
    lowest: Prediction | None  # of lowest loss in the passage, if it has two or more
    highest: Prediction | None  # of highest loss


def explain(engine: Engine, passage: Ids, *, window: int) -> Explanation:
    """Read a window from a zero state, predict the next word, and backpropagate.

    Args:
        passage: (words,) ids, more than ``window``; searched for predictions of low and
            high loss.
        window: number of words read.
    """
    logits, runs, gradients = loss_gradient(
        engine, passage[:window], int(passage[window]), per_step=True
    )
    low, high = _contrast(engine, passage)
    return Explanation(
        ids=tuple(passage[:window].tolist()),
        prediction=_predict(logits, passage, window),
        runs=tuple(runs),
        gradients=tuple(gradients),
        lowest=low,
        highest=high,
    )


def softmax(logits: Array) -> Array:
    """exp(z) / sum of exp(z) over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result


def loss_gradient(
    engine: Engine,
    ids: Ids,
    target: int,
    *,
    layers: Sequence[Layer] | None = None,
    per_step: bool = False,
) -> tuple[Array, list[ForwardPass], list[Gradients]]:
    """Read words, (words,), from a zero state and differentiate the loss of the next one.

    Args:
        layers: used instead of the engine's own, between its embedding and output.
        per_step: also return the contribution of each step.

    Returns:
        The logits after the last word, (vocabulary,), and each layer's forward pass and gradients.
    """
    runs = forward_stack(layers or engine.layers, engine.embed(ids)[None])
    logits = engine.output.logits(runs[-1].outputs[0, -1])
    d_logits = softmax(logits)
    d_logits[target] -= 1
    d_outputs = np.zeros_like(runs[-1].outputs)
    d_outputs[0, -1] = engine.output.backward(runs[-1].outputs[0, -1], d_logits)
    return logits, runs, backward_stack(runs, d_outputs, per_step=per_step)


def nll(logits: Array, target: int) -> float:
    """-ln of a word's probability, in nats; never below 0."""
    return max(0.0, float(np.logaddexp.reduce(logits) - logits[target]))


def _contrast(engine: Engine, passage: Ids) -> tuple[Prediction | None, Prediction | None]:
    """The predictions of lowest and highest loss among known words."""
    known = np.flatnonzero(passage[1:] < engine.vocab_size)
    if len(known) < 2:
        return None, None
    runs = forward_stack(engine.layers, engine.embed(passage[:-1])[None])
    logits = engine.output.logits(runs[-1].outputs[0])
    chances = softmax(logits)[known, passage[1:][known]]
    low, high = (int(known[place(chances)]) for place in (np.argmax, np.argmin))
    return _predict(logits[low], passage, low + 1), _predict(logits[high], passage, high + 1)


def _predict(logits: Array, passage: Ids, place: int) -> Prediction:
    target, p = int(passage[place]), softmax(logits)
    top = highest(logits, TOP).tolist()
    choices = tuple(
        Choice(i, float(logits[i]), float(p[i]), float(p[i]) - (i == target))
        for i in (top if target in top else [*top, target])
    )
    after = tuple(passage[max(0, place - 4) : place].tolist())
    return Prediction(after, target, nll(logits, target), choices)


@dataclass(frozen=True)
class GateSum:
    """The terms of one gate of one unit at one word."""

    name: str
    x: float
    h: float
    c: float | None  # None without peephole
    bias_ih: float
    bias_hh: float
    total: float  # the pre-activation
    value: float  # the activation


def gate_sums(run: ForwardPass, *, step: int, unit: int) -> tuple[GateSum, ...]:
    """The terms of all gates of a unit at a word, in the order of the cell's equations."""
    (cell, weights), before = run.layer, run.before(step)
    size, sums = before.hidden.shape[1], []
    peepholes: dict[str, Array] = {}
    if weights.weight_ch is not None:
        peepholes = dict(
            zip(("input", "forget", "output"), np.split(weights.weight_ch, 3), strict=True)
        )
    for place, name in enumerate(cell.fields._fields):
        row = place * size + unit
        x = float(weights.weight_ih[row] @ run.inputs[0, step])
        h = float(weights.weight_hh[row] @ before.hidden[0])
        c: float | None = None
        if name in peepholes:
            cell_state = run.states.cell[0, step] if name == "output" else before.cell[0]
            peephole = peepholes[name][unit]
            diagonal = peephole.ndim == 0
            c = float(peephole * cell_state[unit] if diagonal else peephole @ cell_state)
        bias_ih, bias_hh = float(weights.bias_ih[row]), float(weights.bias_hh[row])
        total = x + h + (c or 0.0) + bias_ih + bias_hh
        if name in cell.scaled_by:
            scale = float(getattr(run.gates, cell.scaled_by[name])[0, step, unit])
            total = x + bias_ih + scale * (h + bias_hh)
        value = float(getattr(run.gates, name)[0, step, unit])
        sums.append(GateSum(name, x, h, c, bias_ih, bias_hh, total, value))
    return tuple(sums)
