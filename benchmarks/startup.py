"""What a command costs before it does anything: seconds from the shell.

Each command takes turns with `python -c "import torch"`; it has been started before, so Python has
its bytecode.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence

from benchmarks.measure import by_turns, ratios, spread, usual_environment
from benchmarks.report import Table


def seconds(command: Sequence[str]) -> Callable[[], float]:
    """A way to run a command that returns how long it took."""

    def timed() -> float:
        begun = time.perf_counter()
        subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, check=False,
            env=usual_environment(),
        )  # fmt: skip
        return time.perf_counter() - begun

    return timed


def run(_: Namespace) -> list[Table]:
    """Measure the commands that should be there at once."""
    program, rows = [sys.executable, "-m", "lstmgen"], []
    with tempfile.TemporaryDirectory() as runs:
        subprocess.run(
            [*program, "train", "story", "train.max_steps=200", "-q", "--runs-dir", runs],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        words = ["--words", "200", "--stop", "words", "--runs-dir", runs]
        for name, command in (
            ("`lstmgen --help`", [*program, "--help"]),
            ("a config error", [*program, "train", "story", "train.windwo=3"]),
            ("200 words with the story model", [*program, "generate", "--cue", "The", *words]),
        ):
            alone = [sys.executable, "-c", "import torch"]
            mine, theirs = by_turns([seconds(command), seconds(alone)])
            median = statistics.median(theirs)
            rows.append((name, spread(mine), f"{median:.2f} s", spread(ratios(mine, theirs))))
    heads = ("command", "seconds (range)", "`import torch`", "ratio (range)")
    return [Table("start-up", heads, rows)]
