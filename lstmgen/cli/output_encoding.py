"""Characters that the encoding of stdout or stderr lacks: printed as ?, and noted."""

import codecs
import io
import sys
from collections.abc import Callable

_replaced: dict[str, str] = {}  # the encoding of each stream on which a character was replaced


def replace_unencodable() -> None:
    """Print ? for characters that stdout or stderr cannot encode, and remember that."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            codecs.register_error(f"lstmgen.{name}", _handler(name, stream.encoding))
            stream.reconfigure(errors=f"lstmgen.{name}")


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
