"""``lstmgen config``."""

import fnmatch
import glob
from typing import Annotated

import typer

from lstmgen.cli.groups import make_group
from lstmgen.cli.options import ConfigAndOverrides, one_config
from lstmgen.cli.outcome import reported
from lstmgen.cli.terminal import output_columns
from lstmgen.config.json_schema import schema_text
from lstmgen.config.loader import load
from lstmgen.config.schema import Key, all_keys
from lstmgen.errors import UsageError, printable
from lstmgen.reporting.config_page import (
    annotated_yaml,
    config_json,
    describe_origins,
    keys_json,
    keys_table,
)
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.tables import markdown_table, plain_table
from lstmgen.runs.bundled import find_config
from lstmgen.training.size_defaults import chosen_keys

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

config = make_group(no_args_is_help=True)


@config.callback()
def describe() -> None:
    """Show what a config sets, and every key that it can set.

    Example: lstmgen config show story train.epochs=2
    """


@config.command("show")
@reported
def show(arguments: ConfigAndOverrides, as_json: AsJson = False) -> None:
    """Print a complete config, with where each value comes from.

    Example: lstmgen config show story train.epochs=2
    """
    name, overrides = one_config(arguments, command="config show")
    loaded = load(find_config(name), overrides)
    origins = describe_origins(loaded, chosen=chosen_keys())
    if as_json:
        typer.echo(json_text(config_json(loaded, origins)))
    else:
        typer.echo(printable(annotated_yaml(loaded, origins)))


@config.command("keys")
@reported
def keys(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATTERN]", help="A part of a key's name, or a pattern such as train.*_every."
        ),
    ] = None,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--md", help="Print a table in Markdown.")] = False,
) -> None:
    """Print the keys, their allowed values and defaults.

    Example: lstmgen config keys dropout
    """
    if as_json and as_markdown:
        raise UsageError("--json and --md are two formats. Leave one out")
    found = _matching_keys(pattern or "")
    if as_json:
        typer.echo(json_text({"keys": keys_json(found)}))
    elif as_markdown:
        typer.echo(markdown_table(keys_table(found)))
    else:
        typer.echo(plain_table(keys_table(found), columns=output_columns()))


@config.command("schema")
@reported
def schema() -> None:
    """Print the JSON schema of a config, for editors.

    Example: lstmgen config schema > schema.json
    """
    typer.echo(schema_text(), nl=False)


def _matching_keys(pattern: str) -> list[Key]:
    """The keys whose name has a part, or matches a pattern.

    Raises:
        UsageError: if there are none.
    """
    lower = pattern.lower()
    whole = lower if glob.has_magic(lower) else f"*{lower}*"
    found = [key for name, key in all_keys().items() if fnmatch.fnmatchcase(name, whole)]
    if not found:
        raise UsageError(
            f"{printable(pattern)}: no key has this in its name. To list all: lstmgen config keys"
        )
    return found
