"""Cost of each kind of regularization in a training step.

All take turns in one process: one LSTM of 640 units, word vectors of 254, a
vocabulary of 16,384 words (random text), 32 sequences of 35 words, in the precision that
``auto`` selects. Each is compared with the same step without any; above 1 is slower.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.measure import by_turns, ratios, spread
from benchmarks.report import Table
from benchmarks.steps import STEADY, endless_steps
from lstmgen.config.schema import TrainConfig
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.training.averaging import Average
from lstmgen.training.devices import set_up
from lstmgen.training.loop import StepReport
from lstmgen.training.precision import resolve_precision
from lstmgen.windows.plans import StreamPlan

TURNS, STEPS, WORDS = 9, 6, 16_384
AR_AND_TAR = STEADY.model_copy(update={"ar": 2.0, "tar": 1.0})
WAYS: tuple[tuple[str, DropoutRates, TrainConfig, bool], ...] = (
    ("none", DropoutRates(), STEADY, False),
    ("dropout of units (input, output)", DropoutRates(0.3, 0.0, 0.4), STEADY, False),
    ("dropout of words", DropoutRates(words=0.1), STEADY, False),
    ("recurrent weights (DropConnect)", DropoutRates(recurrent=0.3), STEADY, False),
    ("AR and TAR", DropoutRates(), AR_AND_TAR, False),
    ("EMA of the weights", DropoutRates(), STEADY, True),
    ("all of them", DropoutRates(0.3, 0.0, 0.4, 0.1, 0.3), AR_AND_TAR, True),
)


def training(dropout: DropoutRates, settings: TrainConfig, ema: bool) -> Iterator[StepReport]:
    """A training with some of them."""
    model = LanguageModel(WORDS, embedding_dim=254, hidden_sizes=[640], dropout=dropout)
    ids = np.random.default_rng(0).integers(0, WORDS, 400_000).astype(np.uint32)
    bf16, _ = resolve_precision("auto", model, batch=32, window=35)
    plan = StreamPlan(len(ids), window=35, stride=35, batch_size=32)
    average = Average("ema", decay=0.999, start=0) if ema else None
    return endless_steps(model, ids, plan, bf16=bf16, settings=settings, average=average)


def timed(reports: Iterator[StepReport]) -> Callable[[], float]:
    """Seconds of some steps."""
    return lambda: sum(next(reports).seconds for _ in range(STEPS))


def run(args: Namespace) -> list[Table]:
    """Measure all of them by turns."""
    set_up(torch.device("cpu"))
    seconds = by_turns([timed(training(*way[1:])) for way in WAYS], turns=TURNS)
    rows = [
        (
            name,
            f"{1000 * sum(taken) / len(taken) / STEPS:.0f} ms",
            spread(ratios(taken, seconds[0])),
        )
        for (name, *_), taken in zip(WAYS, seconds, strict=True)
    ]
    heads = ("regulariser", "a step", "of the step without any (range)")
    return [Table("regularisers", heads, rows)]
