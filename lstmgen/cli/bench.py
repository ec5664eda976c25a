"""``lstmgen bench``."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from lstmgen.cli.options import ConfigAndSettings, one_config
from lstmgen.cli.outcome import reported
from lstmgen.config.loader import load
from lstmgen.errors import UsageError
from lstmgen.reporting.console import TrainingConsole
from lstmgen.reporting.figures import share
from lstmgen.runs.presets import find_config
from lstmgen.training import threads

if TYPE_CHECKING:
    from lstmgen.training.benchmark import BenchmarkResult


@reported
def bench(
    arguments: ConfigAndSettings,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, max=3600, help="Seconds of training to time.")
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time training and generating with a config on this machine.

    Nothing is kept.

    Example: lstmgen bench story train.precision=fp32
    """
    config, overrides = one_config(arguments, command="bench")
    loaded = load(find_config(config), overrides)
    if loaded.config.data.train == "-":
        raise UsageError("data.train = -: bench reads no standard input. Name a file")
    threads.share_cores()
    from lstmgen.training.benchmark import bench as bench_config  # torch, not before all is checked

    console = TrainingConsole()
    try:
        benched = bench_config(loaded, seconds=seconds, progress=console.preparing)
    finally:
        console.close()
    typer.echo(json.dumps(_as_json(benched)) if as_json else _as_table(benched))


def _as_json(benched: "BenchmarkResult") -> dict[str, object]:
    return {
        "device": benched.device,
        "parameters": benched.parameters,
        "training_words_per_second": benched.words_per_second,
        "step_seconds": benched.step_seconds,
        "step_words": benched.words / benched.steps,
        "step_flop": benched.flop,
        "share_of_products": benched.share_of_products,
        "generating_words_per_second": 1 / benched.drawing,
        "share_of_floor": benched.share_of_floor,
        "weight_bytes": benched.weights,
        "shell_seconds": benched.shell,
    }


def _as_table(benched: "BenchmarkResult") -> str:
    step = f"{1000 * benched.step_seconds:.1f} ms for {benched.words / benched.steps:,.0f} words"
    products = f"{benched.flop / 1e9:.3g} GFLOP of matrix products, which take "
    products += f"{share(benched.share_of_products)} of that by themselves"
    floor = f"reading {benched.weights / 1e6:.1f} MB of weights once takes "
    floor += f"{share(benched.share_of_floor)} of a word's time"
    rows = [
        ("device", benched.device),
        ("parameters", f"{benched.parameters:,}"),
        ("training", f"{benched.words_per_second:,.0f} words/s scored"),
        ("one step", step),
        ("", products),
        ("generating", f"{1 / benched.drawing:,.0f} words/s, one text"),
        ("", floor),
        ("from the shell", f"{benched.shell:.2f} s for {benched.shell_words} words"),
    ]
    return "\n".join(f"{label:<16}{value}" for label, value in rows)
