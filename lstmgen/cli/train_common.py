"""Preparing the source of a training run, and showing its events."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lstmgen.cli.outcome import drop_stdout
from lstmgen.config.loader import LoadedConfig, load, load_text
from lstmgen.errors import UsageError, printable
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.runs.bundled import find_config, is_text
from lstmgen.runs.folders import RESOLVED
from lstmgen.training.events import Created, Event, Finished
from lstmgen.training.signals import StopRequests

if TYPE_CHECKING:  # numpy
    from lstmgen.text.corpus import Corpus


def prepare_source(
    source: str, overrides: list[str], console: TrainingConsole, *, runs: Path, ranks: bool = False
) -> "tuple[LoadedConfig, Corpus]":
    """Load and check a config, and prepare its text.

    Args:
        source: a config file, a preset, or a text (a file, a folder, a glob, or -).
        ranks: whether several processes read it, which cannot share standard input.
    """
    source_is_text = is_text(source)
    if source_is_text:
        if (Path(source) / RESOLVED).is_file():
            raise UsageError(
                f"{printable(source)}: is a run. To continue it: lstmgen train --resume "
                f"{printable(source)}"
            )
        loaded = load_text(source, overrides)
    else:
        loaded = load(find_config(source), overrides)
    if ranks and loaded.config.data.train == "-":
        raise UsageError("data.train = -: several ranks cannot share standard input. Name a file")
    from lstmgen.training.complete_config import prepare_training  # numpy, after all checks

    return prepare_training(loaded, runs, progress=console.preparing, choose_base=source_is_text)


def watch(events: Iterator[Event], console: TrainingConsole, requests: StopRequests) -> None:
    """Show the events of a training run, and exit with its exit code."""
    interrupted = False
    with closing(events):  # type: ignore[type-var]
        for event in events:
            try:
                console.show(event)
                if isinstance(event, Created):
                    _print_run(event.run)
            except BrokenPipeError:  # nobody reads the output: save and end
                console.mute()
                requests.stop = requests.stop or signal.SIGPIPE
            interrupted = isinstance(event, Finished) and event.interrupted
    if interrupted:  # perhaps by a signal to another rank
        raise typer.Exit(128 + (requests.stop or signal.SIGTERM))


def _print_run(run: Path) -> None:
    try:
        typer.echo(run)
    except BrokenPipeError:
        drop_stdout()
        raise
