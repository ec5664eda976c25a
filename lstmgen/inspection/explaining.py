"""One window through a model and back, with every number kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.cell import Layer
from lstmgen.cells.sequence import ForwardPass, Gradients, backward_stack, forward_stack
from lstmgen.cells.step import Array
from lstmgen.generation.engine import Engine
from lstmgen.generation.sampling import highest

Ids = NDArray[np.int64]

TOP = 5  # words shown of a distribution, beside the target


@dataclass(frozen=True)
class Choice:
    """A word that might follow, as a model sees it.

    Attributes:
        error: its probability, minus 1 where it is the word that follows: the
            gradient of the cost with respect to its logit.
    """

    word: int
    logit: float
    probability: float
    error: float


@dataclass(frozen=True)
class Prediction:
    """What a model says after some words, and what it costs.

    Attributes:
        after: ids of the last words before it.
        target: the word that follows.
        nats: the cost, -ln of the target's probability.
        choices: the likeliest words and the target, the likeliest first.
    """

    after: tuple[int, ...]
    target: int
    nats: float
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Explanation:
    """One window forward and backward.

    Attributes:
        ids: the words that are read.
        prediction: of the word behind them; its cost is what the gradients are of.
        runs: every layer's way forward, from the input up.
        gradients: every layer's way back, each step's share kept.
        lowest, highest: the predictions of least and greatest cost in the passage
            that the window opens, itself included; None where there is one prediction only.
    """

    ids: tuple[int, ...]
    prediction: Prediction
    runs: tuple[ForwardPass, ...]
    gradients: tuple[Gradients, ...]
    lowest: Prediction | None
    highest: Prediction | None


def explain(engine: Engine, passage: Ids, *, window: int) -> Explanation:
    """Read a window from a zero state, predict the word behind it, and go back.

    Args:
        passage: (words,) ids, more than ``window``; those behind the window's target
            are searched for predictions of low and high cost only.
        window: how many words are read.
    """
    logits, runs, gradients = cost_gradient(
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
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Array = powers / powers.sum(axis=-1, keepdims=True)
    return result


def cost_gradient(
    engine: Engine,
    ids: Ids,
    target: int,
    *,
    layers: Sequence[Layer] | None = None,
    per_step: bool = False,
) -> tuple[Array, list[ForwardPass], list[Gradients]]:
    """Read words from a zero state, and take the gradients of the cost of the next one.

    Args:
        ids: (words,).
        layers: read by these, between the engine's own word vectors and output, instead
            of the engine's layers.
        per_step: keep every step's share of the weights' gradients.

    Returns:
        The logits behind the last word, (vocabulary,), every layer's way forward and back.
    """
    runs = forward_stack(layers or engine.layers, engine.embed(ids)[None])
    logits = engine.read_out(runs[-1].outputs[0, -1])
    d_logits = softmax(logits)
    d_logits[target] -= 1
    d_outputs = np.zeros_like(runs[-1].outputs)
    d_outputs[0, -1] = engine.read_out_backward(runs[-1].outputs[0, -1], d_logits)
    return logits, runs, backward_stack(runs, d_outputs, per_step=per_step)


def cost(logits: Array, target: int) -> float:
    """-ln of a word's probability, in nats; never less than 0."""
    return max(0.0, float(np.logaddexp.reduce(logits) - logits[target]))


def _contrast(engine: Engine, passage: Ids) -> tuple[Prediction | None, Prediction | None]:
    """The predictions of least and greatest cost, of the words that the model knows."""
    known = np.flatnonzero(passage[1:] < engine.vocab_size)
    if len(known) < 2:
        return None, None
    runs = forward_stack(engine.layers, engine.embed(passage[:-1])[None])
    logits = engine.read_out(runs[-1].outputs[0])
    chances = softmax(logits)[known, passage[1:][known]]
    low, high = (int(known[place(chances)]) for place in (np.argmax, np.argmin))
    return _predict(logits[low], passage, low + 1), _predict(logits[high], passage, high + 1)


def _predict(logits: Array, passage: Ids, place: int) -> Prediction:
    """The prediction of the word at a place from its logits, (vocabulary,)."""
    target, chances = int(passage[place]), softmax(logits)
    likeliest = highest(logits, TOP).tolist()
    shown = likeliest if target in likeliest else [*likeliest, target]
    choices = tuple(
        Choice(i, float(logits[i]), float(chances[i]), float(chances[i]) - (i == target))
        for i in shown
    )
    return Prediction(
        after=tuple(passage[max(0, place - 4) : place].tolist()),
        target=target,
        nats=cost(logits, target),
        choices=choices,
    )


@dataclass(frozen=True)
class GateSum:
    """What one gate of one unit adds up at one word.

    Attributes:
        x, h, c: what comes from the input, the hidden state and, by a peephole, the cell
            (None without one).
        bias_ih, bias_hh: the two biases.
        total: what the gate squashes. value: what it becomes.
    """

    name: str
    x: float
    h: float
    c: float | None
    bias_ih: float
    bias_hh: float
    total: float
    value: float


def gate_sums(run: ForwardPass, *, step: int, unit: int) -> tuple[GateSum, ...]:
    """The sums of all gates of a unit at a word, in the order of the cell's equations."""
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
        seen: float | None = None
        if name in peepholes:
            looked_at = run.states.cell[0, step] if name == "output" else before.cell[0]
            see = peepholes[name][unit]
            seen = float(see * looked_at[unit] if see.ndim == 0 else see @ looked_at)
        bias_ih, bias_hh = float(weights.bias_ih[row]), float(weights.bias_hh[row])
        total = x + h + (seen or 0.0) + bias_ih + bias_hh
        if name in cell.scaled_by:
            scale = float(getattr(run.gates, cell.scaled_by[name])[0, step, unit])
            total = x + bias_ih + scale * (h + bias_hh)
        value = float(getattr(run.gates, name)[0, step, unit])
        sums.append(GateSum(name, x, h, seen, bias_ih, bias_hh, total, value))
    return tuple(sums)
