"""Commands that have commands of their own."""

from typing import Any

import typer

PLAIN: Any = {  # for all commands; rich would double the time of --help
    "add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False,
}  # fmt: skip


def make_group(**options: Any) -> typer.Typer:
    """A command to which others are added, with the options of ``typer.Typer``."""
    return typer.Typer(**PLAIN | options)
