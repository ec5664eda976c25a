"""A picture of the losses of several runs."""

import math
from collections.abc import Sequence
from pathlib import Path

from lstmgen.errors import UsageError, printable
from lstmgen.reporting import number_format
from lstmgen.reporting.plots import (
    COLORS,
    STYLES,
    add_title,
    check_file_type,
    label_losses,
    new_figure,
    own_settings,
    save_figure,
)
from lstmgen.runs.comparison import Comparison
from lstmgen.runs.records import Row, training_curve

MAX_RUNS = len(COLORS)
MAX_NAME = 60  # characters of a run's name
TITLE = "Thick lines: validation. Thin lines: training, with dropout"


def check_plot(path: Path, *, runs: int) -> None:
    """Check that a picture of this number of runs can be drawn.

    Raises:
        UsageError: if the file type is unknown, its folder is missing, or the runs are too many.
    """
    check_file_type(path)
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError(f"--svg {printable(path)}: name a file in an existing folder")
    if runs > MAX_RUNS:
        raise UsageError(f"--svg draws at most {MAX_RUNS} runs, and these are {runs}. Name fewer")


@own_settings
def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Draw the validation and training losses by step, a color and a line style for each run.

    Raises:
        UsageError: if no run has two losses to draw a line through.
    """
    figure = new_figure(8, 4.6 + 0.2 * len(comparison.names))
    axes = figure.subplots()
    lines, labels = [], []
    for name, rows, color, style in zip(
        comparison.names, comparison.rows, COLORS, STYLES, strict=False
    ):
        train, valid = training_curve(rows), _validation(rows)
        if len(train) < 2 and len(valid) < 2:
            continue
        if train:
            axes.plot(*zip(*train, strict=True), color=color, linestyle=style, linewidth=0.9,
                      alpha=0.7)  # fmt: skip
        points = list(zip(*valid, strict=True)) or [(), ()]
        lines += axes.plot(*points, color=color, linestyle=style, linewidth=2.2, marker="o",
                           markersize=4)  # fmt: skip
        labels.append(_label(name, valid))
    if not lines:
        raise UsageError("--svg: none of these runs has losses to draw yet. Leave it out")
    label_losses(axes)
    # Texts are set afterwards: matplotlib hides labels that begin with _ and reads $ as a formula.
    legend = figure.legend(lines, [f"run {number}" for number in range(len(lines))],
                           loc="outside lower left", frameon=False, fontsize=9,
                           handlelength=3.5)  # fmt: skip
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    add_title(figure, TITLE, size=10)
    save_figure(figure, path)


def _validation(rows: Sequence[Row]) -> list[tuple[float, float]]:
    return [
        (step, nats)
        for step, nats in ((row["step"], row["valid_nats"]) for row in rows)
        if step is not None and nats is not None and math.isfinite(nats)
    ]


def _label(name: str, valid: list[tuple[float, float]]) -> str:
    short = name if len(name) <= MAX_NAME else f"...{name[-MAX_NAME:]}"
    shown = printable(short).replace("\n", "\\n").replace("\t", "\\t")
    if not valid:
        return f"{shown}: no validation loss"
    step, best = min(valid, key=lambda point: (point[1], point[0]))
    return f"{shown}: perplexity {number_format.perplexity_of(best)} at step {step:,.0f}"
