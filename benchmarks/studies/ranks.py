"""Words per second of one process with all threads, and of several that share the cores.

    python -m benchmarks ranks --text train.txt [--recipe brown] [--ranks 1 2]

Each trains the recipe for some steps in separate processes, by turns; torchrun starts several
ranks. The warm-up is excluded.
"""

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.measure import by_turns, ratios, spread
from benchmarks.report import Table
from benchmarks.trainings import LSTMGEN, TORCHRUN, train

TURNS, WARM_STEPS, STEPS = 2, 20, 80


def rate(ranks: int, recipe: str, text: Path) -> float:
    """Words scored per second by this number of ranks."""
    program = LSTMGEN if ranks == 1 else (*TORCHRUN, str(ranks), "-m", "lstmgen")
    settings = (
        f"data.train={text}",
        "data.valid_fraction=0",
        "sample.cues=[]",
        f"train.max_steps={STEPS}",
    )
    with tempfile.TemporaryDirectory() as runs:
        return train(recipe, *settings, runs=Path(runs), program=program).rate(WARM_STEPS)


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--text", type=Path, required=True, help="a file to train on")
    parser.add_argument("--recipe", default="brown", help="a preset or a config file")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2], help="processes")


def run(args: Namespace) -> list[Table]:
    """Measure all by turns."""
    text = args.text.resolve()
    sides = [lambda ranks=ranks: rate(ranks, args.recipe, text) for ranks in args.ranks]
    found = by_turns(sides, turns=TURNS)
    rows = [
        (str(ranks), f"{spread(each, digits=0)} words/s", spread(ratios(each, found[0])))
        for ranks, each in zip(args.ranks, found, strict=True)
    ]
    return [Table("ranks", ("ranks", "trained", "against one"), rows)]
