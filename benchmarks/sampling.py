"""Generated text by the default settings, beside plain sampling at temperature 0.8.

    python -m benchmarks sampling --run RUN [--run RUN ...] [--words 5000] [--paragraphs FILE]

The best checkpoint of each run generates stories of about 100 words, with seed 0, by two sets of
settings: as lstmgen 0.2 sampled (temperature 0.8, top-p 0.95, no n-grams, no choice among
sentences), and by the defaults of today, with the temperature that training has chosen.
docs/evaluating.md defines the measures. --paragraphs writes the first twenty paragraphs of each
run's stories by the defaults to a page in Markdown, none left out.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.report import Table
from benchmarks.samples import lint_rate
from lstmgen.config.schema import SampleConfig
from lstmgen.evaluation.held_out import read_held_out, read_train_ids
from lstmgen.evaluation.sample_quality import SampleQuality, measure_samples
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint, make_generator
from lstmgen.generation.sample_results import generate_samples
from lstmgen.reporting.number_format import percent, perplexity
from lstmgen.text.sentences import split_paragraphs

LENGTH = 100  # words of a story
PARAGRAPHS = 20
BEFORE: dict[str, Any] = {
    "temperature": 0.8, "top_p": 0.95, "best_of": 1, "ngram_weight": 0.0, "pair_penalty": 0.0,
}  # fmt: skip
HEADS = (
    "run", "settings", "words", "lints per 100 words", "novel pairs", "with a quotation", "copied",
    "unbalanced", "unfinished", "words per sentence", "forward perplexity", "reverse perplexity",
)  # fmt: skip
INTRODUCTION = """\
# Samples

The first twenty paragraphs that each model writes with the default settings and seed 0, none left
out. Each story begins with an empty cue and has about 100 words; a line separates stories. The
page is made by a command, which also measures the samples ([results](../benchmarks/RESULTS.md)):

    {command}
"""


def cells_of(name: str, settings: str, quality: SampleQuality) -> tuple[str, ...]:
    """The row of one run and its settings."""
    text, forward, reverse = quality.text, quality.forward, quality.reverse
    return (
        name,
        settings,
        f"{text.words:,}",
        f"{lint_rate(quality.lints):.2f}",
        "" if quality.pairs is None else percent(quality.pairs.fraction),
        percent(text.dialogue_fraction or 0),
        percent(quality.novelty.copied_fraction),
        percent(text.unbalanced_fraction or 0),
        percent(text.unfinished_fraction or 0),
        f"{text.mean_sentence or 0:.1f}",
        "" if forward is None else perplexity(forward.perplexity),
        "" if reverse is None else perplexity(reverse.perplexity),
    )


def held_out_cells(name: str, quality: SampleQuality) -> tuple[str, ...]:
    """The row of a run's held-out text."""
    text, pairs, forward = (
        quality.held_out_text, quality.held_out_pairs, quality.held_out_forward,
    )  # fmt: skip
    if text is None or pairs is None or forward is None:
        raise SystemExit(f"{name}: has no validation text, or its text is gone")
    return (
        name,
        "held-out text",
        f"{text.words:,}",
        f"{lint_rate(quality.held_out_lints):.2f}",
        percent(pairs.fraction),
        percent(text.dialogue_fraction or 0),
        "",
        percent(text.unbalanced_fraction or 0),
        "",
        f"{text.mean_sentence or 0:.1f}",
        perplexity(forward.perplexity),
        "",
    )


def compare(name: str, loaded: LoadedCheckpoint, words: int) -> list[tuple[str, ...]]:
    """The rows of a run."""
    generator = make_generator(loaded)
    held_out, train = read_held_out(loaded), read_train_ids(loaded)
    rows = []
    for label, values in (("before", BEFORE), ("defaults", {})):
        quality = measure_samples(
            generator, loaded.checkpoint, settings_of(generator, values), held_out, train,
            samples=max(1, words // LENGTH), seed=0,
        )  # fmt: skip
        temperature = f"{label}, temperature {quality.settings.temperature:g}"
        rows.append(cells_of(name, temperature, quality))
    return [*rows, held_out_cells(name, quality)]


def settings_of(generator: Generator, values: dict[str, Any]) -> SampleConfig:
    """The settings of a run's samples, with some values."""
    return generator.config.sample.model_copy(update={"words": LENGTH, **values})


def first_paragraphs(loaded: LoadedCheckpoint) -> list[str]:
    """The first paragraphs of a run's stories, in Markdown; a rule between stories."""
    generator, found, lines = make_generator(loaded), 0, list[str]()
    result = generate_samples(
        generator, loaded.checkpoint, "", settings_of(generator, {}), samples=PARAGRAPHS, seed=0,
        details=False,
    )  # fmt: skip
    for number in range(PARAGRAPHS):
        if found < PARAGRAPHS and lines:
            lines.append("---")
        text = result.text(number).strip()
        for paragraph in split_paragraphs(text, wrapped=generator.endings.wrapped):
            if found < PARAGRAPHS:
                lines.append(" ".join(paragraph.split()).replace("*", "\\*").replace("_", "\\_"))
                found += 1
    return lines


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--run", required=True, type=Path, action="append", help="may be repeated")
    parser.add_argument("--words", type=int, default=5000, help="to generate by each settings")
    parser.add_argument("--paragraphs", type=Path, help="a page to write, such as docs/samples.md")


def run(args: Namespace) -> list[Table]:
    """Measure each run, and write the page."""
    rows, command = [], "python -m benchmarks sampling"
    pages = []
    for path in args.run:
        loaded = load_checkpoint(path, path, copies=True, ngrams=True)
        name = path.name.rpartition("-")[0].rpartition("-")[0] or path.name
        command += f" --run runs/{name}-..."
        rows += compare(name, loaded, args.words)
        pages += [f"## {name}", *first_paragraphs(loaded)]
    if args.paragraphs:
        introduction = INTRODUCTION.format(command=f"{command} --paragraphs docs/samples.md")
        args.paragraphs.write_text(
            "\n\n".join([introduction.rstrip(), *pages]) + "\n", encoding="utf-8"
        )
    return [Table("sampling", HEADS, rows)]
