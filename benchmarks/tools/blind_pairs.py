"""Write pairs of continuations for readers who do not know which settings made them.

    python -m benchmarks blind_pairs --run RUN --output pairs.txt --key key.json [--pairs 20]

Each pair continues the first three words of a paragraph of the run's held-out text, by 60 words:
once as lstmgen 0.2 sampled (``benchmarks sampling``), once by the default settings, in an order
that the seed shuffles. The key is a JSON list of the letters, A or B, of the default settings.
"""

import json
import random
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.report import Table
from benchmarks.sampling import BEFORE
from lstmgen.evaluation.held_out import read_held_out
from lstmgen.generation.api import Model
from lstmgen.generation.load import load_checkpoint, make_generator
from lstmgen.text.sentences import split_paragraphs

WORDS, CUE_WORDS = 60, 3


def find_cues(paragraphs: list[str], count: int) -> list[str]:
    """The first words of paragraphs that are spread evenly over a text."""
    long = [p.split() for p in paragraphs if len(p.split()) > 2 * CUE_WORDS]
    if len(long) < count:
        raise SystemExit(f"the held-out text has only {len(long)} paragraphs to begin with")
    return [" ".join(long[k * len(long) // count][:CUE_WORDS]) for k in range(count)]


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path, help="text file of the pairs")
    parser.add_argument("--key", required=True, type=Path, help="JSON file of the answers")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)


def run(args: Namespace) -> list[Table]:
    """Write the pairs and their key."""
    loaded = load_checkpoint(args.run, args.run, copies=True, ngrams=True)
    model, held_out = Model(make_generator(loaded), loaded.checkpoint), read_held_out(loaded)
    if held_out is None:
        raise SystemExit("the run has no validation text, or its text is gone")
    wrapped = model.generator.endings.wrapped
    paragraphs = [p for text in held_out.texts for p in split_paragraphs(text, wrapped=wrapped)]
    order, key, pages = random.Random(args.seed), [], []
    for number, cue in enumerate(find_cues(paragraphs, args.pairs)):
        texts = [
            model.generate(cue, seed=args.seed + number, words=WORDS, **settings)[0].text
            for settings in (BEFORE, {})
        ]
        swapped = order.random() < 0.5
        key.append("A" if swapped else "B")
        first, second = reversed(texts) if swapped else texts
        pages.append(f"=== Pair {number + 1} ===\n[A]\n{cue}{first}\n\n[B]\n{cue}{second}\n")
    args.output.write_text("\n".join(pages), encoding="utf-8")
    args.key.write_text(json.dumps(key) + "\n", encoding="utf-8")
    return []
