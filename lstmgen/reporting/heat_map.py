"""Panels of heat maps, and their cells in the terminal."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.style import Style

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


def heat_map_cell(value: float, *, signed: bool) -> tuple[str, Style]:
    """One value as a character on a colored background."""
    tenth = min(9, int(abs(value) * 10))
    character = "abcdefghij"[tenth] if value < 0 and tenth else str(tenth)
    color = (
        interpolate(SIGNED_COLORS, (value + 1) / 2) if signed else interpolate(GATE_COLORS, value)
    )
    return character, background(color)


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
