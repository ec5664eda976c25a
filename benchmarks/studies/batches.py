"""Larger batches of the story preset: perplexity and time.

    python -m benchmarks batches [--seeds 3] [--write]

A larger batch makes a many-to-one step more efficient and steps fewer, which a higher learning
rate and another epoch make up for. Perplexities are the best of each training.
"""

import statistics
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.measure import spread
from benchmarks.report import Table
from benchmarks.trainings import train

SETTINGS = ((48, 0.006, 5), (64, 0.007, 5), (96, 0.008, 6), (128, 0.012, 6), (256, 0.016, 7))


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each")


def run(args: Namespace) -> list[Table]:
    """Train with each setting and seed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for batch, rate, epochs in SETTINGS:
            changes = (f"batch_size={batch}", f"learning_rate={rate}", f"epochs={epochs}")
            keys = [f"train.{change}" for change in changes]
            trained = [
                train("story", *keys, f"train.seed={seed}", runs=Path(folder))
                for seed in range(args.seeds)
            ]
            best, seconds = [t.best for t in trained], [60 * t.minutes for t in trained]
            steps = trained[0].rows[-1]["step"]
            mean = f"{statistics.mean(best):.2f} ({min(best):.2f} to {max(best):.2f})"
            rows.append((str(batch), f"{rate:g}", str(epochs), steps, mean,
                         f"{spread(seconds, digits=0)} s"))  # fmt: skip
    heads = ("batch size", "learning rate", "epochs", "steps", "perplexity (range)",
             "training time")  # fmt: skip
    return [Table("batches", heads, rows)]
