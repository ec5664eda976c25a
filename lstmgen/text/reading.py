"""Reading text files strictly, in blocks of bounded size.

Texts must be UTF-8 (or UTF-16 with a byte order mark) or name their encoding: guessing one would
silently put wrong words into the model. Text is normalized: all line ends (those of
``str.splitlines``) become ``\\n``, control characters are removed, and the rest is NFC.
"""

import codecs
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from lstmgen.config.schema import Lowercase
from lstmgen.errors import DataError
from lstmgen.text.encodings import SAMPLE, EncodingError, EncodingProblem, guess_encoding

DOTLESS = 0.1  # of all small i, from which a text is Turkish or Azeri
BLOCK = 1 << 20  # characters read at a time

MAX_MARKS = 30  # combining marks in a row
GRAPHEME_JOINER = "\u034f"  # invisible, not reordered with marks
# Where there may be more: marks are no ASCII, no Latin or ideographic letters.
_MANY_MARKS = re.compile(f"[^\x00-\u02ff\u3400-\u9fff\uac00-\ud7a3]{{{MAX_MARKS + 1},}}")

_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_CONTROLS = "\x00-\x08\x0e-\x1b\x1f\x7f\ufeff"  # with the byte order mark
_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_IN_WORD = re.compile(rf"(?<=[^\s{_CONTROLS}])[{_CONTROLS}]+(?=[^\s{_CONTROLS}])")
# Characters that UTF-8 text has only if Windows-1252 was once read as Latin-1.
_MISREAD = re.compile("[\x80-\x84\x86-\x9f]")
# Cuts that split neither a token nor a composed character, best first: after a line end, before
# a single space, between two characters of a script without spaces. (Nothing composes with a
# line end, a space or an ideograph before it.)
_SOLID = r"[^\s\x00-\x1f\x7f-\x9f]"
_CUTS = (
    re.compile(rf"\n(?={_SOLID})"),
    re.compile(rf"(?<={_SOLID})(?= {_SOLID})"),
    re.compile(r"(?<=[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff])(?=[\u4e00-\u9fff])"),
)


def normalize(text: str, *, lowercase: Lowercase = False) -> str:
    """Convert a text to the form in which it is tokenized (see the module)."""
    text = remove_control(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", _split_marks(text))
    if not lowercase:
        return text
    if lowercase == "turkish":
        text = text.replace("I", "ı")
    text = text.replace("İ", "i").lower()  # not i with a second dot
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _split_marks(text: str) -> str:
    """Put a joiner after each 30 combining marks in a row (UAX 15, Stream-Safe Text Format).

    Normalization sorts such a run, in quadratic time, and no signal interrupts it.
    """
    return _MANY_MARKS.sub(lambda run: _split_run(run[0]), text)


def _split_run(characters: str) -> str:
    marks, result = 0, []
    for character in characters:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MAX_MARKS:
            result.append(GRAPHEME_JOINER)
            marks = 1
        result.append(character)
    return "".join(result)


def is_turkish(texts: Iterable[str]) -> bool:
    """Whether a text has the dotless i of Turkish and Azeri as often as these languages do."""
    dotted = dotless = 0
    for text in texts:
        dotted, dotless = dotted + text.count("i"), dotless + text.count("ı")
    return dotless > DOTLESS * (dotted + dotless)


def remove_control(text: str) -> str:
    """Convert line ends to ``\\n`` and remove other control characters except tabs.

    Between two other characters a space replaces them, so that no two words become one.
    Characters of U+0080 to U+009F, except the line end U+0085, are kept.
    """
    text = _LINE_END.sub("\n", text)
    if _CONTROL.search(text) is None:
        return text
    return _CONTROL.sub("", _CONTROL_IN_WORD.sub(" ", text))


def count_control(text: str) -> int:
    """Number of control characters that ``normalize`` removes."""
    return len(_CONTROL.findall(text))


def find_misread(text: str) -> tuple[int, str]:
    """Number of characters in U+0080 to U+009F, and the first word with one."""
    first = _MISREAD.search(text)
    if first is None:
        return 0, ""
    word = re.compile(r"\S*").match(text, max(text.rfind(" ", 0, first.start()) + 1, 0))
    return len(_MISREAD.findall(text)), word[0][:40] if word else ""


def read_blocks(path: Path, *, block: int = BLOCK, encoding: str | None = None) -> Iterator[str]:
    """Read a file in blocks that split no token and no character.

    The blocks joined are the file's text, with line ends already ``\\n``; each can be
    normalized and tokenized by itself.

    Args:
        block: bytes read at a time.
        encoding: of a file that is neither UTF-8 nor UTF-16 with a byte order mark.

    Raises:
        EncodingError: names the file, line and byte that is not UTF-8.
        DataError: it is no text.
    """
    codec = _find_codec(path, encoding)
    try:
        with path.open("rb") as file:
            yield from _cut(_decode(file, codec, block))
    except ValueError:
        problem = find_problem(path, encoding)
        raise EncodingError([problem or EncodingProblem(path, _NUL, None)]) from None


def read_stream(stream: IO[bytes], *, block: int = BLOCK, name: str) -> Iterator[str]:
    """Read a stream, such as standard input, as ``read_blocks`` reads a file."""
    first = stream.read(2)
    codec = "utf-16" if first in _UTF_16_MARKS else "utf-8-sig"
    try:
        yield from _cut(_decode(stream, codec, block, first=first))
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        why = _HALF_UTF_16 if codec == "utf-16" else f"byte 0x{byte:02x} is not UTF-8"
        raise DataError(f"{name}: {why}") from None
    except ValueError:
        raise DataError(f"{name}: {_NUL}") from None


def find_problem(path: Path, encoding: str | None) -> EncodingProblem | None:
    """Why a file cannot be read as text; None if it can be."""
    codec = _find_codec(path, encoding)
    try:
        with path.open("rb") as file:
            for _ in _decode(file, codec, BLOCK):
                pass
    except UnicodeDecodeError:
        return _locate_problem(path, codec)
    except ValueError:
        with path.open("rb") as file:
            return EncodingProblem(path, _NUL, guess_encoding(file.read(SAMPLE)))
    return None


_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_HALF_UTF_16 = "is not complete UTF-16 text"
_NUL = "holds NUL bytes, so it is not a text"


def _decode(stream: IO[bytes], codec: str, block: int, *, first: bytes = b"") -> Iterator[str]:
    """The decoded parts of a stream; a ValueError if one has a NUL or cannot be decoded."""
    bytes_to_text = codecs.getincrementaldecoder(codec)()
    decoder = io.IncrementalNewlineDecoder(bytes_to_text, translate=True)
    part = first or stream.read(block)
    while part:
        text = decoder.decode(part)
        if "\0" in text:
            raise ValueError(_NUL)
        yield text
        part = stream.read(block)
    yield decoder.decode(b"", final=True)


def _cut(parts: Iterator[str]) -> Iterator[str]:
    """Cut the parts of a text where neither a token nor a character is split."""
    pending = ""
    for part in parts:
        pending += part
        cut = safe_cut(pending) if part else 0
        if cut:
            yield pending[:cut]
            pending = pending[cut:]
    if pending:
        yield pending


def safe_cut(text: str) -> int:
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


def _find_codec(path: Path, encoding: str | None) -> str:
    with path.open("rb") as file:
        if file.read(2) in _UTF_16_MARKS:
            return "utf-16"
    return "utf-8-sig" if encoding is None or _is_utf8(path) else encoding


def _is_utf8(path: Path) -> bool:
    """Whether a file is UTF-8 with characters beyond ASCII, which no other encoding looks like."""
    decoder, is_ascii = codecs.getincrementaldecoder("utf-8")(), True
    with path.open("rb") as file:
        try:
            while part := file.read(BLOCK):
                is_ascii = is_ascii and part.isascii()
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return not is_ascii


def _locate_problem(path: Path, codec: str) -> EncodingProblem:
    """The first byte of a file that cannot be decoded, by its line."""
    if codec != "utf-8-sig":
        why = _HALF_UTF_16 if codec == "utf-16" else f"is not {codec} text"
        return EncodingProblem(path, why, None)
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte, offset = line[error.start], offset + error.start
                why = f"line {number}: byte 0x{byte:02x} at offset {offset} is not UTF-8"
                file.seek(max(0, offset - SAMPLE // 2))
                return EncodingProblem(path, why, guess_encoding(file.read(SAMPLE)))
            offset += len(line)
    return EncodingProblem(path, "is not UTF-8", None)
