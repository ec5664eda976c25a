"""The program ``lstmgen``."""

import io
import os
import sys
from typing import Annotated

import typer

from lstmgen import __version__
from lstmgen.cli.bench import bench
from lstmgen.cli.check import check
from lstmgen.cli.evaluate import evaluate
from lstmgen.cli.explain import explain
from lstmgen.cli.export import export
from lstmgen.cli.generate import generate
from lstmgen.cli.inspect import inspect
from lstmgen.cli.train import train
from lstmgen.cli.write import write

app = typer.Typer(
    help="Train a word-level LSTM on your own stories and let it continue a cue.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(generate)
app.command()(evaluate)
app.command()(explain)
app.command()(inspect)
app.command()(write)
app.command()(export)
app.command()(bench)
app.command()(check)


def _reopen_stdout() -> None:
    """Give a program that was started with a closed stdout somewhere to write."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (to the end)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lstmgen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    _reopen_stdout()
    # To look for plug-ins, pydantic reads what every installed package says of itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows a ?
            stream.reconfigure(errors="replace")
    app(prog_name="lstmgen")
