"""``lstmgen inspect``."""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from lstmgen.cli.inspection_options import (
    Cue,
    LayerNumber,
    Models,
    Seed,
    Start,
    TextFile,
    Units,
    Words,
    check_options,
    choose_view,
    make_request,
    set_model,
    set_models,
)
from lstmgen.cli.options import RunsDir
from lstmgen.cli.outcome import reported, warn
from lstmgen.inspection.compare_gradients import compare_gradients
from lstmgen.inspection.subject import Request, inspect_gates
from lstmgen.inspection.trained_model import inspect_memory, inspect_origins
from lstmgen.reporting.gradients_report import gradients_json, gradients_page
from lstmgen.reporting.inspecting import gates_json, gates_page
from lstmgen.reporting.inspection_plots import draw_gates, draw_gradients
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.memory_report import memory_json, memory_page
from lstmgen.reporting.origins_report import origins_json, origins_page

PLAIN_WIDTH = 100  # columns, if stdout is no terminal
GATE_WORDS, GRADIENT_WORDS, WHY_WORDS = 24, 40, 20


@reported
def inspect(
    model: Models = None,
    gates: Annotated[
        bool, typer.Option("--gates", help="Show the gates and the cell state, word by word.")
    ] = False,
    gradients: Annotated[
        bool,
        typer.Option("--gradients", help="Show how far back the gradient of one loss reaches."),
    ] = False,
    memory: Annotated[
        bool,
        typer.Option(
            "--memory", help="Show the loss if only the last 1, 2, 4 ... 128 words are known."
        ),
    ] = False,
    why: Annotated[
        bool,
        typer.Option(
            "--why",
            help="Continue --cue, and show the training contexts nearest to each new word's state.",
        ),
    ] = False,
    cue: Cue = None,
    text: TextFile = None,
    start: Start = None,
    window: Annotated[
        int | None,
        typer.Option(
            "--window",
            min=1,
            max=10_000,
            help=f"Words read from a text (default: {GATE_WORDS} or {GRADIENT_WORDS}).",
        ),
    ] = None,
    layer: LayerNumber = 1,
    units: Units = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Also save the plot as an SVG file.")
    ] = None,
    seed: Seed = None,
    new_words: Words = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Show gates, gradients, the words used, and the nearest contexts.

    With --gradients, the last word of --cue is predicted, and several models are compared on the
    same words. --memory and --why need a trained model.

    Example: lstmgen inspect --gates --cue "The old miller did not say anything."
    """
    view = choose_view(gates=gates, gradients=gradients, memory=memory, why=why)
    check_options(
        view, cue=cue, text=text, start=start, window=window, layer=None if layer == 1 else layer,
        units=units, svg=svg, seed=seed, words=new_words,
    )  # fmt: skip
    words = GATE_WORDS if gates else GRADIENT_WORDS
    request = make_request(cue, text, start, window, layer, units, runs_dir, words=words)
    if gradients:
        _show_gradients(set_models(request, model), svg=svg, as_json=as_json)
    elif gates:
        _show_gates(set_model(request, model), svg=svg, as_json=as_json)
    elif memory:
        _show_memory(set_model(request, model), as_json=as_json)
    else:
        words = new_words or WHY_WORDS
        _show_origins(set_model(request, model), seed=seed or 0, words=words, as_json=as_json)
    if svg is not None:
        warn(f"saved: {svg}")


def _show_gates(request: Request, *, svg: Path | None, as_json: bool) -> None:
    subject, trace = inspect_gates(request)
    layer, units = request.layer, request.units
    if svg is not None:
        draw_gates(subject, trace, svg, units=units, layer=layer)
    if as_json:
        content = gates_json(subject, trace, layer=layer, units=units)
        typer.echo(json_text(content))
        return
    page = gates_page(
        subject, trace, layer=layer, units=units, width=_width(), color=_has_many_colors()
    )
    _print_page(page)


def _show_gradients(requests: list[Request], *, svg: Path | None, as_json: bool) -> None:
    traced, layer = compare_gradients(requests), requests[0].layer
    if svg is not None:
        draw_gradients(traced, svg, layer=layer)
    if as_json:
        typer.echo(json_text(gradients_json(traced, layer=layer)))
    else:
        typer.echo(gradients_page(traced, layer=layer))


def _show_memory(request: Request, *, as_json: bool) -> None:
    measured = inspect_memory(request)
    typer.echo(
        json_text(memory_json(measured)) if as_json else memory_page(measured, width=_width())
    )


def _show_origins(request: Request, *, seed: int, words: int, as_json: bool) -> None:
    traced = inspect_origins(request, seed=seed, words=words)
    typer.echo(json_text(origins_json(traced)) if as_json else origins_page(traced, width=_width()))


def _width() -> int:
    """The width of the terminal that shows stdout, in columns, or that of a page in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH


def _has_many_colors() -> bool:
    """Whether stdout is a terminal with enough colors for a heat map, and they are wanted."""
    console = Console()
    return not console.no_color and console.color_system in ("256", "truecolor")


def _print_page(page: Text) -> None:
    """Print in color if stdout is a terminal that supports it."""
    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as captured:  # rich would exit at a closed pipe
        console.print(page, end="")
    typer.echo(captured.get(), nl=False, color=True)
