"""Reading text files strictly, in blocks of bounded size.

Texts must be UTF-8 (or UTF-16 with a byte order mark): guessing another encoding would silently
put wrong words into the model. Text is normalized: line ends become ``\\n``, control characters
other than newline and tab are removed, and the rest is NFC.
"""

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from lstmgen.errors import DataError, printable

BLOCK = 1 << 20  # characters read at a time

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Cuts that split neither a token nor a composed character, best first: after a line end, before
# a single space, between two characters of a script without spaces. (Nothing composes with a
# line end, a space or an ideograph before it.)
_SOLID = r"[^\s\x00-\x1f\x7f-\x9f]"
_CUTS = (
    re.compile(rf"\n(?={_SOLID})"),
    re.compile(rf"(?<={_SOLID})(?= {_SOLID})"),
    re.compile(r"(?<=[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff])(?=[\u4e00-\u9fff])"),
)


def normalize(text: str, *, lowercase: bool = False) -> str:
    """Convert a text to the form in which it is tokenized (see the module)."""
    text = remove_control(text)
    if text.isascii():
        return text.lower() if lowercase else text
    if lowercase:
        text = text.lower()
    return unicodedata.normalize("NFC", text)


def encodable(text: str) -> bool:
    """Whether a text has no lone surrogates, as from invalid bytes on a command line."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def remove_control(text: str) -> str:
    """Convert line ends to ``\\n`` and remove other control characters except tabs."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def count_control(text: str) -> int:
    """Number of control characters that ``normalize`` removes."""
    return len(_CONTROL.findall(text.replace("\r", "")))


def read_blocks(path: Path, *, block: int = BLOCK, name: str = "") -> Iterator[str]:
    """Read a file in blocks that split no token and no character.

    The blocks joined are the file's text, with line ends already ``\\n``; each can be
    normalized and tokenized by itself.

    Args:
        block: characters read at a time.
        name: what to call the file in messages (default: its path).

    Raises:
        DataError: names the file, line and byte that is not UTF-8.
    """
    with path.open("rb") as raw:
        utf16 = raw.read(2) in (b"\xff\xfe", b"\xfe\xff")
    encoding, name = "utf-16" if utf16 else "utf-8-sig", name or printable(path)
    pending = ""
    try:
        with path.open(encoding=encoding, errors="strict", newline=None) as file:
            while True:
                read = file.read(block)
                if "\0" in read:
                    raise DataError(f"{name}: holds NUL bytes, so it is not a text")
                pending += read
                if not read:
                    break
                cut = _last_cut(pending)
                if cut:
                    yield pending[:cut]
                    pending = pending[cut:]
    except UnicodeError as error:
        bad_byte = isinstance(error, UnicodeDecodeError) and not utf16
        why = _describe_undecodable(path) if bad_byte else "is not complete UTF-16 text"
        raise DataError(f"{name}: {why}") from None
    if pending:
        yield pending


def _last_cut(text: str) -> int:
    """The last place to cut a text safely, else 0."""
    for pattern in _CUTS:
        window = 4096
        while True:
            start = max(0, len(text) - window)
            ends = [match.end() for match in pattern.finditer(text, start)]
            if ends and ends[-1] < len(text):
                return ends[-1]
            if start == 0:
                break
            window *= 16
    return 0


def _describe_undecodable(path: Path) -> str:
    """Find the first bad byte again, now with its line number."""
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return (
                    f"line {number}: byte 0x{byte:02x} at offset "
                    f"{offset + error.start} is not UTF-8. Save the file as UTF-8"
                )
            offset += len(line)
    return "is not UTF-8"
