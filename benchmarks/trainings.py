"""Runs of ``lstmgen train`` in processes of their own, one after another or side by side."""

import csv
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
LSTMGEN = (sys.executable, "-m", "lstmgen")


@dataclass(frozen=True, slots=True)
class Trained:
    """A run that has ended.

    Attributes:
        run: its folder.
        rows: of its metrics.csv.
    """

    run: Path
    rows: list[dict[str, str]]

    @property
    def best(self) -> float:
        """The lowest validation perplexity."""
        found = (row["valid_perplexity"] for row in self.rows)
        return min(float(perplexity) for perplexity in found if perplexity)

    @property
    def minutes(self) -> float:
        """How long it trained, evaluations included."""
        return float(self.rows[-1]["seconds"]) / 60

    def rate(self, warm: int) -> float:
        """Words scored per second, the first ``warm`` rows left out."""
        first, last = self.rows[warm], self.rows[-1]
        words = int(last["words"]) - int(first["words"])
        return words / (float(last["seconds"]) - float(first["seconds"]))


def read_run(run: Path) -> Trained:
    """A run from its folder."""
    with (run / "metrics.csv").open() as file:
        return Trained(run, list(csv.DictReader(file)))


def train(config: str, *settings: str, runs: Path, program: Sequence[str] = LSTMGEN) -> Trained:
    """Train by a preset or a config file, with some settings of one's own.

    Args:
        program: what to start; torchrun starts several ranks of it.
    """
    command = [*program, "train", config, "-q", "--runs-dir", str(runs), *settings]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return read_run(Path(done.stdout.strip()))


def side_by_side(tasks: Sequence[Callable[[], T]], jobs: int) -> list[T]:
    """What each task returns, with ``jobs`` of them running at a time.

    Two trainings of one thread each get more done than two of two threads, one after the
    other; their times are not those of a training that has the machine to itself.
    """
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda task: task(), tasks))
