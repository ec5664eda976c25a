"""Preparing what is to be trained, and showing a training to its end."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import typer

from lstmgen.cli.outcome import drop_stdout
from lstmgen.config.loader import LoadedConfig, load, load_text
from lstmgen.errors import UsageError, printable
from lstmgen.reporting.console import TrainingConsole
from lstmgen.runs.folders import RESOLVED
from lstmgen.runs.presets import find_config, is_text
from lstmgen.text.corpus import Corpus
from lstmgen.training.events import Created, Event, Finished
from lstmgen.training.resolve import prepare_training
from lstmgen.training.signals import StopRequests


def prepare_source(
    config: str,
    overrides: list[str],
    console: TrainingConsole,
    *,
    runs: Path,
    ranks: bool = False,
) -> tuple[LoadedConfig, Corpus]:
    """A config, checked, and its text, prepared.

    Args:
        config: a config file, a preset, or a text (a file, a folder, a glob, or -).
        ranks: whether several processes do this, which cannot share one standard input.
    """
    given_text = is_text(config)
    if given_text:
        if (Path(config) / RESOLVED).is_file():
            raise UsageError(
                f"{printable(config)}: is a run. To continue it: lstmgen train --resume "
                f"{printable(config)}"
            )
        loaded = load_text(config, overrides)
    else:
        loaded = load(find_config(config), overrides)
    if ranks and loaded.config.data.train == "-":
        raise UsageError("data.train = -: several ranks cannot share standard input. Name a file")
    return prepare_training(loaded, runs, progress=console.preparing, choose_base=given_text)


def _name_run(run: Path) -> None:
    """The product: the run folder, on stdout."""
    try:
        typer.echo(run)
    except BrokenPipeError:
        drop_stdout()
        raise


def watch(events: Iterator[Event], console: TrainingConsole, requests: StopRequests) -> None:
    """Show the events of a training, and exit with its exit code."""
    interrupted = False
    with closing(events):  # type: ignore[type-var]
        for event in events:
            try:
                console.show(event)
                if isinstance(event, Created):
                    _name_run(event.run)
            except BrokenPipeError:  # nobody looks any more: save and end
                console.mute()
                requests.stop = requests.stop or signal.SIGPIPE
            interrupted = isinstance(event, Finished) and event.interrupted
    if interrupted:
        raise typer.Exit(128 + (requests.stop or signal.SIGTERM))  # another rank may have heard it
