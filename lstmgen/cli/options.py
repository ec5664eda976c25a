"""Options common to several commands."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from lstmgen.cli.outcome import warn
from lstmgen.config.loader import option_of
from lstmgen.config.schema import Key, SampleConfig, all_keys
from lstmgen.errors import UsageError, printable
from lstmgen.runs import folders

RunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir", help="Folder of the runs (default: $LSTMGEN_RUNS_DIR, else ./runs)."
    ),
]
ConfigAndOverrides = Annotated[
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
        metavar="[RUN]",
        help="A run folder, one of its step folders, or the name of a run (default: the newest "
        "run).",
    ),
]

NO_SETTINGS: dict[str, Any] = {}  # default of the parameter that sample_options replaces


def find_named(run: Path | None, runs: Path, *, note: Callable[[str], None] = warn) -> Path | None:
    """The folder of a run that may be given by its name; None, the newest run, stays None."""
    return None if run is None else folders.find_run(run, runs, note=note)


def sample_options(
    *names: str, section: type[SampleConfig] = SampleConfig
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add an option for each key of the section ``sample``, such as ``--top-k`` for ``top_k``.

    The options replace the command's parameter ``settings``, which receives the values that
    are set.

    Args:
        names: of the keys; default: all but ``cues``.
    """
    keys = all_keys(section)
    selected = names or tuple(name for name in section.model_fields if name != "cues")

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            options = [_sample_option(name, keys[name]) for name in selected]
            parameters += options if parameter.name == "settings" else [parameter]

        @functools.wraps(command)
        def wrapped(**arguments: Any) -> None:
            values = {name: arguments.pop(name) for name in selected}
            settings = {name: value for name, value in values.items() if value not in (None, [])}
            command(**arguments, settings=settings)

        wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return wrapped

    return decorate


def _sample_option(name: str, key: Key) -> inspect.Parameter:
    """A command's parameter for a key of the section ``sample``; None means not set."""
    kind, text = key.field.annotation, key.description.replace("`", "")
    members = [member for member in get_args(kind) if member is not type(None)]
    if get_origin(kind) is Literal:
        kind = str  # validated by the schema, with the other keys
        text = f"{text.removesuffix('.')}: {', '.join(members[:-1])} or {members[-1]}."
    elif get_origin(kind) is list:
        text = f"{text.removesuffix('.')} (may be repeated)."
    elif members:
        kind = members[0]
    optional: Any = kind | None  # type: ignore[operator]
    declared = option_of(name)
    if kind is bool:
        declared += f"/--no-{declared.removeprefix('--')}"
    option = Annotated[optional, typer.Option(declared, help=text)]
    return inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=option
    )


def one_config(arguments: list[str], *, command: str) -> tuple[str, list[str]]:
    """The config and the overrides among a command's arguments.

    Raises:
        UsageError: if there is no config, or more than one.
    """
    names, overrides = split_overrides(arguments)
    if len(names) != 1:
        problem = f"{printable(names[1])}: one config at a time" if names else "no config is named"
        raise UsageError(f"{problem}. Write: lstmgen {command} CONFIG [KEY=VALUE]")
    return names[0], overrides


def split_overrides(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split arguments into names and KEY=VALUE overrides."""
    return [a for a in arguments if "=" not in a], [a for a in arguments if "=" in a]
