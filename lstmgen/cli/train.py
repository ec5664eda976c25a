"""``lstmgen train``."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmgen.cli.options import RunsDir, split_settings
from lstmgen.cli.outcome import drop_stdout, reported
from lstmgen.errors import UsageError

if TYPE_CHECKING:
    from lstmgen.reporting.console import TrainingConsole
    from lstmgen.run.events import Event
    from lstmgen.run.signals import Asked


@reported
def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG [KEY=VALUE]...",
            help="A YAML file or the name of a preset, and settings that go before it. "
            "With --resume: a run folder (default: the newest).",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run from its last checkpoint.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the run (default: the config's).")
    ] = None,
    runs_dir: RunsDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Train a model and print the folder of the run.

    Example: lstmgen train configs/story.yaml train.epochs=2 train.learning_rate=1e-3
    """
    named, overrides = split_settings(arguments or [])
    if len(named) > 1:
        raise UsageError(f"{named[1]}: one config is trained at a time. Settings are KEY=VALUE")
    from lstmgen.reporting.console import TrainingConsole
    from lstmgen.run.folders import runs_folder
    from lstmgen.run.signals import listening

    runs = runs_folder(runs_dir)
    console = TrainingConsole(quiet=quiet)
    try:
        if resume:
            given = Path(named[0]) if named else None
            with listening() as asked:
                from lstmgen.run.training import resume as resume_run

                _watch(resume_run(given, overrides, runs=runs, asked=asked), console, asked)
            return
        if not named:
            raise UsageError("no config is named. Write: lstmgen train CONFIG, as in `train story`")
        _start(named[0], overrides, name=name, runs=runs, console=console)
    finally:
        console.close()


def _start(
    config: str, overrides: list[str], *, name: str | None, runs: Path, console: "TrainingConsole"
) -> None:
    from lstmgen.config.loader import load
    from lstmgen.run.presets import find_config

    loaded = load(find_config(config), overrides)
    from lstmgen.run.preparing import prepare_text, settle_stdin  # numpy, not before all is checked
    from lstmgen.run.signals import listening

    loaded = settle_stdin(loaded, runs)
    corpus = prepare_text(loaded.config.data, runs, progress=console.preparing)
    with listening() as asked:
        from lstmgen.run.training import train as train_run  # torch, not before all is checked

        _watch(train_run(loaded, corpus, name=name, runs=runs, asked=asked), console, asked)


def _name_run(run: Path) -> None:
    """The product: the run folder, on stdout."""
    try:
        typer.echo(run)
    except BrokenPipeError:
        drop_stdout()
        raise


def _watch(events: "Iterator[Event]", console: "TrainingConsole", asked: "Asked") -> None:
    from lstmgen.run.events import Created, Finished

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
        raise typer.Exit(128 + asked.stop)
