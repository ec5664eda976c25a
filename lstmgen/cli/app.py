"""The command-line program ``lstmgen``."""

import atexit
import gc
import importlib
import os
import signal
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lstmgen import __version__
from lstmgen.cli import output_encoding
from lstmgen.cli.groups import PLAIN
from lstmgen.cli.outcome import warn

# Each command is the function, or the group, of its name in the module of its name. The summaries
# are repeated here so that --help imports no command; a test compares them with the docstrings.
COMMANDS = {
    "init": "Examine a text, and write a config that fits it.",
    "train": "Train a model and print the folder of the run.",
    "generate": "Continue a cue.",
    "evaluate": "Score a text with a model, and print its perplexity.",
    "explain": "Show the equations with the numbers of one window.",
    "inspect": "Show gates, gradients, the words used, and the nearest contexts.",
    "write": "Write a text together with a model, word by word.",
    "report": "Write a run and its model as one HTML page.",
    "export": "Write a trained model to a folder of its own.",
    "runs": "List the runs, or compare some of them.",
    "config": "Show what a config sets, and every key that it can set.",
    "bench": "Time training and generating with a config on this machine.",
    "check": "Prove on your own config that resuming loses nothing.",
}


class LazyGroup(TyperGroup):
    """A group that imports a command when it is run, not when it is listed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find and import the command; the arguments after its name are returned last."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(str(name)), rest


def load_command(name: str) -> Any:
    """Import a command with its options."""
    command = getattr(importlib.import_module(f"lstmgen.cli.{name}"), name)
    if isinstance(command, typer.Typer):
        return typer.main.get_command(command)
    single = typer.Typer(**PLAIN)
    single.command(name)(command)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    help="Train a word-level LSTM on your own stories and let it continue a cue.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **PLAIN | {"add_completion": True},
)
for _name, _summary in COMMANDS.items():
    app.command(_name, help=_summary)(lambda: None)


def _show_version(value: bool) -> None:
    if value:
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
    _check_system()
    _open_closed_streams()
    # Imports make many objects and hardly any garbage, so collecting it is off until the command
    # begins (``outcome.reported``), and does not search all modules at exit.
    gc.disable()
    atexit.register(gc.freeze)
    # To find plug-ins, pydantic reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    if not sys.argv[1:] or {"--help", "-h", "--version"} & set(sys.argv):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody reads on: end as `ls | true` does
    output_encoding.replace_unencodable()
    output_encoding.drop_reordering()
    try:
        app(prog_name="lstmgen")
    except SystemExit as ending:
        sys.exit(_finish_output(ending.code))
    except OSError as error:  # --help or --version on a full disk
        warn(f"error: {error.strerror}")
        sys.exit(_finish_output(1))


def _open_closed_streams() -> None:
    """Send what would go to a closed stream nowhere.

    Otherwise the next file that is opened gets its descriptor, and ``print`` writes to stdout
    what was meant for stderr.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until exit)
            setattr(sys, name, stream)


def _finish_output(code: Any) -> Any:
    """Write what is left in the buffers; the exit code, 1 if a text could not be written.

    The interpreter would end with 120 and a traceback where a disk is full.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        try:
            getattr(sys, name).flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
            if name == "stdout" and not code:
                warn(f"error: stdout: {error.strerror}")
                code = 1
        except ValueError:  # closed
            pass
    return code


def _check_system() -> None:
    """Exit with one message on Windows, where Python cannot lock a run folder."""
    try:
        import fcntl  # noqa: F401
    except ImportError:
        system = "error: lstmgen needs Linux, macOS or WSL (the Windows Subsystem for Linux)"
        print(system, file=sys.stderr)
        sys.exit(2)
