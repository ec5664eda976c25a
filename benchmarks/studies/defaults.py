"""The library's defaults compared with other settings, on texts of several lengths.

    python -m benchmarks defaults --text brown.txt --text novel.txt [--words 2000 20000]
        [--try NAME=key=value,key=value] [--seeds 2] [--jobs 2]

The first --words words of each text (separated by white space) are trained on with a config that
names the text and nothing else, and with each --try; a tenth is held out. Figures are the
validation perplexity of the best checkpoint, and of a Kneser-Ney 3-gram of the same words.
"""

import json
import re
import statistics
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from benchmarks.report import Table
from benchmarks.trainings import parse_try, side_by_side, threads_of, train

WORDS = (2_000, 20_000, 200_000, 1_000_000)


def first_words(text: str, words: int) -> str:
    """The first words of a text."""
    ends = re.finditer(r"\S+", text)
    for number, word in enumerate(ends, start=1):
        if number == words:
            return text[: word.end()] + "\n"
    return text


def train_on(text: Path, runs: Path, settings: list[str]) -> tuple[float, float, float]:
    """Perplexity of the best checkpoint, of the 3-gram, and seconds of training."""
    trained = train(None, f"data.train={text}", *settings, runs=runs)
    return trained.best, float(trained.started["ngram"] or "nan"), trained.minutes * 60


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument(
        "--text", action="append", required=True, type=Path, help="a file; may be repeated"
    )
    parser.add_argument("--words", nargs="+", type=int, default=list(WORDS), help="lengths")
    parser.add_argument("--try", action="append", default=[], dest="tries", help="other settings")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")


def run(args: Namespace) -> list[Table]:
    """Train every combination."""
    tries = [("defaults", []), *map(parse_try, args.tries)]
    alone = threads_of(args.jobs)
    rows = []
    for path in args.text:
        whole = path.read_text(encoding="utf-8")
        for words in args.words:
            with tempfile.TemporaryDirectory() as folder:
                text = Path(folder) / "text.txt"
                text.write_text(first_words(whole, words), encoding="utf-8")
                tasks = [
                    partial(train_on, text, Path(folder), [*settings, alone, f"train.seed={seed}"])
                    for _, settings in tries
                    for seed in range(args.seeds)
                ]
                done = iter(side_by_side(tasks, args.jobs))
                for name, _ in tries:
                    found = [next(done) for _ in range(args.seeds)]
                    values = [perplexity for perplexity, _, _ in found]
                    spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
                    seconds = statistics.mean(second for _, _, second in found)
                    row = (f"{path.stem}, {words:,}", name,
                           f"{statistics.mean(values):.1f}{spread}", f"{found[0][1]:.1f}",
                           f"{seconds:,.0f} s")  # fmt: skip
                    print(json.dumps(row), file=sys.stderr)
                    rows.append(row)
    return [Table("defaults", ("text, words", "settings", "perplexity", "3-gram", "time"), rows)]
