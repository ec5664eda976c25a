"""``lstmgen evaluate``."""

import json
import math
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lstmgen.cli.options import Run, RunsDir
from lstmgen.cli.outcome import reported

if TYPE_CHECKING:
    from lstmgen.evaluation.novelty import Novelty
    from lstmgen.run.evaluating import Scored


@reported
def evaluate(
    run: Run = None,
    text: Annotated[
        str | None, typer.Option("--text", help="A file to score, or - for standard input.")
    ] = None,
    split: Annotated[
        Literal["train", "valid", "test"],
        typer.Option("--split", help="Without --text: which part of the run's own text."),
    ] = "valid",
    exact: Annotated[
        bool, typer.Option("--exact", help="One pass over the text instead of parallel lanes.")
    ] = False,
    order: Annotated[
        int,
        typer.Option("--order", min=1, max=5, help="Words of the n-grams to compare with."),
    ] = 3,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", min=1, max=10_000, help="Also write so many stories and tell the copied."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Score a text by a model: perplexity with the state carried, every word once.

    Example: lstmgen evaluate --text new-story.txt
    """
    from lstmgen.run.folders import find_step, runs_folder

    runs = runs_folder(runs_dir)
    find_step(run, runs)
    # torch, not before the run is found
    from lstmgen.run.evaluating import evaluate_found, measure_samples

    scored = evaluate_found(run, text=text, split=split, runs=runs, exact=exact, order=order)
    novelty = None if samples is None else measure_samples(scored.path, samples=samples, runs=runs)
    if as_json:
        typer.echo(json.dumps(_as_json(scored) | _novelty_json(novelty)))
        return
    typer.echo(_as_table(scored))
    if novelty is not None:
        typer.echo(_novelty_table(novelty))


def _as_json(scored: "Scored") -> dict[str, object]:
    figures = scored.carried
    zero = scored.zero_state
    return {
        "step": scored.step,
        "text": scored.text,
        "words": figures.words,
        "nats_per_word": figures.nats_per_word,
        "perplexity": figures.perplexity,
        "output": scored.output,
        "bits_per_character": figures.bits_per_character,
        "accuracy": figures.accuracy,
        "tokens": figures.tokens,
        "unknown": figures.unknown,
        "unknown_scored": scored.scores_unknown,
        "unigram_perplexity": scored.unigram,
        "ngram_order": scored.order,
        "ngram_perplexity": None if math.isnan(scored.ngram) else scored.ngram,
        "zero_state_perplexity": None if zero is None else zero.perplexity,
    }


def _novelty_json(novelty: "Novelty | None") -> dict[str, object]:
    if novelty is None:
        return {}
    return {
        "sampled_words": novelty.words,
        "copied_share": novelty.copied_share,
        "longest_run": novelty.longest,
        "distinct_2": novelty.distinct_2,
    }


def _novelty_table(novelty: "Novelty") -> str:
    from lstmgen.reporting.figures import share

    rows = [
        ("words sampled", f"{novelty.words:,}"),
        ("in copied runs", f"{share(novelty.copied_share)} (of 5 words or more)"),
        ("longest run", f"{novelty.longest} words"),
        ("distinct-2", f"{novelty.distinct_2:.3f}"),
    ]
    return "\n".join(f"{label:<20}{value}" for label, value in rows)


def _as_table(scored: "Scored") -> str:
    from lstmgen.errors import printable
    from lstmgen.reporting.figures import against, output_label, perplexity, share

    figures = scored.carried
    unknown = f"{share(figures.unknown_share)} ({figures.unknown:,} of {figures.tokens:,} tokens, "
    unknown += "scored)" if scored.scores_unknown else "not scored)"
    ngram = []
    if not math.isnan(scored.ngram):
        ngram = [(f"{scored.order}-gram perplexity", against(figures.perplexity, scored.ngram))]
    rows = [
        ("text", f"{printable(scored.text)}, by step {scored.step:,}"),
        ("words scored", f"{figures.words:,}"),
        ("nats per word", f"{figures.nats_per_word:.4f}"),
        ("perplexity", perplexity(figures.perplexity) + output_label(scored.output)),
        ("unigram perplexity", perplexity(scored.unigram)),
        *ngram,
        ("bits per character", f"{figures.bits_per_character:.4f}"),
        ("top-1 accuracy", share(figures.accuracy)),
        ("unknown words", unknown),
    ]
    if scored.zero_state is not None:
        rows.insert(4, ("from a zero state", perplexity(scored.zero_state.perplexity)))
    return "\n".join(f"{label:<20}{value}" for label, value in rows)
