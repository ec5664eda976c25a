"""Training speed of each cell, with torch's kernel and with the written-out loop.

All take turns in one process on the bundled stories: complete training steps with dropout, exact
output layer, clipping and AdamW. Figures are medians of words scored per second, and of the
ratio to another row within a turn.
"""

import statistics
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks import STORIES
from benchmarks.measure import by_turns
from benchmarks.report import Table
from benchmarks.steps import endless_steps
from lstmgen.config.schema import DataConfig
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.text.corpus import Corpus
from lstmgen.text.prepared import prepare
from lstmgen.training.devices import set_up
from lstmgen.training.loop import StepReport
from lstmgen.windows.plans import StreamPlan

TURNS, STEPS = 11, 12
WAYS = (
    ("Elman", "elman", "diagonal", False),
    ("Elman", "elman", "diagonal", True),
    ("GRU", "gru", "diagonal", False),
    ("GRU", "gru", "diagonal", True),
    ("LSTM", "lstm", "diagonal", False),
    ("LSTM", "lstm", "diagonal", True),
    ("LSTM, diagonal peepholes", "lstm_peephole", "diagonal", True),
    ("LSTM, full peepholes", "lstm_peephole", "full", True),
)
FUSED, LOOP = 4, 5  # the places of the two LSTMs above


def training(corpus: Corpus, cell: str, peephole: str, loop: bool) -> Iterator[StepReport]:
    """A training of 192 units, 32 words and 16 sequences at a time, dense."""
    model = LanguageModel(
        len(corpus.vocabulary),
        embedding_dim=128,
        hidden_sizes=[192],
        cell=cell,
        peephole=peephole,  # type: ignore[arg-type]
        loop=loop,
        dropout=DropoutRates(0.3, 0.3, 0.3),
    )
    ids = corpus.train.ids
    plan = StreamPlan(len(ids), window=32, stride=32, batch_size=16)
    return endless_steps(model, ids, plan)


def rate(reports: Iterator[StepReport]) -> float:
    """Words scored per second of some steps."""
    done = [next(reports) for _ in range(STEPS)]
    return sum(each.words for each in done) / sum(each.seconds for each in done)


def run(args: Namespace) -> list[Table]:
    """Measure all cells by turns."""
    set_up(torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        corpus = prepare(DataConfig(train=str(STORIES)), folder=Path(folder))
        trainings = [training(corpus, *way[1:]) for way in WAYS]
        rates = by_turns([partial(rate, each) for each in trainings], turns=TURNS)
    rows = []
    for (name, _, _, loop), own in zip(WAYS, rates, strict=True):
        ratios = (
            statistics.median(a / b for a, b in zip(rates[other], own, strict=True))
            for other in (FUSED, LOOP)
        )
        row = [name, "loop" if loop else "fused", f"{statistics.median(own):,.0f}"]
        rows.append([*row, *(f"{ratio:.2f}" for ratio in ratios)])
    heads = ("cell", "backend", "words/s", "slower than the fused LSTM", "than the loop LSTM")
    return [Table("cells", heads, rows)]
