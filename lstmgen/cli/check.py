"""``lstmgen check``."""

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from lstmgen.cli.options import ConfigAndOverrides, one_config
from lstmgen.cli.outcome import reported, warn
from lstmgen.config.loader import load
from lstmgen.errors import LstmgenError, UsageError
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.runs.bundled import find_config
from lstmgen.training import core_sharing


@reported
def check(
    arguments: ConfigAndOverrides,
    resume: Annotated[
        bool, typer.Option("--resume", help="Prove that an interrupted training run loses nothing.")
    ] = False,
    steps: Annotated[
        int, typer.Option("--steps", min=2, max=1_000_000, help="Number of training steps.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove on your own config that resuming loses nothing.

    Nothing is saved.

    --resume trains some steps in one run, and again in two halves with everything read back
    from disk in between, and compares every saved tensor and number.

    Example: lstmgen check --resume my.yaml
    """
    config, overrides = one_config(arguments, command="check --resume")
    if not resume:
        raise UsageError(f"say what to check: lstmgen check --resume {config}")
    loaded = load(find_config(config), overrides)
    if loaded.config.data.train == "-":
        raise UsageError("data.train = -: check cannot read standard input. Name a file")
    core_sharing.share_cores()
    from lstmgen.training.resume_proof import check_resume  # torch, after all checks

    with closing(TrainingConsole()) as console:
        result = check_resume(loaded, steps=steps, report=warn, progress=console.preparing)
    if as_json:
        typer.echo(json_text(asdict(result)))
    else:
        typer.echo(
            f"{result.tensors} tensors and {result.numbers} numbers after {result.steps:,} steps, "
            f"uninterrupted and resumed at {result.stopped_at:,}: {len(result.differing)} differ"
        )
    if result.differing:
        raise LstmgenError(f"these differ: {', '.join(result.differing)}")
