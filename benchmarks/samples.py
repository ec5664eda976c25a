"""Quality and coverage of a run's samples at several temperatures.

    python -m benchmarks samples --run RUN [--words 5000] [--output samples.svg]

At each temperature from 0.5 to 1.2, the best checkpoint of the run generates stories with its
other settings of sampling and seed 0; docs/evaluating.md defines the measures. Forward perplexity
and lints (where Harper is installed) say how well the samples keep to the text, reverse perplexity
how much of its variety they have. The row of held-out text has its own forward perplexity, and the
reverse perplexity of as many tokens of the training text as were sampled at the last temperature.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.report import Table
from lstmgen.errors import LstmgenError
from lstmgen.evaluation.grammar import Lints
from lstmgen.evaluation.held_out import read_held_out, read_train_ids
from lstmgen.evaluation.ngram_perplexity import NgramScore
from lstmgen.evaluation.pair_novelty import PairNovelty
from lstmgen.evaluation.sample_quality import SampleQuality, measure_samples
from lstmgen.evaluation.text_quality import TextQuality
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint, make_generator
from lstmgen.reporting.number_format import percent, perplexity
from lstmgen.reporting.plots import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEMPERATURES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
HEADS = (
    "temperature", "words", "forward perplexity", "reverse perplexity", "lints per 100 words",
    "novel pairs", "distinct-2", "copied", "words per sentence", "with a quotation",
    "unbalanced", "unfinished",
)  # fmt: skip
SAMPLES, HELD_OUT = "#2f6db3", "#c44e2b"


def sweep(loaded: LoadedCheckpoint, words: int, top_p: float | None) -> list[SampleQuality]:
    """The measures at each temperature."""
    held_out, train = read_held_out(loaded), read_train_ids(loaded)
    if held_out is None or train is None:
        raise SystemExit("the run has no validation text, or its text is gone or too long to count")
    generator = make_generator(loaded)
    base = generator.config.sample
    found = []
    for temperature in TEMPERATURES:
        settings = base.model_copy(
            update={"temperature": temperature, "top_p": base.top_p if top_p is None else top_p}
        )
        samples = max(1, round(words / max(1, base.words)))
        found.append(
            measure_samples(
                generator, loaded.checkpoint, settings, held_out, train, samples=samples, seed=0
            )
        )
        print(*cells_of(found[-1]), sep="  ", file=sys.stderr, flush=True)
    return found


def cells_of(quality: SampleQuality) -> tuple[str, ...]:
    """The row of a temperature."""
    return _cells(
        f"{quality.settings.temperature:.1f}", quality.text, quality.forward, quality.reverse,
        quality.lints, quality.pairs, f"{quality.novelty.distinct_2:.3f}",
        percent(quality.novelty.copied_fraction) if quality.has_copies else "",
        unfinished=True,
    )  # fmt: skip


def held_out_cells(quality: SampleQuality) -> tuple[str, ...]:
    """The row of the held-out text."""
    assert quality.held_out_text is not None
    return _cells(
        "held-out text", quality.held_out_text, quality.held_out_forward, quality.reverse_train,
        quality.held_out_lints, quality.held_out_pairs, "", "", unfinished=False,
    )  # fmt: skip


def _cells(
    name: str, text: TextQuality, forward: NgramScore | None, reverse: NgramScore | None,
    lints: Lints | None, pairs: PairNovelty | None, distinct: str, copied: str, *,
    unfinished: bool,
) -> tuple[str, ...]:  # fmt: skip
    return (
        name,
        f"{text.words:,}",
        "" if forward is None else perplexity(forward.perplexity),
        "" if reverse is None else perplexity(reverse.perplexity),
        f"{lint_rate(lints):.2f}" if lints else "",
        "" if pairs is None else percent(pairs.fraction),
        distinct,
        copied,
        "" if text.mean_sentence is None else f"{text.mean_sentence:.1f}",
        "" if text.dialogue_fraction is None else percent(text.dialogue_fraction),
        "" if text.unbalanced_fraction is None else percent(text.unbalanced_fraction),
        percent(text.unfinished_fraction or 0) if unfinished else "",
    )


def lint_rate(lints: Lints | None) -> float:
    """Lints per 100 words; NaN where they were not counted."""
    rate = None if lints is None else lints.per_hundred_words
    return float("nan") if rate is None else rate


def draw(found: list[SampleQuality], path: Path) -> None:
    """Draw quality against coverage, and the lints by temperature, with the held-out text."""
    checked = all(quality.lints is not None for quality in found)
    figure = new_figure(10 if checked else 6, 4.8)
    panels = figure.subplots(1, 2 if checked else 1, squeeze=False)[0]
    _draw_perplexities(panels[0], found)
    if checked:
        axes, last = panels[1], found[-1]
        places = [quality.settings.temperature for quality in found]
        axes.plot(places, [lint_rate(q.lints) for q in found], "o-", color=SAMPLES, label="samples")
        axes.axhline(lint_rate(last.held_out_lints), color=HELD_OUT, ls="--", label="held-out text")
        axes.set_xlabel("temperature")
        axes.set_ylabel("lints per 100 words (lower: better grammar)")
        axes.set_ylim(bottom=0)
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    save_figure(figure, path)


def _draw_perplexities(axes: "Axes", found: list[SampleQuality]) -> None:
    forward = [_perplexity(quality.forward) for quality in found]
    reverse = [_perplexity(quality.reverse) for quality in found]
    axes.plot(forward, reverse, "o-", color=SAMPLES, label="samples, by temperature")
    for quality, x, y in zip(found, forward, reverse, strict=True):
        axes.annotate(f"{quality.settings.temperature:.1f}", (x, y), color=SAMPLES,
                      textcoords="offset points", xytext=(6, 6))  # fmt: skip
    axes.plot(
        [_perplexity(found[-1].held_out_forward)],
        [_perplexity(found[-1].reverse_train)],
        "D",
        color=HELD_OUT,
        label="held-out text",
    )
    axes.set_xscale("log")
    axes.margins(0.1)
    ticks = [tick for tick in (5, 10, 20, 50, 100, 200, 500, 1000) if _inside(axes, tick)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("forward 3-gram perplexity of the samples")
    axes.set_ylabel("reverse 3-gram perplexity (lower: more variety)")


def _inside(axes: "Axes", tick: float) -> bool:
    low, high = axes.get_xlim()
    return low <= tick <= high


def _perplexity(score: NgramScore | None) -> float:
    return float("nan") if score is None else score.perplexity


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--run", type=Path, required=True, dest="trained", help="a run folder")
    parser.add_argument("--words", type=int, default=5000, help="to generate at each temperature")
    parser.add_argument("--top-p", type=float, help="instead of the run's own")
    parser.add_argument("--output", type=Path, help="of the picture, such as samples.svg")


def run(args: Namespace) -> list[Table]:
    """Sweep the temperatures, and draw."""
    try:
        loaded = load_checkpoint(args.trained, args.trained.parent, copies=True, ngrams=True)
    except LstmgenError as error:
        raise SystemExit(str(error)) from None
    found = sweep(loaded, args.words, args.top_p)
    if args.output is not None:
        draw(found, args.output)
    rows = [*map(cells_of, found), held_out_cells(found[-1])]
    return [Table("samples", HEADS, rows)]
