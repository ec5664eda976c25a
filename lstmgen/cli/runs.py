"""``lstmgen runs``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lstmgen.cli.groups import make_group
from lstmgen.cli.options import RunsDir, find_named
from lstmgen.cli.outcome import reported, warn
from lstmgen.cli.terminal import output_columns
from lstmgen.errors import UsageError, counted
from lstmgen.reporting.comparison_plot import check_plot, draw_comparison
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.run_tables import (
    comparison_json,
    measures_table,
    run_json,
    runs_table,
    settings_table,
)
from lstmgen.reporting.tables import Table, markdown_table, one_line, plain_table
from lstmgen.runs.comparison import compare_runs
from lstmgen.runs.folders import runs_folder
from lstmgen.runs.run_list import list_runs

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsMarkdown = Annotated[bool, typer.Option("--md", help="Print tables in Markdown.")]

runs = make_group(invoke_without_command=True)


@runs.callback()
@reported
def show_runs(
    context: typer.Context,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    runs_dir: RunsDir = None,
) -> None:
    """List the runs, or compare some of them.

    The newest run comes first. Where a command takes a run, its name is enough.

    Example: lstmgen runs, and lstmgen runs compare RUN RUN --svg losses.svg
    """
    if context.invoked_subcommand is not None:
        context.obj = {"as_json": as_json, "as_markdown": as_markdown, "runs_dir": runs_dir}
        return
    _check_format(as_json=as_json, as_markdown=as_markdown)
    folder = runs_folder(runs_dir)
    found = list_runs(folder)
    for run in found:
        if run.state == "damaged":
            warn(f"note: {one_line(run.path.name)}: {run.problem}")
    if as_json:
        typer.echo(json_text({"runs": [run_json(run) for run in found]}))
    elif not found:
        warn(f"{folder}: no runs here yet. Train one: lstmgen train CONFIG, as in `train story`")
    else:
        _print_tables([runs_table(found)], as_markdown=as_markdown)


@runs.command("compare")
@reported
def compare(
    context: typer.Context,
    names: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or names of runs.")
    ],
    svg: Annotated[
        Path | None,
        typer.Option("--svg", help="Also draw the losses of all runs: a .svg, .png or .pdf file."),
    ] = None,
    as_json: AsJson = False,
    as_markdown: AsMarkdown = False,
    runs_dir: RunsDir = None,
) -> None:
    """Compare runs: the settings that differ, and the results.

    Example: lstmgen runs compare story-20261121-180000 tuned --svg losses.svg
    """
    before: dict[str, Any] = context.obj or {}  # options that stand before "compare"
    as_json, as_markdown = as_json or before["as_json"], as_markdown or before["as_markdown"]
    _check_format(as_json=as_json, as_markdown=as_markdown)
    if svg is not None:
        check_plot(svg, runs=len(names))
    folder = runs_folder(runs_dir or before["runs_dir"])
    comparison = compare_runs([find_named(name, folder) or name for name in names])
    if svg is not None:
        draw_comparison(comparison, svg)
    if not comparison.same_measure:
        warn(
            "note: these runs differ in the validation text, the vocabulary or the output layer, "
            "so their perplexities cannot be compared"
        )
    if as_json:
        typer.echo(json_text(comparison_json(comparison)))
    else:
        settings = settings_table(comparison)
        if not settings.rows:
            warn(f"note: all settings of the {counted(len(names), 'run')} are equal")
        tables = [table for table in (settings, measures_table(comparison)) if table.rows]
        _print_tables(tables, as_markdown=as_markdown)
    if svg is not None:
        warn(f"saved: {svg}")


def _check_format(*, as_json: bool, as_markdown: bool) -> None:
    if as_json and as_markdown:
        raise UsageError("--json and --md are two formats. Leave one out")


def _print_tables(tables: list[Table], *, as_markdown: bool) -> None:
    """Print tables to stdout, fitted to its width if it is a terminal."""
    columns = output_columns()
    shown = [
        markdown_table(table) if as_markdown else plain_table(table, columns=columns)
        for table in tables
    ]
    typer.echo("\n\n".join(shown))
