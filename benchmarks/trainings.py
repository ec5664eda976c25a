"""Runs of ``lstmgen train`` in separate processes, sequential or parallel."""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
LSTMGEN = (sys.executable, "-m", "lstmgen")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run.

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
        """Training time, evaluations included."""
        return float(self.rows[-1]["seconds"]) / 60

    @property
    def started(self) -> dict[str, Any]:
        """The run's start event."""
        lines = (self.run / "events.jsonl").read_text(encoding="utf-8").splitlines()
        return next(event for line in lines if (event := json.loads(line))["event"] == "started")

    def rate(self, warm: int) -> float:
        """Words scored per second, without the first ``warm`` rows."""
        first, last = self.rows[warm], self.rows[-1]
        words = int(last["words"]) - int(first["words"])
        return words / (float(last["seconds"]) - float(first["seconds"]))

    def step_rate(self, warm: int) -> float:
        """Words scored per second of steps alone, without the first ``warm`` rows."""
        words = [int(row["words"]) for row in self.rows[warm - 1 :]]
        rates = [float(row["words_per_second"]) for row in self.rows[warm:]]
        taken = ((b - a) / rate for a, b, rate in zip(words, words[1:], rates, strict=False))
        return (words[-1] - words[0]) / sum(taken)


def read_run(run: Path) -> Trained:
    """A run from its folder."""
    with (run / "metrics.csv").open() as file:
        return Trained(run, list(csv.DictReader(file)))


def train(
    config: str | None, *settings: str, runs: Path, program: Sequence[str] = LSTMGEN
) -> Trained:
    """Train with a preset or a config file, and further settings.

    Args:
        config: None for an empty file, so that every key has its default.
        program: the command; torchrun starts several ranks of it.
    """
    if config is None:
        runs.mkdir(exist_ok=True)
        (runs / "empty.yaml").write_text("")
        config = str(runs / "empty.yaml")
    command = [*program, "train", config, "-q", "--runs-dir", str(runs), *settings]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return read_run(Path(done.stdout.strip()))


def side_by_side(tasks: Sequence[Callable[[], T]], jobs: int) -> list[T]:
    """Run ``jobs`` tasks at a time; return all results.

    Two trainings of one thread each have more throughput than two of two threads in sequence;
    their times are not those of a training that has the machine to itself.
    """
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda task: task(), tasks))


def threads_of(jobs: int) -> str:
    """The setting that divides the cores among ``jobs`` parallel trainings."""
    return f"train.threads={max(1, (os.cpu_count() or 1) // jobs)}"


def parse_try(text: str) -> tuple[str, list[str]]:
    """The name and the settings of NAME=key=value,key=value."""
    name, _, settings = text.partition("=")
    return name, re.split(r",(?=[a-z]+\.)", settings)
