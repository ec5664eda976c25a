"""``lstmgen evaluate``."""

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lstmgen.cli.options import Run, RunsDir
from lstmgen.cli.outcome import reported
from lstmgen.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from lstmgen.evaluation.score import Scored, Scoring
    from lstmgen.evaluation.tune import Adapted
    from lstmgen.generation.novelty import Novelty


@reported
def evaluate(
    run: Run = None,
    text: Annotated[
        str | None, typer.Option("--text", help="A file to score, or - for standard input.")
    ] = None,
    split: Annotated[
        Literal["train", "valid", "test"],
        typer.Option("--split", help="Part of the run's own text to score, if no --text is given."),
    ] = "valid",
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Read the text in one pass instead of in parallel lanes."),
    ] = False,
    adapt: Annotated[
        bool,
        typer.Option("--adapt", help="Also score with a cache, dynamic evaluation and n-grams."),
    ] = False,
    tune: Annotated[
        bool,
        typer.Option("--tune", help="Tune --adapt on the validation text and store the result."),
    ] = False,
    order: Annotated[
        int,
        typer.Option("--order", min=1, max=5, help="Order of the n-gram model to compare with."),
    ] = 3,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=1,
            max=10_000,
            help="Also generate this many stories and measure copying.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Score a text with a model, and print its perplexity.

    The state is carried through the text and every word is scored once.

    Example: lstmgen evaluate --text new-story.txt
    """
    if tune and (text is not None or split != "valid"):
        raise UsageError(
            "--tune: parameters are tuned on the run's validation text only. "
            "Leave --text and --split out, then score the other text with --adapt"
        )
    from lstmgen.runs.folders import find_step, runs_folder
    from lstmgen.training.threads import share_cores

    runs = runs_folder(runs_dir)
    find_step(run, runs)
    share_cores()
    # torch, not before the run is found
    from lstmgen.evaluation.score import measure_samples, open_scoring, score

    scoring = open_scoring(run, text=text, split=split, runs=runs)
    adapted = None
    if adapt or tune:  # first, since it may refuse
        adapted = _adapt(scoring, runs=runs, order=order, tune=tune)
    scored = score(scoring, runs=runs, exact=exact, order=order)
    novelty = None if samples is None else measure_samples(scored.path, samples=samples, runs=runs)
    if as_json:
        typer.echo(json.dumps(_as_json(scored) | _novelty_json(novelty) | _adapted_json(adapted)))
        return
    typer.echo(_as_table(scored))
    if adapted is not None:
        typer.echo(_adapted_table(adapted, scored.output))
    if novelty is not None:
        typer.echo(_novelty_table(novelty))


def _adapt(scoring: "Scoring", *, runs: "Path", order: int, tune: bool) -> "Adapted":
    from lstmgen.evaluation.tune import adapt_run, tune_run
    from lstmgen.reporting.progress_bar import Bars

    with Bars() as bars:
        work = tune_run if tune else adapt_run
        return work(scoring, runs=runs, order=order, told=bars.told)


def _name(parts: tuple[str, ...], order: int) -> str:
    names = {"dynamic": "dynamic evaluation", "ngram": f"{order}-gram"}
    return " + ".join(names.get(part, part) for part in parts)


def _adapted_json(adapted: "Adapted | None") -> dict[str, object]:
    if adapted is None:
        return {}
    return {
        "adapted": [
            {"parts": line.parts, "weights": line.weights, "perplexity": line.perplexity}
            for line in adapted.lines
        ],
        "adapted_words": adapted.words,
        "tuned": asdict(adapted.tuned),
    }


def _adapted_table(adapted: "Adapted", output: str) -> str:
    from lstmgen.reporting.figures import output_label, perplexity

    tuned = adapted.tuned.adaptation
    rows = [
        (
            _name(line.parts, adapted.tuned.order),
            f"{perplexity(line.perplexity):>8}   "
            + " ".join(f"{weight:.2f}" for weight in line.weights),
        )
        for line in adapted.lines
    ]
    told = (
        f"cache of {tuned.cache_window:,} words, theta {tuned.cache_theta:g}; dynamic evaluation "
        f"({tuned.dynamic.rule}) every {tuned.dynamic.segment} words, rate {tuned.dynamic.rate:g}, "
        f"decay {tuned.dynamic.decay:g}; tuned on {tuned.words:,} words of validation"
    )
    if adapted.stale is not None:
        told += f", for step {adapted.stale:,}: lstmgen evaluate --tune tunes for this one"
    read = f"in one pass, {adapted.words:,} words{output_label(output)}"
    head = f"{read:<38}{'perplexity':>8}   weights"
    return "\n".join([head, *(f"{label:<40}{value}" for label, value in rows), told])


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
        "init_from": scored.init_from,
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
    if scored.init_from is not None:
        name, digest = scored.init_from["name"], str(scored.init_from.get("digest", ""))
        rows.insert(1, ("started from", printable(f"{name} ({digest[:16]})")))
    return "\n".join(f"{label:<20}{value}" for label, value in rows)
