"""The program ``lstmgen``."""

import importlib
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lstmgen import __version__

# Each command is the function of its name in the module of its name; a test holds these
# summaries to the docstrings. They stand here so that --help imports no command.
COMMANDS = {
    "train": "Train a model and print the folder of the run.",
    "generate": "Continue a cue.",
    "evaluate": "Score a text with a model, and print its perplexity.",
    "explain": "Show the equations with the numbers of one window.",
    "inspect": "Show the gates word by word, or the gradient through time.",
    "write": "Write a text together with a model, word by word.",
    "export": "Write a trained model to a folder of its own.",
    "bench": "Time training and generating with a config on this machine.",
    "check": "Prove on your own config that resuming loses nothing.",
}
PLAIN: Any = {  # for all commands; rich would double the time of --help
    "add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False,
}  # fmt: skip


class LazyGroup(TyperGroup):
    """A group that imports a command when it is run, not when it is listed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that arguments name, and the arguments behind its name."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(str(name)), rest


def load_command(name: str) -> Any:
    """A command with its options."""
    module = importlib.import_module(f"lstmgen.cli.{name}")
    single = typer.Typer(**PLAIN)
    single.command(name)(getattr(module, name))
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    help="Train a word-level LSTM on your own stories and let it continue a cue.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **PLAIN,
)
for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary)(lambda: None)


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
    # To look for plug-ins, pydantic reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that lacks a letter shows a ?
            stream.reconfigure(errors="replace")
    app(prog_name="lstmgen")
