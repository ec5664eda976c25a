"""How a command ends: one message on stderr and an exit code."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from lstmgen.errors import LstmgenError, printable

P = ParamSpec("P")
CLOSED_PIPE = 141  # 128 + SIGPIPE, as shells report it
INTERRUPTED = 130


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Decorate a command so that errors become one message and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except LstmgenError as error:
            warn(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            drop_stdout()
            raise typer.Exit(CLOSED_PIPE) from None
        except OSError as error:
            name = error.filename if error.filename is not None else "a file"
            warn(f"error: {name}: {error.strerror or error}")
            raise typer.Exit(1) from None
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            warn(
                "error: there is not enough memory. Lower model.hidden_sizes, model.embedding_dim, "
                "train.batch_size, train.window or data.vocabulary_size"
            )
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            warn("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    return wrapped


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


def warn(text: str) -> None:
    """Print a line on stderr, with control characters escaped."""
    print(printable(text), file=sys.stderr)
