"""Words per second of one process with all threads, and of several that share the cores.

    python benchmarks/ranks.py --text train.txt [--recipe brown] [--ranks 1 2] [--write]

Each trains the recipe for some steps in its own processes, by turns; torchrun starts those
of more than one rank. The warm-up is left out.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import by_turns, ratios, spread
from report import report
from trainings import LSTMGEN

TURNS, WARM_STEPS, STEPS = 2, 20, 80
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


def rate(ranks: int, recipe: str, text: Path) -> float:
    """Words scored per second by so many ranks."""
    start = LSTMGEN if ranks == 1 else (*TORCHRUN, str(ranks), "-m", "lstmgen")
    with tempfile.TemporaryDirectory() as runs:
        done = subprocess.run(
            [*start, "train", recipe, "-q", "--runs-dir", runs, f"data.train={text}",
             "data.valid_fraction=0", f"train.max_steps={STEPS}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
        )  # fmt: skip
        with (Path(done.stdout.strip()) / "metrics.csv").open() as file:
            rows = list(csv.DictReader(file))[WARM_STEPS:]
    words = int(rows[-1]["words"]) - int(rows[0]["words"])
    return words / (float(rows[-1]["seconds"]) - float(rows[0]["seconds"]))


def main() -> None:
    """Measure all by turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--recipe", default="brown", help="a preset or a config file")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--write", action="store_true", help="into benchmarks/RESULTS.md")
    given = parser.parse_args()
    text = given.text.resolve()
    sides = [lambda ranks=ranks: rate(ranks, given.recipe, text) for ranks in given.ranks]
    found = by_turns(sides, turns=TURNS)
    rows = [
        (str(ranks), f"{spread(each, digits=0)} words/s", spread(ratios(each, found[0])))
        for ranks, each in zip(given.ranks, found, strict=True)
    ]
    command = f"python benchmarks/ranks.py --text ... --recipe {given.recipe} --ranks "
    command += " ".join(map(str, given.ranks))
    report("ranks", command, ("ranks", "trained", "against one"), rows, write=given.write)


if __name__ == "__main__":
    main()
