"""Benefit of a base model: texts trained from scratch and fine-tuned, with default settings.

    python -m benchmarks fine_tuning --text stories=data/stories [--text NAME=PATH]
        [--base english-fiction] [--try NAME=key=value,key=value] [--seeds 3]

Each text (a file or a folder) is trained on by a config that names it and nothing else, from
scratch and from the base; its last tenth is held out, and both have the same vocabulary. A
figure is the validation perplexity of the best checkpoint. Each --try is fine-tuned once more
with other settings.
"""

import json
import statistics
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.report import Table
from benchmarks.trainings import parse_try, train


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument(
        "--text",
        action="append",
        required=True,
        metavar="NAME=PATH",
        help="a file or a folder; may be repeated",
    )
    parser.add_argument("--base", default="english-fiction", help="a run or a bundled base")
    parser.add_argument("--try", action="append", default=[], dest="tries", help="other settings")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each")


def run(args: Namespace) -> list[Table]:
    """Train on every text with all settings."""
    base = f"train.init_from={args.base}"
    ways = {"from scratch": ["train.init_from=none"], "fine-tuned": [base]}
    for name, settings in map(parse_try, args.tries):
        ways[name] = [base, *settings]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for each in args.text:
            name, _, path = each.partition("=")
            for way, settings in ways.items():
                runs = [
                    train(None, f"data.train={path}", f"train.seed={seed}", *settings,
                          runs=Path(folder))
                    for seed in range(args.seeds)
                ]  # fmt: skip
                best, card = [run.best for run in runs], runs[0].started
                spread = f" ({min(best):.1f} to {max(best):.1f})" if len(best) > 1 else ""
                known = f"{card['base_covered']:.1%}" if card["base"] else ""
                row = (name, f"{card['train_tokens']:,}", f"{card['ngram']:.1f}", way, known,
                       f"{statistics.mean(best):.2f}{spread}",
                       f"{statistics.mean(run.minutes for run in runs) * 60:.0f} s")  # fmt: skip
                print(json.dumps(row), file=sys.stderr, flush=True)
                rows.append(row)
    heads = ("text", "tokens", "3-gram", "trained", "known", "perplexity", "time")
    return [Table("fine-tuning", heads, rows)]
