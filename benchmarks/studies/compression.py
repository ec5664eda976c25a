"""Perplexity and words per second of two ranks with compressed gradients.

    python -m benchmarks compression --text input.txt [--recipe shakespeare]

Two processes of one thread each, on this machine: what a slow link costs is in two_hosts.py.
"""

import statistics
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.report import Table
from benchmarks.trainings import TORCHRUN, train

RANKS, WARM_ROWS = 2, 10
COMPRESSIONS = ("none", "bf16", "powersgd")


def row(recipe: str, text: Path, compression: str) -> tuple[str, str, str]:
    """Train to the recipe's end."""
    hook = "null" if compression == "none" else compression
    start = (*TORCHRUN, str(RANKS), "-m", "lstmgen")
    with tempfile.TemporaryDirectory() as runs:
        settings = (f"data.train={text}", f"train.compression={hook}", "sample.cues=[]")
        found = train(recipe, *settings, runs=Path(runs), program=start)
    rates = [float(each["words_per_second"]) for each in found.rows[WARM_ROWS:]]
    return compression, f"{found.best:.2f}", f"{statistics.median(rates):,.0f} words/s"


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--text", type=Path, required=True, help="a file to train on")
    parser.add_argument("--recipe", default="shakespeare", help="a preset or a config file")


def run(args: Namespace) -> list[Table]:
    """Train with each compression."""
    rows = [row(args.recipe, args.text.resolve(), each) for each in COMPRESSIONS]
    heads = ("compression", "validation perplexity", "trained")
    return [Table("compression", heads, rows)]
