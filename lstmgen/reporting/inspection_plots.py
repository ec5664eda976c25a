"""Plots of gates and gradients."""

from collections.abc import Sequence
from pathlib import Path

from lstmgen.errors import UsageError, printable
from lstmgen.inspection.subject import Subject
from lstmgen.inspection.tracing import VANISHED, GateTrace, GradientTrace
from lstmgen.reporting.equations import legend
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.inspecting import gate_panels
from lstmgen.reporting.plots import INK, QUIET, TRAIN, VALID, new_figure, save_figure

MAX_WORDS = 300  # in a heat map
MAX_UNITS = 40  # in a heat map, unless units are selected


def check_picture(path: Path, *, words: int = 0) -> None:
    """Check that a plot can be drawn.

    Raises:
        UsageError: if the file type is unknown or the heat map is too long.
    """
    if path.suffix.lower() not in (".svg", ".png", ".pdf"):
        raise UsageError(f"--svg {printable(path)}: name a file that ends in .svg, .png or .pdf")
    if words > MAX_WORDS:
        raise UsageError(
            f"--svg draws at most {MAX_WORDS} words, and these are {words}. Lower --window"
        )


def draw_gates(
    subject: Subject, trace: GateTrace, path: Path, *, units: Sequence[int], layer: int
) -> None:
    """Draw a layer's gates and memory as heat maps, words down and units across.

    Args:
        units: to draw; empty draws the ``MAX_UNITS`` whose memory changes most.
    """
    check_picture(path, words=subject.window)
    cell = subject.engine.layers[0].cell
    selected = list(units) or sorted(trace.units[:MAX_UNITS])
    panels = gate_panels(cell, trace, selected)
    words = [shown_word(subject.word(i)) for i in subject.passage[: subject.window].tolist()]
    figure = new_figure(1.5 + 2.2 * len(panels), 1.3 + 0.22 * len(words))
    places = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(places, panels, strict=True):
        axes.imshow(
            panel.values,
            aspect="auto",
            cmap="PuOr" if panel.signed else "Blues",
            vmin=-1 if panel.signed else 0,
            vmax=1,
        )
        axes.set_title(panel.title, color=INK, fontsize=10)
        axes.set_xlabel("unit", fontsize=8)
        ticks = range(0, len(selected), max(1, len(selected) // 5))
        axes.set_xticks(list(ticks), [str(selected[k]) for k in ticks], fontsize=7)
    places[0].set_yticks(range(len(words)), words, fontsize=8, parse_math=False)
    title = f"{subject.name}, layer {layer}: gates from 0 (white) to 1 (blue), "
    title += "candidate and memory from -1 (orange) to 1 (violet)"
    title += f"; {legend(cell)}" if legend(cell) else ""
    figure.suptitle(printable(title), fontsize=8, color=INK, parse_math=False)
    save_figure(figure, path)


def draw_gradients(model: GradientTrace, elman: GradientTrace, path: Path, *, cell: str) -> None:
    """Draw the norm of the gradient by distance from the prediction."""
    check_picture(path)
    figure = new_figure(8, 4.5)
    axes = figure.subplots()
    for trace, color, label in (
        (model, VALID, f"this model ({cell})"),
        (elman, TRAIN, "Elman layers of the same sizes, not trained"),
    ):
        norms = trace.relative[::-1]
        axes.plot(range(1, len(norms) + 1), norms, color=color, linewidth=2, label=label)
    axes.axhline(VANISHED, color=QUIET, linewidth=1, linestyle="--")
    axes.set_yscale("log")
    axes.set_xlabel("words back from the prediction")
    axes.set_ylabel("relative norm of the gradient at the state")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee")
    axes.legend(frameon=False)
    save_figure(figure, path)
