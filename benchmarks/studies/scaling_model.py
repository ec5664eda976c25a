"""Predicted words per second of 1 to 1,000 machines, from constants measured on this one.

    python -m benchmarks scaling_model --text train.txt [--recipe brown]

A step of N machines that share R sequences takes

    fixed + each * ceil(R / N)  +  2 (N - 1) / N * bytes / link  +  2 (N - 1) * sums * delay

The first two terms are a machine's own work: the constant cost of a step (the optimizer) and the
cost per sequence; both are measured with steps of the recipe's batch and of half of it. The rest
is ring all-reduce: each machine sends and receives nearly all bytes twice, in 2 (N - 1) rounds,
for each reduction of a step (two gradient buckets, losses and signals; three per bucket with
powersgd). Overlap of communication and backward pass is neglected, since most bytes belong to
the word vectors, whose gradients are finished last.
"""

import json
import math
import statistics
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Table
from benchmarks.trainings import Trained, side_by_side, train
from lstmgen.config.loader import load
from lstmgen.training.loss_module import POWER_RANK

WARM_STEPS, STEPS = 10, 40
MACHINES = (1, 2, 4, 10, 30, 100, 300, 1_000)
SUMS = {"none": 4, "bf16": 4, "powersgd": 8}  # of a step
MBITS, DELAY = (100, 1_000, 10_000), 2e-4  # of links between machines; seconds of a round


@dataclass(frozen=True)
class Constants:
    """Cost of a step of a recipe on one machine.

    Attributes:
        fixed, each: seconds of a step, and of each of its sequences.
        sequences: of the recipe's step. words: scored of each.
        sizes: bytes of the gradients by ``train.compression``.
    """

    fixed: float
    each: float
    sequences: int
    words: int
    sizes: dict[str, float]

    def seconds(
        self, machines: int, *, mbits: float, sequences: int, compression: str = "none",
        delay: float = DELAY,
    ) -> float:  # fmt: skip
        """Of one step."""
        work = self.fixed + self.each * math.ceil(sequences / machines)
        factor = 2 * (machines - 1) / machines
        link = factor * self.sizes[compression] * 8 / (mbits * 1e6)
        return work + link + 2 * (machines - 1) * SUMS[compression] * delay

    def rate(self, machines: int, *, mbits: float, grown: bool, compression: str = "none") -> float:
        """Words scored per second; NaN if there are more machines than sequences.

        Args:
            grown: each machine has the recipe's batch; otherwise the batch is divided.
        """
        if not grown and machines > self.sequences:
            return math.nan
        sequences = self.sequences * (machines if grown else 1)
        taken = self.seconds(machines, mbits=mbits, sequences=sequences, compression=compression)
        return sequences * self.words / taken


def measure(recipe: str, text: Path, *settings: str, jobs: int = 1) -> Constants:
    """Time steps of a recipe's batch and of half of it.

    Args:
        jobs: parallel trainings, if processes of this machine simulate several machines.
    """
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        common = (f"data.train={text}", "data.valid_fraction=0", "train.epochs=null",
                  f"train.max_steps={WARM_STEPS + STEPS}", *settings)  # fmt: skip

        def run(*more: str) -> Trained:
            return train(recipe, *common, *more, runs=runs)

        first = run("train.max_steps=1").run
        taken = load(first / "resolved.yaml").config.train
        batch, words = taken.batch_size, taken.scored
        seconds = []
        for size in (batch, batch // 2):
            tasks = [lambda size=size: run(f"train.batch_size={size}")] * jobs
            seconds.append(statistics.mean(map(_seconds, side_by_side(tasks, jobs))))
        shapes = _shapes(first)
    each = max(0.0, seconds[0] - seconds[1]) / (batch - batch // 2)
    return Constants(seconds[0] - each * batch, each, batch, words, _sizes(shapes))


def _seconds(trained: Trained) -> float:
    """The median step of a run, without the first ones."""
    rows = trained.rows[WARM_STEPS:]
    words = int(rows[-1]["words"]) - int(rows[-2]["words"])
    return statistics.median(words / float(row["words_per_second"]) for row in rows)


def _shapes(run: Path) -> list[list[int]]:
    """Of a run's weights."""
    path = max((run / "checkpoints").glob("step-*")) / "model.safetensors"
    with path.open("rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return [tensor["shape"] for name, tensor in head.items() if name != "__metadata__"]


def _sizes(shapes: Sequence[Sequence[int]]) -> dict[str, float]:
    """Bytes of the gradients with each compression."""
    full = sum(math.prod(shape) for shape in shapes)
    low = 0
    for shape in shapes:
        rows, columns = shape[0], math.prod(shape[1:])
        factors = (rows + columns) * min(POWER_RANK, rows, columns)
        worth = len(shape) > 1 and 2 * factors < rows * columns
        low += factors if worth else rows * columns
    return {"none": 4.0 * full, "bf16": 2.0 * full, "powersgd": 4.0 * low}


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--text", type=Path, required=True, help="a file to train on")
    parser.add_argument("--recipe", default="brown", help="a preset or a config file")


def run(args: Namespace) -> list[Table]:
    """Measure the constants and predict rates."""
    constants = measure(args.recipe, args.text.resolve())
    print(constants)
    rows = []
    for grown in (False, True):
        for mbits in MBITS:
            for compression in ("none", "bf16", "powersgd"):
                rates = [
                    constants.rate(n, mbits=mbits, grown=grown, compression=compression)
                    for n in MACHINES
                ]
                step = "grows with the machines" if grown else "is shared"
                cells = ["-" if math.isnan(rate) else f"{rate:,.0f}" for rate in rates]
                rows.append((step, f"{mbits:,} Mbit/s", compression, *cells))
    heads = ("the step", "link", "compression", *(f"{n:,}" for n in MACHINES))
    return [Table("scaling model", heads, rows)]
