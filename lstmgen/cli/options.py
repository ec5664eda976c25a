"""Options that several commands share, each described once."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from lstmgen.config.loader import option_of
from lstmgen.config.schema import Key, SampleConfig, all_keys
from lstmgen.errors import UsageError, printable

if TYPE_CHECKING:
    from lstmgen.inspection.subject import Request

RunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir", help="Where runs are kept (default: $LSTMGEN_RUNS_DIR, else ./runs)."
    ),
]
ConfigAndSettings = Annotated[
    list[str],
    typer.Argument(
        metavar="CONFIG [KEY=VALUE]...",
        help="A YAML file or the name of a preset, followed by key=value overrides.",
    ),
]
Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", help="A run folder or one of its step folders (default: the newest run)."
    ),
]
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


NONE_GIVEN: dict[str, Any] = {}  # what a command with sample_options declares


def sample_options(
    *names: str, section: type[SampleConfig] = SampleConfig
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each key of the section ``sample``: ``--top-k`` for ``top_k``.

    The command takes those that are given as its keyword ``settings``, in whose place the
    options are listed.

    Args:
        names: of the keys; default: all but ``cues``.
    """
    keys = all_keys(section)
    kept = names or tuple(name for name in section.model_fields if name != "cues")

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            options = [_sample_option(name, keys[name]) for name in kept]
            parameters += options if parameter.name == "settings" else [parameter]

        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            values = {name: given.pop(name) for name in kept}
            settings = {name: value for name, value in values.items() if value not in (None, [])}
            command(**given, settings=settings)

        wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return wrapped

    return decorate


def _sample_option(name: str, key: Key) -> inspect.Parameter:
    """The parameter of a command for a key of the section ``sample``; None is: not given."""
    kind, text = key.field.annotation, key.description.replace("`", "")
    members = [member for member in get_args(kind) if member is not type(None)]
    if get_origin(kind) is Literal:
        kind = str  # checked with the other keys, by the schema
        text = f"{text.removesuffix('.')}: {', '.join(members[:-1])} or {members[-1]}."
    elif get_origin(kind) is list:
        text = f"{text.removesuffix('.')} (may be repeated)."
    elif members:
        kind = members[0]
    optional: Any = kind | None  # type: ignore[operator]
    option = Annotated[optional, typer.Option(option_of(name), help=text)]
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=option
    )


def one_config(arguments: list[str], *, command: str) -> tuple[str, list[str]]:
    """The config that a command line names, and its settings.

    Raises:
        UsageError: where it names none, or two.
    """
    named, settings = split_settings(arguments)
    if len(named) != 1:
        problem = f"{printable(named[1])}: one config at a time" if named else "no config is named"
        raise UsageError(f"{problem}. Write: lstmgen {command} CONFIG [KEY=VALUE]")
    return named[0], settings


def split_settings(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What a command line names, and its KEY=VALUE."""
    return [a for a in arguments if "=" not in a], [a for a in arguments if "=" in a]


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
) -> "Request":
    """What the options of a command that looks into a model ask for.

    Args:
        words: the window, unless one is given.

    Raises:
        UsageError: where they contradict each other.
    """
    from lstmgen.generation.load import keep_to_one_thread
    from lstmgen.runs.folders import runs_folder

    keep_to_one_thread()
    from lstmgen.inspection.subject import Request  # numpy

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
