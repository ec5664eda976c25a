"""Many-to-one training against the usual Keras tutorial's network.

    python -m benchmarks many_to_one --keras VENV/bin/python

VENV is a separate virtual environment with keras and tensorflow. Both sides read
windows of 20 words of the bundled stories in random order and predict the next one:
word vectors of 128, two layers of 128 units, an untied softmax, batches of 64,
Adam, no dropout. They take turns as separate programs; rates exclude start-up. The rate of the
two layers' kernels alone, forward and backward, is listed too: an upper bound for any program
that calls torch's.
"""

import statistics
import subprocess
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import torch

from benchmarks import STORIES
from benchmarks.measure import by_turns, compared
from benchmarks.report import Table
from benchmarks.trainings import train
from lstmgen.config.schema import DataConfig
from lstmgen.text.prepared import prepare

TURNS, WINDOWS, STEPS = 3, 12_800, 250
SIZES = (
    "model.hidden_sizes=[128,128]", "model.embedding_dim=128", "model.tie_weights=false",
    "model.dropout.input=0", "model.dropout.hidden=0", "model.dropout.output=0",
    "train.order=random", "train.window=20", "train.stride=1", "train.batch_size=64",
    "data.valid_fraction=0", "data.copy_index=false", f"train.max_steps={STEPS}",
)  # fmt: skip


def kernels() -> float:
    """Windows per second of two LSTM layers' kernels in bfloat16, one after the other."""
    layer = torch.nn.LSTM(128, 128, batch_first=True, dtype=torch.bfloat16)
    words = torch.randn(64, 20, 128, dtype=torch.bfloat16, requires_grad=True)
    taken = []
    for _ in range(STEPS):
        start = time.perf_counter()
        layer(words)[0].sum().backward()
        taken.append(time.perf_counter() - start)
    return 64 / (2 * statistics.median(taken))


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--keras", type=Path, required=True, help="a Python that has Keras")


def run(args: Namespace) -> list[Table]:
    """Measure both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = DataConfig(train=str(STORIES), valid_fraction=0)
        corpus = prepare(settings, folder=folder / "prepared")
        np.save(folder / "ids.npy", corpus.train.ids)

        def keras() -> float:
            script = Path(__file__).with_name("keras_tutorial.py")
            numbers = [str(len(corpus.vocabulary)), str(WINDOWS)]
            command = [str(args.keras), str(script), str(folder / "ids.npy"), *numbers]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
            )
            return float(done.stdout.split()[-1])

        def ours(precision: str) -> float:
            settings = (*SIZES, f"data.train={STORIES}", f"train.precision={precision}")
            return train(None, *settings, runs=folder / "runs").step_rate(20)

        sides = [keras, lambda: ours("bf16"), lambda: ours("fp32"), kernels]
        theirs, rounded, exact, bound = by_turns(sides, turns=TURNS)
    rows = [
        ("bf16 products", *compared(rounded, theirs, "windows/s")),
        ("fp32", *compared(exact, theirs, "windows/s")),
        ("(torch's bf16 LSTM kernels alone)", *compared(bound, theirs, "windows/s")),
    ]
    heads = ("lstmgen with", "lstmgen", "Keras", "ratio (range)")
    return [Table("many-to-one", heads, rows)]
