"""Characters that stdout and stderr do not print as they are.

What the encoding of a stream lacks is printed as ?, and noted. A terminal is not sent the
characters that reorder the text around them (U+202A to U+202E, U+2066 to U+2069), by which a word
of somebody else's model could make a line look like another; files and pipes are. Joiners and
direction marks, which Persian, Hebrew and emoji need, are printed everywhere.
"""

import codecs
import io
import sys
from collections.abc import Callable

_REORDERING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_replaced: dict[str, str] = {}  # the encoding of each stream on which a character was replaced


def replace_unencodable() -> None:
    """Print ? for characters that stdout or stderr cannot encode, and remember that."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            codecs.register_error(f"lstmgen.{name}", _handler(name, stream.encoding))
            stream.reconfigure(errors=f"lstmgen.{name}")


def drop_reordering() -> None:
    """Leave out of what is printed on a terminal the characters that reorder text."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            encoding, errors = stream.encoding, stream.errors
            plain = _Terminal(stream.detach(), encoding, errors, line_buffering=True)
            setattr(sys, name, plain)


class _Terminal(io.TextIOWrapper):
    def write(self, text: str) -> int:
        return super().write(text.translate(_REORDERING))


def take_note() -> str:
    """What was replaced since the last call, and the way out; empty: nothing."""
    parts = [f"{name} ({encoding})" for name, encoding in sorted(_replaced.items(), reverse=True)]
    _replaced.clear()
    if not parts:
        return ""
    return (
        f"note: {' and '.join(parts)} cannot hold some characters, which were printed as ?. "
        "Set PYTHONIOENCODING=utf-8"
    )


def _handler(name: str, encoding: str) -> Callable[[UnicodeError], tuple[str | bytes, int]]:
    def replace(error: UnicodeError) -> tuple[str | bytes, int]:
        if not encoding.lower().startswith("utf"):  # which lacks nothing but halves of characters
            _replaced[name] = encoding
        return codecs.replace_errors(error)

    return replace
