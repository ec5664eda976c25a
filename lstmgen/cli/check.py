"""``lstmgen check``."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from lstmgen.cli.options import ConfigAndSettings, one_config
from lstmgen.cli.outcome import reported, warn
from lstmgen.config.loader import load
from lstmgen.errors import LstmgenError, UsageError
from lstmgen.reporting.console import TrainingConsole
from lstmgen.runs.presets import find_config
from lstmgen.training import threads


@reported
def check(
    arguments: ConfigAndSettings,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Prove that an interrupted training run loses nothing."),
    ] = False,
    steps: Annotated[
        int,
        typer.Option("--steps", min=2, max=1_000_000, help="Number of steps to train each time."),
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove on your own config that resuming loses nothing.

    Nothing is kept.

    --resume trains some steps straight, and in two halves with everything read back from the
    disk between them, and compares every tensor and every number that is saved.

    Example: lstmgen check --resume my.yaml
    """
    config, overrides = one_config(arguments, command="check --resume")
    if not resume:
        raise UsageError(f"say what to check: lstmgen check --resume {config}")
    loaded = load(find_config(config), overrides)
    if loaded.config.data.train == "-":
        raise UsageError("data.train = -: check reads no standard input. Name a file")
    threads.share_cores()
    from lstmgen.training.resume_check import check_resume  # torch, not before all is checked

    console = TrainingConsole()
    try:
        found = check_resume(loaded, steps=steps, report=warn, progress=console.preparing)
    finally:
        console.close()
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        typer.echo(
            f"{found.tensors} tensors and {found.numbers} numbers after {found.steps:,} steps, "
            f"straight and stopped at {found.stopped_at:,}: {len(found.differing)} differ"
        )
    if found.differing:
        raise LstmgenError(f"these differ: {', '.join(found.differing)}")
