"""``lstmgen evaluate``."""

import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from lstmgen.cli.options import Run, RunsDir, find_named
from lstmgen.cli.outcome import reported, warn, write_text
from lstmgen.errors import UsageError
from lstmgen.reporting import score_records
from lstmgen.reporting.evaluation_bars import ProgressBars
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.scores import scores_json, scores_page
from lstmgen.runs.folders import find_step, runs_folder
from lstmgen.training import core_sharing

ORDER = 3  # of the n-gram model
Split = Literal["train", "valid", "test"]


@reported
def evaluate(
    run: Run = None,
    text: Annotated[
        str | None, typer.Option("--text", help="A file to score, or - for standard input.")
    ] = None,
    split: Annotated[
        Split,
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
        int | None,
        typer.Option(
            "--order", min=1, max=5, help="Order of the n-gram model to compare with (default: 3)."
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=1,
            max=10_000,
            help="Also generate this many stories, and measure them beside held-out text.",
        ),
    ] = None,
    per_line: Annotated[
        bool, typer.Option("--per-line", help="Print the scores of each line, separated by tabs.")
    ] = False,
    per_word: Annotated[
        bool, typer.Option("--per-word", help="Print the scores of each word, separated by tabs.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object (for each line or word, if asked for)."),
    ] = False,
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
    if per_line or per_word:
        _check_records(
            {
                "--per-line": per_line and per_word, "--adapt": adapt, "--tune": tune,
                "--order": order is not None, "--samples": samples is not None,
            },
            option="--per-word" if per_word else "--per-line",
        )  # fmt: skip
    order = order or ORDER
    runs = runs_folder(runs_dir)
    run = find_named(run, runs)
    find_step(run, runs)
    core_sharing.share_cores()
    if per_line or per_word:
        _print_records(run, runs, text=text, split=split, words=per_word, as_json=as_json)
        return
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
        typer.echo(json_text(scores_json(scored, adapted, quality)))
    else:
        typer.echo(scores_page(scored, adapted, quality))


def _check_records(others: dict[str, bool], *, option: str) -> None:
    """Check that no option excludes the scores of each line or word."""
    excluded = [other for other, is_set in others.items() if is_set]
    if excluded:
        raise UsageError(
            f"{option}: prints the scores of the model alone, in one pass. "
            f"Leave {', '.join(excluded)} out"
        )


def _print_records(
    run: Path | None, runs: Path, *, text: str | None, split: Split, words: bool, as_json: bool
) -> None:
    """Print the scores of each line or word as they come, and those of the text on stderr."""
    from lstmgen.evaluation.word_scores import open_scores  # torch, after the run is found

    with open_scores(run, text=text, split=split, runs=runs) as scores:
        vocabulary, files = scores.loaded.vocabulary, scores.text.files
        columns: tuple[str, ...] = score_records.LINE_COLUMNS
        if words:
            kind = scores.loaded.config.data.tokenizer
            records = score_records.word_records(scores.words(), files, vocabulary, kind=kind)
            columns = score_records.WORD_COLUMNS
        else:
            records = score_records.line_records(scores.lines(), files)
        for line in score_records.format_records(records, columns, as_json=as_json):
            write_text(line)
        sys.stdout.flush()
        warn(score_records.summary_line(
            scores.sums, scores.text.name, scores_unknown=vocabulary.models_unknown
        ))  # fmt: skip
