"""``lstmgen bench``."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from lstmgen.cli.options import ConfigAndOverrides, one_config
from lstmgen.cli.outcome import reported
from lstmgen.config.loader import load
from lstmgen.errors import UsageError, counted
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.number_format import percent
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.runs.bundled import find_config
from lstmgen.training import core_sharing

if TYPE_CHECKING:
    from lstmgen.training.benchmark import BenchmarkResult


@reported
def bench(
    arguments: ConfigAndOverrides,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=3600, help="Seconds of training to time.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time training and generating with a config on this machine.

    Nothing is saved.

    Example: lstmgen bench story train.precision=fp32
    """
    config, overrides = one_config(arguments, command="bench")
    loaded = load(find_config(config), overrides)
    if loaded.config.data.train == "-":
        raise UsageError("data.train = -: bench cannot read standard input. Name a file")
    core_sharing.share_cores()
    from lstmgen.training.benchmark import bench as run_benchmark  # torch, after all checks

    with closing(TrainingConsole()) as console:
        result = run_benchmark(loaded, seconds=seconds, progress=console.preparing)
    typer.echo(json_text(_as_json(result)) if as_json else _as_table(result))


def _as_json(result: "BenchmarkResult") -> dict[str, object]:
    return {
        "device": result.device,
        "parameters": result.parameters,
        "training_words_per_second": result.words_per_second,
        "step_seconds": result.step_seconds,
        "step_words": result.words / result.steps,
        "step_flop": result.flop,
        "share_of_products": result.share_of_products,
        "generating_words_per_second": 1 / result.drawing,
        "share_of_floor": result.share_of_floor,
        "weight_bytes": result.weights,
        "shell_seconds": result.shell,
    }


def _as_table(result: "BenchmarkResult") -> str:
    words = counted(round(result.words / result.steps), "word")
    step = f"{1000 * result.step_seconds:.1f} ms for {words}"
    matmuls = f"{result.flop / 1e9:.3g} GFLOP of matmuls, which alone take "
    matmuls += f"{percent(result.share_of_products)} of that time"
    floor = f"reading {result.weights / 1e6:.1f} MB of weights once takes "
    floor += f"{percent(result.share_of_floor)} of the time per word"
    rows = [
        ("device", result.device),
        ("parameters", f"{result.parameters:,}"),
        ("training", f"{result.words_per_second:,.0f} words/s scored"),
        ("one step", step),
        ("", matmuls),
        ("generating", f"{1 / result.drawing:,.0f} words/s, one text"),
        ("", floor),
        ("from the shell", f"{result.shell:.2f} s for {result.shell_words} words"),
    ]
    return "\n".join(f"{label:<16}{value}" for label, value in rows)
