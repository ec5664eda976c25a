"""What every way to train begins with, and how a training is shown to its end."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lstmgen.cli.outcome import drop_stdout
from lstmgen.errors import UsageError, printable

if TYPE_CHECKING:
    from lstmgen.config.loader import Loaded
    from lstmgen.reporting.console import TrainingConsole
    from lstmgen.text.prepared import Corpus
    from lstmgen.training.events import Event
    from lstmgen.training.signals import Asked


def ready_text(
    config: str,
    overrides: list[str],
    *,
    runs: Path,
    console: "TrainingConsole",
    ranks: bool = False,
) -> "tuple[Loaded, Corpus]":
    """A config, checked, and its text, prepared.

    Args:
        config: a config file, a preset, or a text (a file, a folder, a glob, or -).
        ranks: whether several processes do this, which cannot share one standard input.
    """
    from lstmgen.config.loader import load, load_text
    from lstmgen.runs.folders import RESOLVED
    from lstmgen.runs.presets import find_config, is_text

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
    from lstmgen.training.resolve import prepare_training  # numpy, not before all is checked

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


def watch(events: "Iterator[Event]", console: "TrainingConsole", asked: "Asked") -> None:
    """Show what a training tells, and end as it ends."""
    from lstmgen.training.events import Created, Finished

    interrupted = False
    with closing(events):  # type: ignore[type-var]
        for event in events:
            try:
                console.show(event)
                if isinstance(event, Created):
                    _name_run(event.run)
            except BrokenPipeError:  # nobody looks any more: save and end
                console.mute()
                asked.stop = asked.stop or signal.SIGPIPE
            interrupted = isinstance(event, Finished) and event.interrupted
    if interrupted:
        raise typer.Exit(128 + (asked.stop or signal.SIGTERM))  # another rank may have heard it
