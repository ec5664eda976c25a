"""The documents of a file, as pieces of bounded size.

``data.documents`` says where they are separated: ``file`` (each file is one), ``line``,
``blank_line``, or else a marker, such as ``<|endoftext|>``. What separates them is not part of any
document: the marker, the line ends around it, and empty documents are dropped.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lstmgen.text.reading import safe_cut

_BLANK_LINE = re.compile(r"[^\S\n]*\n(?:[^\S\n]*\n)+")
_GUTENBERG = re.compile(r"\*\*\* ?(START|END) OF TH(?:E|IS) PROJECT GUTENBERG", re.IGNORECASE)
ENDOFTEXT = "<|endoftext|>"


class Piece(NamedTuple):
    """A part of a document."""

    text: str
    begins: bool  # whether a document begins with it
    lines: int = 0  # line ends of the file, dropped before it


def split_documents(blocks: Iterable[str], rule: str) -> Iterator[Piece]:
    """Split a file's text into its documents.

    Args:
        blocks: of normalized text, cut between tokens (``read_blocks``).
        rule: as ``data.documents``, a marker normalized like the text.
    """
    if rule == "file":
        yield Piece("", True)
        yield from (Piece(block, False) for block in blocks)
    elif rule == "line":
        yield from _split_lines(blocks)
    elif rule == "blank_line":
        yield from _split_at(blocks, _BLANK_LINE, marker="\n")
    else:
        pattern = re.compile(rf"\s*{re.escape(rule)}(?:[^\S\n]*\n+| )?")
        yield from _split_at(blocks, pattern, marker=rule)


class _Pieces:
    """Makes pieces of the text between separators, without the line ends at their start."""

    def __init__(self) -> None:
        self.begins, self.lines = True, 0

    def add(self, text: str) -> Iterator[Piece]:
        """Add a part of the current document."""
        if self.begins:
            stripped = text.lstrip("\n")
            self.lines += len(text) - len(stripped)
            text = stripped
        if text:
            yield Piece(text, self.begins, self.lines)
            self.begins, self.lines = False, 0

    def end(self, lines: int) -> None:
        """End the document; the separator has this number of line ends."""
        self.begins, self.lines = True, self.lines + lines


def _split_lines(blocks: Iterable[str]) -> Iterator[Piece]:
    pieces = _Pieces()
    for block in blocks:
        for number, line in enumerate(block.split("\n")):
            if number:
                pieces.end(1)
            if line.strip() or not pieces.begins:
                yield from pieces.add(line)


def _split_at(blocks: Iterable[str], separator: re.Pattern[str], *, marker: str) -> Iterator[Piece]:
    pieces, pending = _Pieces(), ""
    for block in blocks:
        pending += block
        place, incomplete = 0, len(pending)
        for match in separator.finditer(pending):
            if match.end() == len(pending):
                incomplete = match.start()  # it may be longer
                break
            yield from pieces.add(pending[place : match.start()])
            pieces.end(match[0].count("\n"))
            place = match.end()
        cut = safe_cut(pending[place : min(incomplete, _separator_start(pending, marker))])
        yield from pieces.add(pending[place : place + cut])
        pending = pending[place + cut :]
    yield from pieces.add(separator.sub("", pending).rstrip())


def _separator_start(text: str, marker: str) -> int:
    """Where a separator may begin that is not complete yet."""
    known = next((n for n in range(len(marker) - 1, 0, -1) if text.endswith(marker[:n])), 0)
    return len(text[: len(text) - known].rstrip())


class Body(NamedTuple):
    """A book of Project Gutenberg without its header and licence."""

    start: int  # in characters of the file
    end: int
    lines: int  # line ends of the file before it


def find_bodies(blocks: Iterable[str]) -> list[Body]:
    """Find the books between the marks of Project Gutenberg; without marks, the whole text.

    Text before an end mark is a book even if the start mark is missing.
    """
    bodies: list[Body] = []
    last_mark, body = "", None
    place = lines = 0
    for line in split_lines(blocks):
        mark = _GUTENBERG.search(line)
        if mark:
            kind = mark[1].upper()
            if body is not None and (last_mark == "START" or (not last_mark and kind == "END")):
                bodies.append(body)
            last_mark, body = kind, None
        elif line.strip():
            end = place + len(line)
            body = Body(place, end, lines) if body is None else body._replace(end=end)
        place, lines = place + len(line), lines + line.endswith("\n")
    if not last_mark:
        return [Body(0, place, 0)]
    return bodies if last_mark == "END" or body is None else [*bodies, body]


def cut_body(blocks: Iterable[str], body: Body) -> Iterator[str]:
    """The part of a file's text that is one book."""
    place = 0
    for block in blocks:
        part = block[max(0, body.start - place) : max(0, body.end - place)]
        if part:
            yield part
        place += len(block)


def has_gutenberg_mark(text: str) -> bool:
    """Whether a mark of Project Gutenberg stands in a text."""
    return _GUTENBERG.search(text) is not None


def split_lines(blocks: Iterable[str]) -> Iterator[str]:
    """The lines of a text, each with its line end."""
    pending = ""
    for block in blocks:
        *whole, pending = re.split(r"(?<=\n)", pending + block)
        yield from whole
    if pending:
        yield pending
