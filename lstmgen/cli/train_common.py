"""Showing the events of a training run."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import typer

from lstmgen.cli.outcome import drop_stdout, write_line
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.training.events import Created, Event, Finished
from lstmgen.training.signals import StopRequests


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
        write_line(run)
    except BrokenPipeError:
        drop_stdout()
        raise
