"""``lstmgen train``."""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from lstmgen.cli.options import Quiet, RunsDir, find_named, split_overrides
from lstmgen.cli.outcome import reported, warn
from lstmgen.cli.torchrun_train import train_distributed
from lstmgen.cli.train_common import watch
from lstmgen.errors import UsageError
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.runs.folders import runs_folder
from lstmgen.training.rank_agreement import is_distributed
from lstmgen.training.signals import listening
from lstmgen.training.source import prepare_source


@reported
def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG [KEY=VALUE]...",
            help="A YAML file, a preset's name or a text, followed by key=value overrides. "
            "With --resume: a run's folder or name (default: the newest).",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a run from its last checkpoint.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run (default: the config's).")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything and show the plan, without training."),
    ] = False,
    runs_dir: RunsDir = None,
    quiet: Quiet = False,
) -> None:
    """Train a model and print the folder of the run.

    Example: lstmgen train configs/story.yaml train.epochs=2 train.learning_rate=1e-3
    """
    names, overrides = split_overrides(arguments or [])
    if len(names) > 1:
        raise UsageError(f"{names[1]}: one config at a time. Overrides are KEY=VALUE")
    if not resume and not names:
        raise UsageError("no config is named. Write: lstmgen train CONFIG, as in `train story`")
    if dry_run and (resume or name is not None):
        raise UsageError("--dry-run plans a new training. Leave --resume and --name out")
    runs, source = runs_folder(runs_dir), names[0] if names else None
    with closing(TrainingConsole(quiet=quiet)) as console:
        if dry_run:
            _plan(str(source), overrides, console)
            return
        if is_distributed():
            train_distributed(source, overrides, console, resume=resume, name=name, runs=runs)
            return
        prepared = None
        if not resume:
            prepared = prepare_source(str(source), overrides, runs=runs, progress=console.preparing)
        with listening() as requests:
            from lstmgen.training import start  # torch, after all checks

            if prepared is None:
                folder = None if source is None else Path(source)
                run = find_named(folder, runs, note=_drop if quiet else warn)
                events = start.resume(run, overrides, runs=runs, requests=requests)
            else:
                events = start.train(*prepared, name=name, runs=runs, requests=requests)
            watch(events, console, requests)


def _plan(source: str, overrides: list[str], console: TrainingConsole) -> None:
    """Show what a training would do; its text is prepared in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="lstmgen-") as folder:
        prepared = prepare_source(source, overrides, runs=Path(folder), progress=console.preparing)
        from lstmgen.training.dry_run import dry_run  # torch, after all checks

        for event in dry_run(*prepared):
            console.show(event)


def _drop(note: str) -> None:
    """Print nothing."""
