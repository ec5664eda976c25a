"""Reading lines from a terminal, and fitting text to its width.

Prompts, echo and everything else that is shown go to stderr; stdout is for the product.
"""

import contextlib
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence

from lstmgen.errors import printable

_MARKS = str.maketrans({"\n": "¶", "\t": " "})


def is_interactive() -> bool:
    """Whether a person types the lines and sees what is shown."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def read_line(prompt: str) -> str | None:
    """The next line of standard input, without its line end; None at the end.

    On a terminal there is a prompt, and line editing and a history where Python has readline.
    """
    if not is_interactive():
        line = sys.stdin.readline() if sys.stdin is not None else ""
        return line.rstrip("\r\n") if line else None
    with _stdout_to_stderr():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 (extends input)
        try:
            return input(prompt)
        except EOFError:
            print(file=sys.stderr)  # end the line of the prompt
            return None
        except KeyboardInterrupt:
            print(file=sys.stderr)
            raise


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr, for readline, which always prints to stdout."""
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def terminal_columns() -> int:
    """The width of the terminal that shows stderr, else 80."""
    with contextlib.suppress(OSError, ValueError):
        columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(2).columns
        return max(columns, 20) if columns else 80
    return 80


def output_columns() -> int | None:
    """The width of the terminal that shows stdout; None for a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def on_one_line(text: str) -> str:
    """A text with its line ends shown as ¶ and its control characters escaped."""
    return printable(text.translate(_MARKS))


def fit_tail(text: str, *, columns: int) -> str:
    """The end of a text on one line; if it is cut, between words if possible, it begins with …."""
    shown = on_one_line(text[-4 * columns :])  # characters may take no column
    room, start = columns - 3, len(shown)
    if len(text) <= 4 * columns and _width(shown) <= columns:
        return shown
    while start and _width(shown[start - 1]) <= room:
        start -= 1
        room -= _width(shown[start])
    kept = shown[start:]
    boundary = re.search("[ ¶]", shown[max(0, start - 1) :])
    if boundary is None or boundary.start() > len(kept) // 2:  # a script without spaces
        return "…" + kept
    return "… " + shown[max(0, start - 1) + boundary.start() :].lstrip(" ")


def wrap(items: Sequence[str], *, columns: int, separator: str = " ", indent: str = "") -> str:
    """Items on as many lines as needed; an item is never broken.

    Args:
        indent: of all lines but the first.
    """
    lines = [items[0]] if items else [""]
    for item in items[1:]:
        longer = lines[-1] + separator + item
        if _width(longer) <= columns:
            lines[-1] = longer
        else:
            lines.append(indent + item)
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns that a text takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
