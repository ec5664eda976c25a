"""What the library's defaults are worth beside other settings, on texts of several lengths.

    python -m benchmarks defaults --text brown.txt --text novel.txt [--words 2000 20000]
        [--try NAME=key=value,key=value] [--seeds 2] [--jobs 2]

The first words of each text, as many as --words says (white space divides them), are trained on
by a config that names the text and nothing else, and by each --try; a tenth is held out. A figure
is the validation perplexity of the best checkpoint; the Kneser-Ney 3-gram of the same words
stands beside it.
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
    """A text up to a number of words; all of it where it has fewer."""
    ends = re.finditer(r"\S+", text)
    for number, word in enumerate(ends, start=1):
        if number == words:
            return text[: word.end()] + "\n"
    return text


def learnt(text: Path, runs: Path, settings: list[str]) -> tuple[float, float, float]:
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


def run(given: Namespace) -> list[Table]:
    """Train every combination."""
    tries = [("defaults", []), *map(parse_try, given.tries)]
    alone = threads_of(given.jobs)
    rows = []
    for path in given.text:
        whole = path.read_text(encoding="utf-8")
        for words in given.words:
            with tempfile.TemporaryDirectory() as folder:
                text = Path(folder) / "text.txt"
                text.write_text(first_words(whole, words), encoding="utf-8")
                tasks = [
                    partial(learnt, text, Path(folder), [*settings, alone, f"train.seed={seed}"])
                    for _, settings in tries
                    for seed in range(given.seeds)
                ]
                done = iter(side_by_side(tasks, given.jobs))
                for name, _ in tries:
                    found = [next(done) for _ in range(given.seeds)]
                    values = [perplexity for perplexity, _, _ in found]
                    spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
                    seconds = statistics.mean(second for _, _, second in found)
                    row = (f"{path.stem}, {words:,}", name,
                           f"{statistics.mean(values):.1f}{spread}", f"{found[0][1]:.1f}",
                           f"{seconds:,.0f} s")  # fmt: skip
                    print(json.dumps(row), file=sys.stderr)
                    rows.append(row)
    return [Table("defaults", ("text, words", "settings", "perplexity", "3-gram", "time"), rows)]
