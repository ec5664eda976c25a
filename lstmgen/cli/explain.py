"""``lstmgen explain``."""

import json
from typing import Annotated

import typer

from lstmgen.cli.looking import (
    Cue,
    LayerNumber,
    Model,
    Start,
    TextFile,
    Units,
    read_units,
    request,
)
from lstmgen.cli.options import RunsDir
from lstmgen.cli.outcome import reported
from lstmgen.errors import UsageError
from lstmgen.inspection.subject import explain_deep_breathe, explain_found
from lstmgen.reporting.explanation import explanation_json, explanation_text

DIGITS, EXACT = 6, 8  # behind the point, of a model's page and of the example's
WORDS = 4  # that a window takes from a text


@reported
def explain(
    model: Model = None,
    cue: Cue = None,
    text: TextFile = None,
    start: Start = None,
    window: Annotated[
        int | None,
        typer.Option(
            "--window", min=1, max=1000, help=f"Words read from a text (default: {WORDS})."
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

    The pages hold the forward pass and the backward pass. The last word of --cue is the one
    that is predicted.

    Example: lstmgen explain --cue "The old miller" --units 0,5
    """
    if oracle:
        if any(given is not None for given in (model, cue, text, window, runs_dir)):
            raise UsageError("--oracle brings its own model, text and window. Leave the others out")
        if layer > (layers or 1):
            raise UsageError(
                f"--layer {layer}: the example has {layers or 1}. Add --layers {layer}"
            )
        chosen = read_units(units, most=5)
        subject, found = explain_deep_breathe(layers=layers or 1, start=start)
    else:
        if layers is not None:
            raise UsageError("--layers goes with --oracle; a model has its own")
        asked = request(model, cue, text, start, window, layer, units, runs_dir, words=WORDS)
        chosen = asked.units
        subject, found = explain_found(asked)
    if as_json:
        page = explanation_json(subject, found, layer=layer, units=chosen)
        typer.echo(json.dumps(page, allow_nan=False))
        return
    digits = EXACT if oracle else DIGITS
    if oracle and not chosen:
        chosen = (0,)  # its five units do the same
    typer.echo(explanation_text(subject, found, layer=layer, units=chosen, digits=digits))
