"""Tables as text and as Markdown; their cells may hold untrusted text."""

import re
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from lstmgen.errors import printable

GAP = "  "  # between two columns
MIN_VALUE = 8  # columns of a value below its heading
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#+!|~&$])")


@dataclass(frozen=True)
class Table:
    """Rows of text under headings.

    Attributes:
        right: numbers of the columns that are aligned to the right.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


def one_line(text: str) -> str:
    """A text without control characters and line ends."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def plain_table(table: Table, *, columns: int | None) -> str:
    """Aligned columns; if they do not fit, with the first one on lines of its own, else blocks.

    Args:
        columns: of the terminal; None is any number.
    """
    rows = [[one_line(cell) for cell in row] for row in (table.headings, *table.rows)]
    whole = _align(rows, table.right)
    if columns is None or _width(whole) <= columns:
        return "\n".join(whole)
    rest = _align([row[1:] for row in rows], frozenset(place - 1 for place in table.right))
    folded = [[row[0], GAP + line] for row, line in zip(rows, rest, strict=True)]
    if max(map(_width, folded)) <= columns:
        return "\n".join(line for lines in folded for line in lines)
    return "\n".join(_block(rows[0], row, columns=columns) for row in rows[1:])


def _width(lines: list[str]) -> int:
    return max(map(cell_len, lines))


def _align(rows: list[list[str]], right: frozenset[int]) -> list[str]:
    """A line for each row."""
    widths = [_width(list(column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            _pad(cell, width, right=place in right)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(GAP.join(cells).rstrip())
    return lines


def _pad(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space


def _block(headings: list[str], row: list[str], *, columns: int) -> str:
    """The first cell on a line of its own, and the others below it with their headings."""
    lines = _wrap(row[0], columns)
    label = max(map(cell_len, headings[1:]), default=0)
    beside = columns - label - 2 * len(GAP) >= MIN_VALUE
    for heading, cell in zip(headings[1:], row[1:], strict=True):
        if not beside:
            lines += [f"{GAP}{part}" for part in _wrap(f"{heading}: {cell}", columns - len(GAP))]
            continue
        start = GAP + _pad(heading, label, right=False) + GAP
        parts = _wrap(cell, columns - cell_len(start))
        lines += [start + parts[0], *(" " * cell_len(start) + part for part in parts[1:])]
    return "\n".join(line.rstrip() for line in lines)


def _wrap(text: str, columns: int) -> list[str]:
    """Lines of at most ``columns``, broken at spaces, and within a word that is longer."""
    width, lines = max(columns, 2), [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        parts = chop_cells(word, width)
        lines = [*([] if lines == [""] else lines), *parts]
    return lines


def markdown_table(table: Table) -> str:
    """A table of GitHub-flavored Markdown, in which no cell is more than text."""
    rule = ["---:" if place in table.right else "---" for place in range(len(table.headings))]
    rows = [_escape(table.headings), rule, *(_escape(row) for row in table.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _escape(row: tuple[str, ...]) -> list[str]:
    return [_MARKDOWN.sub(r"\\\1", one_line(cell)) for cell in row]
