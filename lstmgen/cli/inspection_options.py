"""Options of ``explain`` and ``inspect``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lstmgen.cli.options import split_overrides
from lstmgen.cli.outcome import warn
from lstmgen.errors import ConfigError, UsageError, printable
from lstmgen.generation.load import limit_blas_threads
from lstmgen.inspection.subject import Request
from lstmgen.runs.bundled import find_config
from lstmgen.runs.folders import find_run, runs_folder, runs_named

MAX_MODELS = 8  # of a comparison
Model = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN|CONFIG [KEY=VALUE]...]",
        help="A run folder, one of its step folders, a run's name, or a config (with key=value "
        "overrides) for an untrained model (default: the newest run).",
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN|CONFIG [KEY=VALUE]...",
        help="A run folder, one of its step folders, a run's name, or a config (followed by "
        "key=value overrides) for an untrained model (default: the newest run). --gradients "
        "compares several.",
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

Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", min=0, max=2**63 - 1, help="Seed of the continuation of --why (default: 0)."
    ),
]
Words = Annotated[
    int | None,
    typer.Option(
        "--words",
        min=1,
        max=1000,
        help="Words to generate with --why, to the end of a sentence (default: 20).",
    ),
]

VIEW_OPTIONS = {  # what each view of inspect takes, besides the model, --json and --runs-dir
    "gates": ("cue", "text", "start", "window", "layer", "units", "svg"),
    "gradients": ("cue", "text", "start", "window", "layer", "svg"),
    "memory": ("text",),
    "why": ("cue", "seed", "words"),
}


def choose_view(**views: bool) -> str:
    """The one view of ``inspect`` that is chosen.

    Raises:
        UsageError: if none is, or several are.
    """
    chosen = [name for name, wanted in views.items() if wanted]
    if len(chosen) != 1:
        raise UsageError("choose what to inspect: --gates, --gradients, --memory or --why")
    return chosen[0]


def check_options(view: str, **options: object) -> None:
    """Check that the options that are set, those not None, go with a view of ``inspect``.

    Raises:
        UsageError: if one does not.
    """
    for name, value in options.items():
        if value is not None and name not in VIEW_OPTIONS[view]:
            *others, last = [f"--{other}" for other, names in VIEW_OPTIONS.items() if name in names]
            views = f"{', '.join(others)} or {last}" if others else last
            raise UsageError(f"--{name} goes with {views}, not with --{view}. Leave it out")


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
    """Build a request for the newest run from the options; ``words`` is the default window.

    Raises:
        UsageError: if the options contradict each other.
    """
    limit_blas_threads()
    if cue is not None and any(value is not None for value in (text, start, window)):
        raise UsageError("--cue is the text itself. Leave --text, --start and --window out")
    return Request(
        model=None,
        overrides=(),
        cue=cue,
        text=text,
        start=start or 0,
        window=window or words,
        layer=layer,
        units=read_units(units),
        runs=runs_folder(runs_dir),
    )


def set_model(request: Request, arguments: list[str] | None) -> Request:
    """The request for the model of the arguments: its name, and overrides of a config.

    Raises:
        UsageError: if there is more than one model, or its name is empty.
    """
    names, overrides = split_overrides(arguments or [])
    if len(names) > 1:
        raise UsageError(
            f"{printable(names[1])}: one model at a time. Overrides are KEY=VALUE, "
            "and inspect --gradients compares models"
        )
    if "" in names:
        raise UsageError("the model is an empty name. Name a run folder, a config or a preset")
    model = _find_model(names[0], request.runs) if names else None
    return replace(request, model=model, overrides=tuple(overrides))


def set_models(request: Request, arguments: list[str] | None) -> list[Request]:
    """A request for each model of the arguments; a model's overrides follow it.

    Raises:
        UsageError: if there are too many models, or a name is empty.
    """
    groups: list[list[str]] = [[]]
    for argument in arguments or []:
        if "=" not in argument and any("=" not in other for other in groups[-1]):
            groups.append([])
        groups[-1].append(argument)
    if len(groups) > MAX_MODELS:
        raise UsageError(
            f"{len(groups)} models: at most {MAX_MODELS} can be compared. Leave some out"
        )
    if len(groups) > 1 and request.text == "-":
        raise UsageError("--text -: standard input can be read once only. Name a file")
    return [set_model(request, group) for group in groups]


def _find_model(name: str, runs: Path) -> str:
    """A config, or a run that may be given by its name; the name of a preset means the preset."""
    try:
        config = find_config(name)
    except ConfigError:
        return str(find_run(Path(name), runs, note=warn))
    named = runs_named(name, runs) if "/" not in name and config != Path(name) else []
    if named:
        warn(
            f"note: {name} is the preset here, which is not trained. To read the run of this "
            f"name, write {named[0]}"
        )
    return name
