"""``lstmgen evaluate``."""

import json
from contextlib import closing
from typing import Annotated, Literal

import typer

from lstmgen.cli.options import Run, RunsDir, find_named
from lstmgen.cli.outcome import reported
from lstmgen.errors import UsageError
from lstmgen.reporting.evaluation_bars import ProgressBars
from lstmgen.reporting.scores import scores_json, scores_page
from lstmgen.runs.folders import find_step, runs_folder
from lstmgen.training import core_sharing


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
            help="Also generate this many stories, and measure them beside held-out text.",
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
    runs = runs_folder(runs_dir)
    run = find_named(run, runs)
    find_step(run, runs)
    core_sharing.share_cores()
    # torch, after the run is found
    from lstmgen.evaluation import adaptation, sample_quality, score_checkpoint

    scoring = score_checkpoint.open_scoring(run, text=text, split=split, runs=runs)
    adapted = None
    if adapt or tune:  # first, since it may fail
        with closing(ProgressBars()) as bars:
            adapt_or_tune = adaptation.tune_run if tune else adaptation.adapt_run
            adapted = adapt_or_tune(scoring, order=order, progress=bars.update)
    scored = score_checkpoint.score(scoring, exact=exact, order=order)
    quality = None
    if samples is not None:
        quality = sample_quality.measure_checkpoint(scored.path, samples=samples, seed=0, runs=runs)
    if as_json:
        typer.echo(json.dumps(scores_json(scored, adapted, quality)))
    else:
        typer.echo(scores_page(scored, adapted, quality))
