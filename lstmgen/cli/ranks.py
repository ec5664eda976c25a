"""``lstmgen train`` as torchrun starts it: several processes, of which the first speaks."""

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lstmgen.cli.watching import ready_text, watch
from lstmgen.errors import LstmgenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lstmgen.config.loader import Loaded
    from lstmgen.reporting.console import TrainingConsole
    from lstmgen.text.prepared import Corpus
    from lstmgen.training.events import Event
    from lstmgen.training.signals import Asked

ENGINES = ("gloo", "NCCL", "Connection")  # who says that another rank has gone


def train_together(
    named: list[str],
    overrides: list[str],
    *,
    resume: bool,
    name: str | None,
    runs: Path,
    console: "TrainingConsole",
) -> None:
    """Train with the other ranks; what goes wrong is told once."""
    # Our own message is one line; torch's engines add pages of addresses to theirs.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    from lstmgen.runs import folders
    from lstmgen.training import collective
    from lstmgen.training.distributed import joined
    from lstmgen.training.signals import listening

    def find() -> Path | None:
        """What to go on with: as asked, or where torchrun has started us anew."""
        if resume:
            return Path(named[0]) if named else folders.newest_run(runs)
        return folders.run_of_job(runs, collective.job_name()) if collective.restarts() else None

    def ready() -> "tuple[Loaded, Corpus]":
        return ready_text(named[0], overrides, runs=runs, console=console, ranks=True)

    with listening() as asked, joined() as world, _told_once():
        from lstmgen.training.start import resume as resume_run
        from lstmgen.training.start import train as train_run

        run = world.everybody(collective.together(world, find))[0]
        if run is not None:
            given = overrides if resume else []
            events = resume_run(run, given, runs=runs, asked=asked, world=world)
        else:
            loaded, corpus = collective.in_turn(world, ready)
            events = train_run(loaded, corpus, name=name, runs=runs, asked=asked, world=world)
        if world.leads:
            watch(events, console, asked)
        else:
            _follow(events, asked)


@contextmanager
def _told_once() -> "Iterator[None]":
    """Let the first rank alone say what went wrong."""
    from lstmgen.training.collective import leads

    try:
        yield
    except LstmgenError as error:
        if leads():
            raise
        raise typer.Exit(error.exit_code) from None
    except RuntimeError as error:
        if not any(name in str(error) for name in ENGINES):
            raise
        if leads():
            raise LstmgenError(
                "another rank has ended. Checkpoints saved before are intact: go on with "
                "--resume, or let torchrun do it with --max-restarts "
                f"({str(error).splitlines()[0]})"
            ) from None
        raise typer.Exit(LstmgenError.exit_code) from None


def _follow(events: "Iterator[Event]", asked: "Asked") -> None:
    """Train along without a word."""
    from lstmgen.training.events import Finished

    interrupted = False
    for event in events:
        interrupted = isinstance(event, Finished) and event.interrupted
    if interrupted:
        raise typer.Exit(128 + (asked.stop or 15))
