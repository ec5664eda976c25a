"""``lstmgen inspect``."""

import json
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
    Model,
    Start,
    TextFile,
    Units,
    make_request,
)
from lstmgen.cli.options import RunsDir
from lstmgen.cli.outcome import reported, warn
from lstmgen.errors import UsageError
from lstmgen.inspection.subject import Request, inspect_gates, inspect_gradients
from lstmgen.reporting.inspecting import gates_json, gates_page, gradients_json, gradients_page
from lstmgen.reporting.inspection_plots import draw_gates, draw_gradients

PLAIN_WIDTH = 100  # columns, if stdout is no terminal
GATE_WORDS, GRADIENT_WORDS = 24, 40


@reported
def inspect(
    model: Model = None,
    gates: Annotated[
        bool, typer.Option("--gates", help="Show the gates and the cell state, word by word.")
    ] = False,
    gradients: Annotated[
        bool,
        typer.Option("--gradients", help="Show how far back the gradient of one loss reaches."),
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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Show the gates word by word, or the gradient through time.

    With --gradients, the last word of --cue is predicted.

    Example: lstmgen inspect --gates --cue "The old miller did not say anything."
    """
    if gates == gradients:
        raise UsageError("choose what to inspect: either --gates or --gradients")
    if gradients and units is not None:
        raise UsageError("--units goes with --gates; a gradient's norm is over all units")
    words = GATE_WORDS if gates else GRADIENT_WORDS
    request = make_request(model, cue, text, start, window, layer, units, runs_dir, words=words)
    if gates:
        _show_gates(request, svg=svg, as_json=as_json)
    else:
        _show_gradients(request, svg=svg, as_json=as_json)
    if svg is not None:
        warn(f"saved: {svg}")


def _show_gates(request: Request, *, svg: Path | None, as_json: bool) -> None:
    subject, trace = inspect_gates(request)
    layer, units = request.layer, request.units
    if svg is not None:
        draw_gates(subject, trace, svg, units=units, layer=layer)
    if as_json:
        content = gates_json(subject, trace, layer=layer, units=units)
        typer.echo(json.dumps(content, allow_nan=False))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH
    _print_page(gates_page(subject, trace, layer=layer, units=units, width=width))


def _show_gradients(request: Request, *, svg: Path | None, as_json: bool) -> None:
    subject, model, elman = inspect_gradients(request)
    if svg is not None:
        draw_gradients(model, elman, svg, cell=subject.cell)
    if as_json:
        content = gradients_json(subject, model, elman, layer=request.layer)
        typer.echo(json.dumps(content, allow_nan=False))
        return
    typer.echo(gradients_page(subject, model, elman, layer=request.layer))


def _print_page(page: Text) -> None:
    """Print in color if stdout is a terminal that supports it."""
    console = Console(highlight=False, soft_wrap=True)
    with console.capture() as captured:  # rich would exit at a closed pipe
        console.print(page, end="")
    typer.echo(captured.get(), nl=False, color=True)
