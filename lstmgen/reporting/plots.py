"""Plots of a run."""

import functools
import logging
import math
import os
import re
import warnings
from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from lstmgen.errors import NO_TEMPORARY_FOLDER, StorageError, UsageError, printable
from lstmgen.reporting import number_format
from lstmgen.runs.records import Row, training_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")
INK, TRAIN, VALID, QUIET = "#333333", "#8a9bb0", "#c44e2b", "#999999"
BASELINES = (("#555555", "--"), ("#2a7f7f", ":"))  # color and line style
# Of curves: those of Okabe and Ito, which color-blind readers can tell apart, but for the yellow.
COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f")
STYLES = ("-", "--", "-.", ":", (0, (6, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (10, 4)))
MIN_TICKS, MAX_TICKS = 3, 14  # on the axis of perplexities


def own_settings(draw: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that draws, so that no setting of the user's changes its picture.

    A notebook sets ``MPLBACKEND``, and a matplotlibrc may want LaTeX.
    """

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        matplotlib = _import_matplotlib()
        defaults = matplotlib.rcParamsDefault
        with matplotlib.rc_context({k: v for k, v in defaults.items() if "backend" not in k}):
            return draw(*args, **kwargs)

    return wrapped


def _import_matplotlib() -> Any:
    """The plotting library, whatever backend the environment names: a figure needs none.

    Raises:
        StorageError: if there is no folder for its cache.
    """
    # It warns where its cache folder cannot be written, and works with a temporary one.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    except OSError:
        raise StorageError(NO_TEMPORARY_FOLDER) from None
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return matplotlib


@own_settings
def draw_losses(rows: list[Row], path: Path, *, title: str, baselines: Mapping[str, float]) -> bool:
    """Draw the training and validation loss by step; return False if there is too little.

    Args:
        rows: of metrics.csv.
        baselines: perplexities by name; those that are not finite are skipped.
    """
    train = training_curve(rows)
    valid = [
        (step, nats)
        for step, nats in ((row["step"], row["valid_nats"]) for row in rows)
        if step is not None and nats is not None and math.isfinite(nats)
    ]
    if len(train) < 2:
        return False
    figure = new_figure(8, 4.8)
    axes = figure.subplots()
    label = "training (with dropout)"
    axes.plot(*zip(*train, strict=True), color=TRAIN, linewidth=1.5, label=label)
    if valid:
        _draw_validation(axes, valid)
    _draw_baselines(axes, baselines)
    label_losses(axes)
    _add_perplexities(axes)
    # Below the axes, where no label lies on a curve, a line or another label.
    figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=9)
    add_title(figure, title)
    path.parent.mkdir(exist_ok=True)
    save_figure(figure, path)
    return True


def _draw_validation(axes: "Axes", valid: list[tuple[float, float]]) -> None:
    """Draw the validation loss, with a ring around the best evaluation."""
    axes.plot(*zip(*valid, strict=True), color=VALID, linewidth=2, marker="o", markersize=4,
              label="validation")  # fmt: skip
    step, best = min(valid, key=lambda point: (point[1], point[0]))
    label = f"best: perplexity {number_format.perplexity_of(best)} at step {step:,.0f}"
    axes.plot(step, best, color=VALID, linestyle="none", marker="o", markersize=10,
              fillstyle="none", label=label)  # fmt: skip


def _draw_baselines(axes: "Axes", baselines: Mapping[str, float]) -> None:
    """Draw a line for each perplexity, in a style of its own."""
    known = [(name, value) for name, value in baselines.items() if math.isfinite(value)]
    for (name, value), (color, style) in zip(known, cycle(BASELINES), strict=False):
        label = f"{name}: perplexity {number_format.perplexity(value)}"
        axes.axhline(
            math.log(value), color=color, linewidth=1.5, linestyle=style, label=label, zorder=1
        )


def add_title(figure: "Figure", text: str, *, size: float = 12) -> None:
    """Add a title at the left, wrapped to the figure's width."""
    width = 72 * figure.get_figwidth() - 4 * size
    lines = wrap_text(printable(text), width=width, size=size)
    left = 1.5 * size / (72 * figure.get_figwidth())
    figure.suptitle("\n".join(lines), x=left, ha="left", fontsize=size, color=INK, parse_math=False)


def wrap_text(text: str, *, width: float, size: float) -> list[str]:
    """Break a text into lines: after a space or a slash, and within a word that is too long.

    Args:
        width: of a line, in points.
        size: of the font, in points.
    """
    lines = [""]
    for piece in re.findall(r"[^\s/]*(?:/|\s+|$)", text):
        if _text_width(lines[-1] + piece.rstrip(), size) <= width:
            lines[-1] += piece
            continue
        lines.append("")
        for character in piece:
            if _text_width(lines[-1] + character.rstrip(), size) > width:
                lines.append("")
            lines[-1] += character
    return [line.strip() for line in lines if line.strip()]


def _text_width(text: str, size: float) -> float:
    """The width of a text in the default font, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    if not text:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # characters that the font lacks
        width, _, _ = text_to_path.get_text_width_height_descent(
            text, FontProperties(size=size), ismath=False
        )
    return float(width)


def label_losses(axes: "Axes") -> None:
    """The labels, limits and grid of losses by step."""
    axes.set_xlabel("step")
    axes.set_ylabel("nats per word")
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee")


def new_figure(width: float, height: float) -> "Figure":
    """A figure, sized in inches, without a window.

    Raises:
        StorageError: if there is no folder for the plotting library's cache.
    """
    _import_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def check_file_type(path: Path) -> None:
    """Check the name of a picture.

    Raises:
        UsageError: if the file type is unknown.
    """
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise UsageError(f"--svg {printable(path)}: name a file that ends in .svg, .png or .pdf")


def save_figure(figure: "Figure", path: Path) -> None:
    """Save a figure; equal figures give equal bytes."""
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "lstmgen"}):
        warnings.simplefilter("ignore")  # characters that the font lacks
        kind = path.suffix[1:].lower()
        figure.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else None)


def _add_perplexities(axes: "Axes") -> None:
    """A second axis on the right, in perplexity."""
    perplexities = axes.secondary_yaxis("right")
    ticks = perplexity_ticks(*axes.get_ylim())
    labels = [f"{tick:,.0f}" if tick >= 10 else f"{tick:g}" for tick in ticks]
    perplexities.set_yticks([math.log(tick) for tick in ticks], labels)
    perplexities.set_ylabel("perplexity")
    perplexities.spines["right"].set_visible(False)


def perplexity_ticks(low: float, high: float) -> list[float]:
    """Round perplexities between two losses in nats: 1, 2 and 5, or more if those are few."""
    powers = range(max(0, math.floor(low / math.log(10))), math.ceil(high / math.log(10)) + 1)
    ticks: list[float] = []
    for leading in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), [1 + place / 10 for place in range(90)]):
        candidates = [first * 10.0**power for power in powers for first in leading]
        ticks = [tick for tick in candidates if low <= math.log(tick) <= high]
        if len(ticks) >= MIN_TICKS:
            break
    return ticks[:: 1 + len(ticks) // MAX_TICKS]
