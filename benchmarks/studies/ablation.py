"""Ablation of the Brown recipe: one piece left out at a time.

    python -m benchmarks ablation --folder brown [--epochs 2] [--jobs 2]

Two epochs of the recipe take some five minutes on two cores; every run has as many.
The three pieces with the largest effects, and the complete recipe, are trained from a second
seed. Perplexities are of the validation text, of each run's best checkpoint.
"""

import json
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from benchmarks.report import Table
from benchmarks.studies.brown import texts_of
from benchmarks.trainings import side_by_side, threads_of, train

WHOLE = "the whole recipe"
TWICE = 3  # pieces that are measured from two seeds
PIECES: dict[str, tuple[str, ...]] = {
    WHOLE: (),
    "no dropout of words": ("model.dropout.words=0",),
    "no dropout of word vectors": ("model.dropout.input=0",),
    "no dropout before the output": ("model.dropout.output=0",),
    "no dropout of recurrent weights": ("model.dropout.recurrent=0",),
    "no weight decay": ("train.weight_decay=0",),
    "no falling rate": ("train.schedule=constant",),
    "a rate of 3e-3": ("train.learning_rate=3e-3",),
    "epsilon of 1e-8": ("train.epsilon=1e-8",),
    "not tied": ("model.tie_weights=false",),
    "two layers of 448": ("model.hidden_sizes=[448,448]",),
    "with AR 2 and TAR 1": ("train.ar=2", "train.tar=1"),
    "with EMA": ("train.average=ema",),
}


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--folder", type=Path, required=True, help="of the split's four files")
    parser.add_argument("--epochs", type=int, default=2, help="of each training")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")


def run(args: Namespace) -> list[Table]:
    """Train every one of them."""
    fixed = (*texts_of(args.folder.resolve()), f"train.epochs={args.epochs}",
             threads_of(args.jobs))  # fmt: skip

    with tempfile.TemporaryDirectory() as runs:

        def one(name: str, seed: int) -> float:
            settings = (*fixed, *PIECES[name], f"train.seed={seed}")
            best = train("brown", *settings, runs=Path(runs)).best
            print(json.dumps([name, seed, best]), file=sys.stderr, flush=True)
            return best

        names = list(PIECES)
        found = side_by_side([partial(one, name, 0) for name in names], args.jobs)
        first = dict(zip(names, found, strict=True))
        rest = sorted(names, key=lambda name: -abs(first[name] - first[WHOLE]))
        again = [WHOLE, *rest[:TWICE]]
        found = side_by_side([partial(one, name, 1) for name in again], args.jobs)
        second = dict(zip(again, found, strict=True))
    rows = []
    for name in names:
        change = first[name] / first[WHOLE] - 1
        other = f"{second[name]:.1f}" if name in second else "-"
        rows.append((name, f"{first[name]:.1f}", other, f"{change:+.1%}" if change else "-"))
    heads = ("recipe", "perplexity", "second seed", "against the whole")
    return [Table("ablation", heads, rows)]
