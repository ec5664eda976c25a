"""Plots of a run."""

import logging
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lstmgen.errors import NO_TEMPORARY_FOLDER, StorageError, printable
from lstmgen.reporting import number_format
from lstmgen.runs.records import Row, training_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, TRAIN, VALID, QUIET = "#333333", "#8a9bb0", "#c44e2b", "#999999"


def draw_losses(rows: list[Row], path: Path, *, title: str, baselines: Mapping[str, float]) -> bool:
    """Draw the training and validation loss by step; return False if there is too little.

    Args:
        rows: of metrics.csv.
        baselines: perplexities by name; NaN values are skipped.
    """
    train = training_curve(rows)
    valid = [(r["step"], r["valid_nats"]) for r in rows if r["valid_nats"] is not None]
    if len(train) < 2:
        return False
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    axes.plot(
        *zip(*train, strict=True), color=TRAIN, linewidth=1.5, label="training (with dropout)"
    )
    if valid:
        axes.plot(*zip(*valid, strict=True), color=VALID, linewidth=2, marker="o", markersize=4,
                  label="validation")  # fmt: skip
        step, best = min(valid, key=lambda point: (point[1] or 0.0, point[0] or 0.0))
        axes.annotate(
            f"best: perplexity {number_format.perplexity_of(best or 0.0)}",
            (step or 0.0, best or 0.0),
            textcoords="offset points",
            xytext=(0, 12),
            ha="right",
            color=VALID,
        )
    for name, value in baselines.items():
        if math.isnan(value):
            continue
        axes.axhline(math.log(value), color=QUIET, linewidth=1, linestyle="--")
        axes.annotate(
            f"{name}, {number_format.perplexity(value)}",
            (0.99, math.log(value)),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            xytext=(0, 4),
            ha="right",
            color=QUIET,
        )
    axes.set_xlabel("step")
    axes.set_ylabel("nats per word")
    axes.set_xlim(left=0)
    axes.set_title(printable(title), loc="left", color=INK, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee")
    _add_perplexities(axes)
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.92))
    path.parent.mkdir(exist_ok=True)
    save_figure(figure, path)
    return True


def new_figure(width: float, height: float) -> "Figure":
    """A figure, sized in inches, without a window.

    Raises:
        StorageError: if there is no folder for the plotting library's cache.
    """
    # It warns where its cache folder cannot be written, and works with a temporary one.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        from matplotlib.figure import Figure
    except OSError:
        raise StorageError(NO_TEMPORARY_FOLDER) from None
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


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
    low, high = axes.get_ylim()
    ticks = [p for p in (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000)
             if low <= math.log(p) <= high]  # fmt: skip
    perplexities.set_yticks([math.log(p) for p in ticks], [f"{p:,}" for p in ticks])
    perplexities.set_ylabel("perplexity")
    perplexities.spines["right"].set_visible(False)
