"""Many-to-one training beside torch's LSTM kernels alone, by the batch size.

    python -m benchmarks kernel_share [--batches 32 64 128 256] [--write]

Windows of 20 words, two layers of 128 units, 1,749 words, bfloat16: the sizes of the usual Keras
tutorial. The kernels are the forward and backward passes of both layers with nothing else. What is
beside them does not grow with the batch as they do: the optimizer, the gradient norm, casts of
weights and Python cost the same for each step.
"""

import statistics
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks.measure import by_turns, spread
from benchmarks.report import Table
from benchmarks.steps import endless_steps
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.training.devices import keep_memory, set_up
from lstmgen.windows.plans import RandomPlan

WORDS, WINDOW, UNITS, CALLS, TURNS = 1_749, 20, 128, 60, 5


def median_rate(work: Callable[[], object], batch: int) -> Callable[[], float]:
    """Windows per second of the median call."""

    def measured() -> float:
        taken = []
        for _ in range(CALLS):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
        return batch / statistics.median(taken)

    return measured


def kernels(batch: int) -> Callable[[], None]:
    """The passes of two layers."""
    layer = torch.nn.LSTM(UNITS, UNITS, batch_first=True, dtype=torch.bfloat16)
    words = torch.randn(batch, WINDOW, UNITS, dtype=torch.bfloat16, requires_grad=True)

    def work() -> None:
        for _ in range(2):
            layer(words)[0].sum().backward()

    return work


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 64, 128, 256])


def run(args: Namespace) -> list[Table]:
    """Measure both by turns for each batch size."""
    set_up(torch.device("cpu"))
    keep_memory()
    ids = np.random.default_rng(0).zipf(1.3, 200_000) % WORDS
    rows = []
    for batch in args.batches:
        model = LanguageModel(
            WORDS, embedding_dim=UNITS, hidden_sizes=[UNITS, UNITS], tie_weights=False,
            dropout=DropoutRates(0, 0, 0),
        )  # fmt: skip
        plan = RandomPlan(len(ids), window=WINDOW, stride=1, batch_size=batch)
        steps = endless_steps(model, ids, plan, bf16=True)
        sides = [median_rate(partial(next, steps), batch), median_rate(kernels(batch), batch)]
        ours, theirs = by_turns(sides, turns=TURNS)
        shares = [a / b for a, b in zip(ours, theirs, strict=True)]
        rows.append((str(batch), f"{statistics.median(ours):,.0f} windows/s",
                     f"{statistics.median(theirs):,.0f} windows/s", spread(shares)))  # fmt: skip
    heads = ("windows in a step", "training", "kernels alone", "fraction (range)")
    return [Table("kernel share", heads, rows)]
