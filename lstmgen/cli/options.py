"""Options that several commands share, each described once."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from lstmgen.config.loader import option_of
from lstmgen.config.schema import Key, SampleConfig, all_keys
from lstmgen.errors import UsageError, printable

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
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN]", help="A run folder or one of its step folders (default: the newest run)."
    ),
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
