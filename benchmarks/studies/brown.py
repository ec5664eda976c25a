"""Perplexity on Brown as Bengio et al. (2003) split it: one table for one recipe.

    python -m benchmarks brown --folder brown --recipe brown [--order 5]

The folder holds train.txt, valid.txt and test.txt, words divided by spaces, and
vocabulary.txt. The recipe is trained on the first, with early stopping and tuning
(``evaluate --tune``) on the second; then the third is read, once. --set gives further settings,
for an ablation; with --valid-only the test text is not read at all.
"""

import json
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.report import Table
from benchmarks.trainings import LSTMGEN, train
from lstmgen.config.schema import DataConfig
from lstmgen.ngrams.kneser_ney import build_kneser_ney
from lstmgen.text.in_memory import encode_files
from lstmgen.text.prepared import prepare


def texts_of(folder: Path) -> list[str]:
    """The settings that name the files."""
    named = {"train": "train.txt", "valid": "valid.txt", "test": "test.txt"}
    settings = [f"data.{key}={folder / name}" for key, name in named.items()]
    return [*settings, f"data.vocabulary={folder / 'vocabulary.txt'}"]


def evaluated(run: Path, runs: Path, *arguments: str) -> dict[str, Any]:
    """Output of ``lstmgen evaluate``."""
    command = [*LSTMGEN, "evaluate", str(run), "--json", "--runs-dir", str(runs), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def baselines(folder: Path, runs: Path) -> dict[int, tuple[float, float]]:
    """Kneser-Ney perplexities on the validation and the test text, by order."""
    settings = DataConfig(
        train=str(folder / "train.txt"),
        valid=str(folder / "valid.txt"),
        tokenizer="whitespace",
        vocabulary=str(folder / "vocabulary.txt"),
    )
    corpus = prepare(settings, folder=runs / ".prepared")
    size = len(corpus.vocabulary)
    test = encode_files(str(folder / "test.txt"), corpus.vocabulary, data=settings, key="test")
    found = {}
    for order in (1, 2, 3, 5):
        model = build_kneser_ney(corpus.train.ids, order=order, vocab_size=size)
        valid = corpus.valid.ids if corpus.valid is not None else test.ids
        found[order] = (model.perplexity(valid), model.perplexity(test.ids))
    return found


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--folder", type=Path, required=True, help="of the split's four files")
    parser.add_argument("--recipe", default="brown", help="a preset or a config file")
    parser.add_argument("--order", type=int, default=5, help="of the n-grams that are mixed in")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the config")
    parser.add_argument("--valid-only", action="store_true", help="leave the test text alone")


def run(args: Namespace) -> list[Table]:
    """Train, tune, and read the test text."""
    folder = args.folder.resolve()
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name)
        trained = train(args.recipe, *texts_of(folder), *args.set, runs=runs)
        run, best, minutes = trained.run, trained.best, trained.minutes
        print(f"best validation perplexity {best:.1f}, {minutes:.1f} min", file=sys.stderr)
        if args.valid_only:
            print(json.dumps([args.recipe, *args.set, best, minutes]))
            return []
        order = ("--order", str(args.order))
        parts = [("first 50,000 words of valid", evaluated(run, runs, "--tune", *order))]
        parts.append(("test", evaluated(run, runs, "--adapt", "--split", "test", *order)))
        counted = baselines(folder, runs)
    heads = ["text", "Kneser-Ney 1 / 2 / 3 / 5"]
    heads += ["static" if line["parts"] == ["static"] else " + ".join(line["parts"])
              for line in parts[0][1]["adapted"]]  # fmt: skip
    table = []
    for place, (part, figures) in enumerate(parts):
        counts = " / ".join(f"{both[place]:.1f}" for both in counted.values())
        lines = [f"{line['perplexity']:.1f}" for line in figures["adapted"]]
        table.append((part, counts, *lines))
    tuned = parts[0][1]["tuned"]
    facts = f"{minutes:.1f} min of training; n-grams of order {args.order}; {json.dumps(tuned)}"
    print(facts)
    return [Table(f"brown {args.recipe}", heads, table)]
