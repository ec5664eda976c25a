"""``lstmgen export``."""

from pathlib import Path
from typing import Annotated

import typer

from lstmgen.cli.options import Run, RunsDir
from lstmgen.cli.outcome import reported, warn
from lstmgen.errors import UsageError, printable
from lstmgen.generation.load import load_checkpoint
from lstmgen.runs.exporting import export_checkpoint
from lstmgen.runs.folders import runs_folder


@reported
def export(
    run: Run = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write; it must not exist yet.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Keep weights in float32 instead of float16.")
    ] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Write a trained model to a folder of its own.

    Files needed only for resuming are left out. The folder can be copied anywhere, used by
    generate, and used as a starting point (train.init_from).

    Example: lstmgen export runs/story-20261121-180000 --output old-miller
    """
    if output is None:
        raise UsageError("no folder is named. Write: lstmgen export RUN --output FOLDER")
    if output.exists() or output.is_symlink():
        raise UsageError(f"--output {printable(output)}: exists already. Name a new folder")
    loaded = load_checkpoint(run, runs_folder(runs_dir))
    written = export_checkpoint(loaded.checkpoint, output, half=not full)
    typer.echo(output)
    warn(f"{written:,} bytes, of step {loaded.checkpoint.step:,} of {loaded.checkpoint.path}")
