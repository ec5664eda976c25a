"""Options of ``explain`` and ``inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from lstmgen.cli.options import split_overrides
from lstmgen.errors import UsageError, printable
from lstmgen.generation.load import limit_blas_threads
from lstmgen.inspection.subject import Request
from lstmgen.runs.folders import runs_folder

Model = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN|CONFIG [KEY=VALUE]...]",
        help="A run folder, one of its step folders, or a config (with key=value overrides) for "
        "an untrained model (default: the newest run).",
    ),
]
Cue = Annotated[
    str | None, typer.Option("--cue", "-c", help="The words to read (default: from the text).")
]
TextFile = Annotated[
    str | None,
    typer.Option("--text", help="A file to read words from, or - (default: the training text)."),
]
Start = Annotated[
    int | None, typer.Option("--start", min=0, help="First word read from the text (default: 0).")
]
LayerNumber = Annotated[
    int, typer.Option("--layer", min=1, help="Layer to show, counted from 1 at the input.")
]
Units = Annotated[
    str | None, typer.Option("--units", help="Units to show, such as 0,3,8-11.", metavar="LIST")
]


def read_units(text: str | None, *, count: int = 65536) -> tuple[int, ...]:
    """Parse a list of numbers such as 0,3,8-11; None is empty.

    Raises:
        UsageError: if the format is wrong, or a number is not below ``count``.
    """
    numbers: list[int] = []
    for part in () if text is None else text.split(","):
        first, dash, last = part.strip().partition("-")
        fits = first.isdecimal() and (last.isdecimal() or not dash) and len(part) < 20
        if not fits or (dash and int(last) < int(first)):
            text = printable(part if len(part) < 20 else f"{part[:20]}...")
            raise UsageError(f"--units {text}: write numbers and ranges, such as 0,3,8-11")
        end = int(last) if dash else int(first)
        if end >= count:
            raise UsageError(f"--units {printable(part)}: units are numbered 0 to {count - 1}")
        numbers.extend(range(int(first), end + 1))
    return tuple(dict.fromkeys(numbers))


def make_request(
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
    """Build a request from the options; ``words`` is the default window.

    Raises:
        UsageError: if they contradict each other.
    """
    limit_blas_threads()
    if cue is not None and any(value is not None for value in (text, start, window)):
        raise UsageError("--cue is the text itself. Leave --text, --start and --window out")
    names, overrides = split_overrides(model or [])
    if len(names) > 1:
        raise UsageError(f"{printable(names[1])}: one model at a time. Overrides are KEY=VALUE")
    if "" in names:
        raise UsageError("the model is an empty name. Name a run folder, a config or a preset")
    return Request(
        model=names[0] if names else None,
        overrides=tuple(overrides),
        cue=cue,
        text=text,
        start=start or 0,
        window=window or words,
        layer=layer,
        units=read_units(units),
        runs=runs_folder(runs_dir),
    )
