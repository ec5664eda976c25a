"""``lstmgen train``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstmgen.cli.options import RunsDir, split_settings
from lstmgen.cli.outcome import reported
from lstmgen.cli.watching import ready_text, watch
from lstmgen.errors import UsageError

if TYPE_CHECKING:
    from lstmgen.reporting.console import TrainingConsole


@reported
def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CONFIG [KEY=VALUE]...",
            help="A YAML file, a preset's name or a text, followed by key=value overrides. "
            "With --resume: a run folder (default: the newest).",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue a run from its last checkpoint.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run (default: the config's).")
    ] = None,
    runs_dir: RunsDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Train a model and print the folder of the run.

    Example: lstmgen train configs/story.yaml train.epochs=2 train.learning_rate=1e-3
    """
    named, overrides = split_settings(arguments or [])
    if len(named) > 1:
        raise UsageError(f"{named[1]}: one config is trained at a time. Settings are KEY=VALUE")
    from lstmgen.reporting.console import TrainingConsole
    from lstmgen.runs.folders import runs_folder
    from lstmgen.training.collective import started_by_torchrun
    from lstmgen.training.signals import listening
    from lstmgen.training.threads import share_cores

    if not resume and not named:
        raise UsageError("no config is named. Write: lstmgen train CONFIG, as in `train story`")
    runs = runs_folder(runs_dir)
    share_cores()
    console = TrainingConsole(quiet=quiet)
    try:
        if started_by_torchrun():
            from lstmgen.cli.ranks import train_together

            train_together(named, overrides, resume=resume, name=name, runs=runs, console=console)
        elif resume:
            given = Path(named[0]) if named else None
            with listening() as asked:
                from lstmgen.training.start import resume as resume_run

                watch(resume_run(given, overrides, runs=runs, asked=asked), console, asked)
        else:
            _start(named[0], overrides, name=name, runs=runs, console=console)
    finally:
        console.close()


def _start(
    config: str, overrides: list[str], *, name: str | None, runs: Path, console: "TrainingConsole"
) -> None:
    loaded, corpus = ready_text(config, overrides, runs=runs, console=console)
    from lstmgen.training.signals import listening

    with listening() as asked:
        from lstmgen.training.start import train as train_run  # torch, not before all is checked

        watch(train_run(loaded, corpus, name=name, runs=runs, asked=asked), console, asked)
