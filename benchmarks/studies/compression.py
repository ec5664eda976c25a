"""Perplexity and words per second of two ranks whose gradients travel compressed.

    python benchmarks/compression.py --text input.txt [--recipe shakespeare] [--write]

Two processes of one thread each, on this machine: what a slow link costs is in two_hosts.py.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.report import report
from benchmarks.studies.ranks import TORCHRUN
from benchmarks.trainings import train

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


def main() -> None:
    """Train with each compression."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--recipe", default="shakespeare", help="a preset or a config file")
    parser.add_argument("--write", action="store_true", help="into benchmarks/RESULTS.md")
    given = parser.parse_args()
    rows = [row(given.recipe, given.text.resolve(), each) for each in COMPRESSIONS]
    heads = ("compression", "validation perplexity", "trained")
    command = f"python benchmarks/compression.py --text ... --recipe {given.recipe} --write"
    report("compression", command, heads, rows, write=given.write)


if __name__ == "__main__":
    main()
