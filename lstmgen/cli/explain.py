"""``lstmgen explain``."""

import json
from typing import Annotated

import typer

from lstmgen.cli.inspection_options import (
    Cue,
    LayerNumber,
    Model,
    Start,
    TextFile,
    Units,
    make_request,
    read_units,
    set_model,
)
from lstmgen.cli.options import RunsDir
from lstmgen.cli.outcome import reported
from lstmgen.errors import UsageError
from lstmgen.inspection.subject import explain_deep_breathe, explain_window
from lstmgen.reporting.explanation import explanation_json, explanation_text

DIGITS, EXAMPLE_DIGITS = 6, 8  # after the decimal point
WORDS = 4  # of a text, by default


@reported
def explain(
    model: Model = None,
    cue: Cue = None,
    text: TextFile = None,
    start: Start = None,
    window: Annotated[
        int | None,
        typer.Option(
            "--window",
            min=1,
            max=1000,
            help=f"Words read from a text (default: {WORDS}; the example of --oracle reads 3).",
        ),
    ] = None,
    layer: LayerNumber = 1,
    units: Units = None,
    oracle: Annotated[
        bool, typer.Option("--oracle", help="Show the worked example of Deep-Breathe instead.")
    ] = False,
    layers: Annotated[
        int | None,
        typer.Option(
            "--layers", min=1, max=8, help="With --oracle: number of layers (default: 1)."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    runs_dir: RunsDir = None,
) -> None:
    """Show the equations with the numbers of one window.

    The page has the forward pass and the backward pass. The last word of --cue is predicted.

    Example: lstmgen explain --cue "The old miller" --units 0,5
    """
    if oracle:
        if any(value is not None for value in (model, cue, text, window, runs_dir)):
            raise UsageError("--oracle has its own model, text and window. Leave the others out")
        if layer > (layers or 1):
            raise UsageError(
                f"--layer {layer}: the example has {layers or 1}. Add --layers {layer}"
            )
        selected = read_units(units, count=5)
        subject, explanation = explain_deep_breathe(layers=layers or 1, start=start)
    else:
        if layers is not None:
            raise UsageError("--layers goes with --oracle; a model has its own")
        request = make_request(cue, text, start, window, layer, units, runs_dir, words=WORDS)
        request = set_model(request, model)
        selected = request.units
        subject, explanation = explain_window(request)
    if as_json:
        page = explanation_json(subject, explanation, layer=layer, units=selected)
        typer.echo(json.dumps(page, allow_nan=False))
        return
    digits = EXAMPLE_DIGITS if oracle else DIGITS
    if oracle and not selected:
        selected = (0,)  # its five units are equal
    typer.echo(explanation_text(subject, explanation, layer=layer, units=selected, digits=digits))
