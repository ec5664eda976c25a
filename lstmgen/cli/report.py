"""``lstmgen report``."""

from pathlib import Path
from typing import Annotated

import typer

from lstmgen.cli.options import Run, RunsDir, find_named
from lstmgen.cli.outcome import reported, warn
from lstmgen.generation.load import limit_blas_threads
from lstmgen.reporting.run_page import Contents, write_page
from lstmgen.runs.folders import runs_folder


@reported
def report(
    run: Run = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write (default: report.html in the run)."),
    ] = None,
    model: Annotated[
        bool | None,
        typer.Option(
            "--model/--no-model",
            help="Put the model into the page (default: up to 5 MB of weights).",
        ),
    ] = None,
    training_text: Annotated[
        bool,
        typer.Option(
            "--training-text/--no-training-text",
            help="Put the training text into the page, to underline copied passages.",
        ),
    ] = True,
    runs_dir: RunsDir = None,
) -> None:
    """Write a run and its model as one HTML page.

    The page opens from the disk, without a server or a network, and the model runs inside it.

    Example: lstmgen report runs/story-20261121-180000 --output story.html
    """
    limit_blas_threads()
    contents = Contents(model=model, training_text=training_text)
    runs = runs_folder(runs_dir)
    source = find_named(run, runs)
    written = write_page(source, runs, output=output, contents=contents)
    for note in written.notes:
        warn(f"note: {note}")
    typer.echo(written.path)
