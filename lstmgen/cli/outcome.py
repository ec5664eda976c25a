"""How a command ends: one message on stderr and an exit code."""

import functools
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import ParamSpec

import typer

from lstmgen.cli import output_encoding
from lstmgen.errors import NO_TEMPORARY_FOLDER, LstmgenError, printable

P = ParamSpec("P")
CLOSED_PIPE = 141  # 128 + SIGPIPE, as shells report it
INTERRUPTED = 130


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Decorate a command so that errors become one message and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        gc.enable()  # off during start-up
        try:
            with _listening():
                command(*args, **kwargs)
                sys.stdout.flush()
        except BrokenPipeError:
            drop_stdout()
            raise typer.Exit(CLOSED_PIPE) from None
        except (LstmgenError, OSError, MemoryError, RuntimeError, KeyboardInterrupt) as error:
            message, code = _message(error)
            if not message:
                raise
            warn(message)
            raise typer.Exit(code) from None
        finally:
            note = output_encoding.take_note()
            if note and not kwargs.get("quiet"):
                warn(note)

    return wrapped


class _Terminated(KeyboardInterrupt):
    """A signal that ends the process, raised so that temporary files are removed."""

    def __init__(self, number: int) -> None:
        self.number, self.name = number, signal.Signals(number).name
        super().__init__(self.name)


@contextmanager
def _listening() -> Iterator[None]:
    """End a command by SIGINT, SIGTERM or SIGHUP as by an error; a training handles its own."""

    def end(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt if number == signal.SIGINT else _Terminated(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    free = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in free:  # not those that are ignored, as by nohup
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in free:
            signal.signal(number, signal.SIG_DFL)


def _message(error: BaseException) -> tuple[str, int]:
    """The message and the exit code for an error; no message if it is a bug."""
    match error:
        case LstmgenError():
            return f"error: {error}", error.exit_code
        case _Terminated():
            return f"ended by {error.name}", 128 + error.number
        case KeyboardInterrupt():
            return "interrupted", INTERRUPTED
        case OSError(filename=None) if "temporary directory" in str(error):  # of tempfile
            return f"error: {NO_TEMPORARY_FOLDER}", 1
        case OSError(filename=None):
            return f"error: {error.strerror or error}", 1
        case OSError():
            return f"error: {error.filename}: {error.strerror or error}", 1
        case RuntimeError() if "memory" not in str(error):
            return "", 1
    return (
        "error: there is not enough memory. Lower model.hidden_sizes, model.embedding_dim, "
        "train.batch_size, train.window or data.vocabulary_size"
    ), 1


def drop_stdout() -> None:
    """Redirect a closed stdout to /dev/null, since the interpreter flushes it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


_C1 = {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}


def write_text(text: str) -> None:
    """Write a part of a text to stdout.

    On a terminal, U+0080 to U+009F are escaped: some terminals would obey them, and a text that
    was read in the wrong encoding has them.
    """
    sys.stdout.write(text.translate(_C1) if sys.stdout.isatty() else text)


def write_line(text: object) -> None:
    """Write a line to stdout, with control characters escaped on a terminal."""
    typer.echo(printable(text) if sys.stdout.isatty() else text)


def warn(text: str) -> None:
    """Print a line on stderr, with control characters escaped."""
    with suppress(OSError):  # a full disk, where nothing can be said
        print(printable(text), file=sys.stderr)
