"""Options of the commands that look into a model, ``explain`` and ``inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from lstmgen.cli.options import split_settings
from lstmgen.errors import UsageError, printable
from lstmgen.generation.load import limit_blas_threads
from lstmgen.inspection.subject import Request
from lstmgen.runs.folders import runs_folder

Model = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN|CONFIG [KEY=VALUE]...]",
        help="A run folder, one of its step folders, or a config (with key=value overrides) for a "
        "model that is not trained (default: the newest run).",
    ),
]
Cue = Annotated[
    str | None, typer.Option("--cue", "-c", help="The words to look at (default: from the text).")
]
TextFile = Annotated[
    str | None,
    typer.Option("--text", help="A file to take words from, or - (default: the training text)."),
]
Start = Annotated[
    int | None, typer.Option("--start", min=0, help="First word taken from the text (default: 0).")
]
LayerNumber = Annotated[
    int, typer.Option("--layer", min=1, help="Layer to show, counted from 1 at the input.")
]
Units = Annotated[
    str | None, typer.Option("--units", help="Units to show, as in 0,3,8-11.", metavar="LIST")
]


def read_units(given: str | None, *, most: int = 65536) -> tuple[int, ...]:
    """The numbers in a list such as 0,3,8-11; none is an empty tuple.

    Raises:
        UsageError: where it is no such list, or a number is not below ``most``.
    """
    numbers: list[int] = []
    for part in (given or "").split(",") if given is not None else ():
        first, dash, last = part.strip().partition("-")
        fits = first.isdecimal() and (last.isdecimal() or not dash) and len(part) < 20
        if not fits or (dash and int(last) < int(first)):
            shown = printable(part if len(part) < 20 else f"{part[:20]}...")
            raise UsageError(f"--units {shown}: write numbers and ranges, as in 0,3,8-11")
        end = int(last) if dash else int(first)
        if end >= most:
            raise UsageError(f"--units {printable(part)}: units are numbered 0 to {most - 1}")
        numbers.extend(range(int(first), end + 1))
    return tuple(dict.fromkeys(numbers))


def request(
    model: list[str] | None,
    cue: str | None,
    text: str | None,
    start: int | None,
    window: int | None,
    layer: int,
    units: str | None,
    runs_dir: Path | None,
    *,
    words: int,
) -> Request:
    """What the options of a command that looks into a model ask for.

    Args:
        words: the window, unless one is given.

    Raises:
        UsageError: where they contradict each other.
    """
    limit_blas_threads()
    if cue is not None and any(given is not None for given in (text, start, window)):
        raise UsageError("--cue is the text itself. Leave --text, --start and --window out")
    named, overrides = split_settings(model or [])
    if len(named) > 1:
        raise UsageError(f"{printable(named[1])}: one model at a time. Settings are KEY=VALUE")
    if "" in named:
        raise UsageError("the model is an empty name. Name a run folder, a config or a preset")
    return Request(
        model=named[0] if named else None,
        overrides=tuple(overrides),
        cue=cue,
        text=text,
        start=start or 0,
        window=window or words,
        layer=layer,
        units=read_units(units),
        runs=runs_folder(runs_dir),
    )
