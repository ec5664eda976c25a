"""Training beside other programs: alone, beside a busy loop, beside a second training.

Each size is trained as ``lstmgen train`` does, in a process of its own: many-to-one (the story
preset), dense (the dense preset) and fine-tuning (the tuned preset), all on the bundled stories.
In each round it trains alone; then a busy loop at nice 15 starts, and ends; then a second training
of the same kind starts beside it. Rates are of scored words, and fractions are of the rate alone
in the same round.

    python -m benchmarks contention [--rounds 3] [--seconds 6] [--only dense] [--spin] [--write]
"""

import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import ROOT
from benchmarks.measure import spread
from benchmarks.report import Table
from lstmgen.training.waiting_threads import SHARE

SIZES = {
    "many-to-one": ("story",),
    "dense": ("dense", "train.max_minutes=null"),
    "fine-tuning": ("tuned",),
}
ENDLESS = ("train.epochs=100000", "train.eval_every=1000000000", "train.schedule=constant",
           "train.learning_rate=1e-5", "train.patience=null", "sample.cues=[]")  # fmt: skip
SETTLE = 3.0  # seconds in which a training gets used to a new neighbour
LOOP = "import os; os.nice(15)\nwhile True: pass"

# Words scored so far and seconds, a line every tenth of a second, to a file.
TRAINING = """
import sys, time
from pathlib import Path
from lstmgen.training.source import prepare_source
from lstmgen.training.signals import listening
path, share, runs, source, *overrides = sys.argv[1:]
prepared = prepare_source(source, overrides, runs=Path(runs), progress=None)
from lstmgen.training import start, waiting_threads
waiting_threads.SHARE = float(share)
from lstmgen.training.events import Stepped
with listening() as requests, open(path, "w") as file:
    for event in start.train(*prepared, name="x", runs=Path(runs), requests=requests):
        if isinstance(event, Stepped):
            print(event.step, time.monotonic(), file=file, flush=True)
"""


class Training:
    """A training in a process of its own, whose steps can be counted."""

    def __init__(self, source: str, *overrides: str, folder: Path, share: float) -> None:
        self.steps = folder / f"steps-{time.monotonic_ns()}"
        arguments = [self.steps, share, folder, source, *overrides, *ENDLESS]
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAINING, *map(str, arguments)],
            cwd=ROOT, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait for the first steps."""
        while not self.steps.exists() or not self.steps.read_text():
            if self.process.poll() is not None:
                raise SystemExit("a training has ended")
            time.sleep(0.05)

    def rate(self, begin: float, end: float) -> float:
        """Steps per second between two times; 0 if there was one step at most."""
        lines = [line.split() for line in self.steps.read_text().splitlines()[:-1]]
        points = [(int(step), float(at)) for step, at in lines if begin <= float(at) <= end]
        if len(points) < 2:
            return 0.0
        (first, start), (last, stop) = points[0], points[-1]
        return (last - first) / (stop - start)


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a process in the end."""
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(
    settings: tuple[str, ...], *, seconds: float, share: float
) -> tuple[float, float, float, float]:
    """Steps per second alone, and fractions: beside a loop, beside a training, and that one's.

    Args:
        share: of the cores' time, below which threads sleep at barriers.
    """

    def span(*trainings: Training) -> list[float]:
        begin = time.monotonic()
        time.sleep(seconds)
        return [training.rate(begin, time.monotonic()) for training in trainings]

    with tempfile.TemporaryDirectory() as folder:
        first = Training(*settings, folder=Path(folder), share=share)
        with running(first.process):
            first.wait()
            time.sleep(SETTLE)
            (alone,) = span(first)
            with running(subprocess.Popen([sys.executable, "-c", LOOP])):
                time.sleep(SETTLE)
                (loop,) = span(first)
            second = Training(*settings, folder=Path(folder), share=share)
            with running(second.process):
                second.wait()
                time.sleep(SETTLE)
                both = span(first, second)
    return alone, loop / alone, both[0] / alone, both[1] / alone


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--spin", action="store_true", help="never let threads sleep at barriers")
    parser.add_argument("--only", choices=SIZES, help="one size")


def run(args: Namespace) -> list[Table]:
    """Measure every size."""
    rows, share = [], 0.0 if args.spin else SHARE
    for name, settings in SIZES.items():
        if args.only in (None, name):
            rounds = [
                measure(settings, seconds=args.seconds, share=share) for _ in range(args.rounds)
            ]
            alone, *fractions = zip(*rounds, strict=True)
            rows.append((name, f"{spread(alone, digits=1)} steps/s", *map(spread, fractions)))
            print(rows[-1], file=sys.stderr, flush=True)
    heads = ("training", "alone", "beside a loop at nice 15", "beside a second training",
             "that one")  # fmt: skip
    return [Table("contention, spinning" if args.spin else "contention", heads, rows)]
