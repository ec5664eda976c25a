"""Start-up time of commands, in seconds from the shell.

Each command takes turns with `python -c "import torch"`; it has been started before, so Python has
its bytecode.
"""

import statistics
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from benchmarks.measure import by_turns, ratios, seconds, spread
from benchmarks.report import Table
from benchmarks.trainings import LSTMGEN, train


def run(args: Namespace) -> list[Table]:
    """Measure the commands that should start instantly."""
    rows = []
    with tempfile.TemporaryDirectory() as runs:
        train("story", "train.max_steps=200", runs=Path(runs))
        words = ["--words", "200", "--stop", "words", "--runs-dir", runs]
        for name, command in (
            ("`lstmgen --help`", [*LSTMGEN, "--help"]),
            ("a config error", [*LSTMGEN, "train", "story", "train.windwo=3"]),
            ("200 words with the story model", [*LSTMGEN, "generate", "--cue", "The", *words]),
        ):
            alone = [sys.executable, "-c", "import torch"]
            mine, theirs = by_turns([seconds(command, check=False), seconds(alone)])
            median = statistics.median(theirs)
            rows.append((name, spread(mine), f"{median:.2f} s", spread(ratios(mine, theirs))))
    heads = ("command", "seconds (range)", "`import torch`", "ratio (range)")
    return [Table("start-up", heads, rows)]
