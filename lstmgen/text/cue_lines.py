"""The lines of a file of cues, read one at a time."""

from collections.abc import Iterator
from typing import IO, NamedTuple

from lstmgen.errors import DataError

MAX_BYTES = 1 << 20  # of a line
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class CueLine(NamedTuple):
    """A line of a file, without its line end."""

    number: int  # from 1
    text: str


def read_cue_lines(stream: IO[bytes], *, name: str) -> Iterator[CueLine]:
    """Read a stream line by line, so that memory does not grow with its length.

    Args:
        name: of the stream, for messages.

    Raises:
        DataError: names the line that is not UTF-8, no text, or too long.
    """
    number = 0
    while line := stream.readline(MAX_BYTES + 1):
        number += 1
        if number == 1 and line.startswith(_UTF_16_MARKS):
            raise DataError(f"{name}: is UTF-16. Save it as UTF-8")
        place = f"{name}: line {number}"
        if len(line) > MAX_BYTES:
            raise DataError(
                f"{place}: is longer than {MAX_BYTES:,} bytes. Write one cue a line; a single "
                "cue of any length can be piped in without --cues"
            )
        if b"\0" in line:
            raise DataError(f"{place}: holds NUL bytes, so it is not a text")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(f"{place}: byte 0x{byte:02x} is not UTF-8. Save it as UTF-8") from None
        yield CueLine(number, text.removesuffix("\n").removesuffix("\r"))
