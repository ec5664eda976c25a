"""Heat maps in the terminal: colors where it has them, else shades.

Without color, positive values are blocks and negative ones are strokes; both get denser with the
distance from zero.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.cells import set_cell_size
from rich.style import Style
from rich.text import Text

WORD, GAP = 12, 2  # columns
MIN_UNITS = 8  # columns of a panel; narrower ones are printed below each other
POSITIVE, NEGATIVE = " ░▒▓█", " ·-=≡"  # from 0 to 1 and to -1

Color = tuple[int, int, int]
# Safe for color-blind readers: white to blue, and orange over white to violet.
GATE_COLORS: tuple[Color, ...] = ((247, 247, 247), (8, 48, 107))
SIGNED_COLORS: tuple[Color, ...] = ((179, 88, 6), (247, 247, 247), (84, 39, 136))


class Panel(NamedTuple):
    """One panel of a heat map."""

    title: str  # of a column in the terminal
    heading: str  # of a picture, on two lines: what is shown, and what that does
    values: Any  # (words, units)
    signed: bool  # in (-1, 1), not in (0, 1)


def units_that_fit(panels: int, *, width: int) -> int:
    """How many units fit into each of some panels.

    Args:
        width: of the terminal, in columns. If it is too small for all panels side by side at
            ``MIN_UNITS`` each, some are printed below the others.
    """
    room = width - WORD
    beside = max(1, min(panels, room // (MIN_UNITS + GAP)))
    return max(1, room // beside - GAP)


def heat_map(words: Sequence[str], panels: Sequence[Panel], *, width: int, color: bool) -> Text:
    """The key and the panels, words down and units across, as many side by side as fit.

    Args:
        words: labels of the rows.
        width: of the terminal, in columns; a wider panel is continued below.
        color: on a colored background, not as shades.
    """
    page = _key(panels, color=color)
    for band in _bands(panels, room=max(GAP + 1, width - WORD)):
        page.append("\n\n" + " " * WORD)
        columns = [_columns(panel) for panel in band]
        for panel, count in zip(band, columns, strict=True):
            page.append(" " * GAP + set_cell_size(panel.title, count))
        for row, word in enumerate(words):
            page.append("\n" + set_cell_size(word, WORD))
            for panel, count in zip(band, columns, strict=True):
                page.append(" " * GAP)
                for value in panel.values[row]:
                    page.append(*_cell(float(value), signed=panel.signed, color=color))
                page.append(" " * (count - panel.values.shape[1]))
    page.append("\n")
    return page


def _bands(panels: Sequence[Panel], *, room: int) -> list[list[Panel]]:
    """Cut panels that are too wide, and put as many side by side as fit."""
    bands: list[list[Panel]] = [[]]
    left = room
    for panel in panels:
        for first in range(0, panel.values.shape[1], room - GAP):
            part = panel._replace(
                values=panel.values[:, first : first + room - GAP],
                title=panel.title[: room - GAP],
            )
            if _columns(part) + GAP > left and bands[-1]:
                bands.append([])
                left = room
            bands[-1].append(part)
            left -= _columns(part) + GAP
    return bands


def _columns(panel: Panel) -> int:
    return max(len(panel.title), int(panel.values.shape[1]))


def _key(panels: Sequence[Panel], *, color: bool) -> Text:
    """What the cells mean, in one line."""
    page = Text("key: ")
    if not color:
        page.append(f"-1 |{NEGATIVE[:0:-1]}{POSITIVE}| 1")
        return page
    for signed, label in ((False, "gates 0 "), (True, "states -1 ")):
        if any(panel.signed == signed for panel in panels):
            page.append(label)
            for value in (-1, -0.5, 0, 0.5, 1) if signed else (0, 0.25, 0.5, 0.75, 1):
                page.append(*_cell(value, signed=signed, color=True))
            page.append(" 1  ")
    page.rstrip()
    return page


def _cell(value: float, *, signed: bool, color: bool) -> tuple[str, Style | str]:
    """One value: a character and its style."""
    if not color:
        shades = NEGATIVE if value < 0 else POSITIVE
        return shades[min(len(shades) - 1, round(abs(value) * (len(shades) - 1)))], ""
    fraction = (value + 1) / 2 if signed else value
    shade = interpolate(SIGNED_COLORS if signed else GATE_COLORS, fraction)
    return " ", Style(bgcolor="rgb({},{},{})".format(*shade))


def background(color: Color) -> Style:
    """Readable text on a background color."""
    front = "black" if sum(color) > 384 else "white"
    return Style(color=front, bgcolor="rgb({},{},{})".format(*color))


def interpolate(colors: Sequence[Color], fraction: float) -> Color:
    """The color at a fraction, clipped to 0..1, of the way from the first to the last one."""
    place = min(1.0, max(0.0, fraction)) * (len(colors) - 1)
    step = min(int(place), len(colors) - 2)
    a, b = colors[step], colors[step + 1]
    red, green, blue = (round(x + (y - x) * (place - step)) for x, y in zip(a, b, strict=True))
    return red, green, blue
