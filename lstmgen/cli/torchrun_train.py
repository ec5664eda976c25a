"""``lstmgen train`` under torchrun: several processes, of which only rank 0 reports."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lstmgen.cli.train_common import watch
from lstmgen.config.loader import LoadedConfig
from lstmgen.errors import LstmgenError
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.runs import folders
from lstmgen.training import rank_agreement
from lstmgen.training.events import Event, Finished
from lstmgen.training.signals import StopRequests, listening
from lstmgen.training.source import prepare_source

if TYPE_CHECKING:  # numpy
    from lstmgen.text.corpus import Corpus

BACKENDS = ("gloo", "NCCL", "Connection")  # in error messages after another rank has ended


def train_distributed(
    source: str | None,
    overrides: list[str],
    console: TrainingConsole,
    *,
    resume: bool,
    name: str | None,
    runs: Path,
) -> None:
    """Train with the other ranks; an error is reported once."""
    # Our own message is one line; torch's backends add pages of addresses to theirs.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    from lstmgen.training import distributed, start  # torch

    def find() -> Path | None:
        """The run to continue: as requested, or because torchrun has restarted this process."""
        if resume:
            return folders.find_run(Path(source), runs) if source else folders.newest_run(runs)
        return (
            folders.run_of_job(runs, rank_agreement.job_name())
            if rank_agreement.restarts()
            else None
        )

    def prepare() -> "tuple[LoadedConfig, Corpus]":
        return prepare_source(
            str(source), overrides, runs=runs, progress=console.preparing, ranks=True
        )

    with listening() as requests, distributed.process_group() as world, _reporting_once():
        run = world.broadcast(rank_agreement.run_on_all(world, find))
        if run is not None:
            changes = overrides if resume else []
            events = start.resume(run, changes, runs=runs, requests=requests, world=world)
        else:
            prepared = rank_agreement.run_main_first(world, prepare)
            events = start.train(*prepared, name=name, runs=runs, requests=requests, world=world)
        if world.is_main:
            watch(events, console, requests)
        else:
            _follow(events, requests)


@contextmanager
def _reporting_once() -> Iterator[None]:
    """Let rank 0 alone report an error."""
    try:
        yield
    except LstmgenError as error:
        if rank_agreement.is_main():
            raise
        raise typer.Exit(error.exit_code) from None
    except RuntimeError as error:
        if not any(name in str(error) for name in BACKENDS):
            raise
        if rank_agreement.is_main():
            raise LstmgenError(
                "another rank has ended. Checkpoints saved before are intact: continue with "
                "--resume, or let torchrun do it with --max-restarts "
                f"({str(error).splitlines()[0]})"
            ) from None
        raise typer.Exit(LstmgenError.exit_code) from None


def _follow(events: Iterator[Event], requests: StopRequests) -> None:
    """Train without reporting."""
    interrupted = False
    for event in events:
        interrupted = isinstance(event, Finished) and event.interrupted
    if interrupted:
        raise typer.Exit(128 + (requests.stop or 15))
