"""Plots of gates and gradients."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lstmgen.errors import UsageError, printable
from lstmgen.inspection.subject import Subject, TracedModel
from lstmgen.inspection.tracing import VANISHED, GateTrace, GradientTrace
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.gradients_report import LETTERS, describe_window, has_cell, windows_of
from lstmgen.reporting.heat_map import Panel
from lstmgen.reporting.inspecting import describe_units, gate_panels
from lstmgen.reporting.plots import (
    COLORS,
    INK,
    QUIET,
    STYLES,
    add_title,
    check_file_type,
    new_figure,
    own_settings,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_WORDS = 300  # in a heat map
MAX_UNITS = 40  # in a heat map, unless units are selected
MAX_WORD = 20  # characters of a word
MAX_UNIT_LABELS = 6  # below a heat map
MAX_BAR = 3.0  # inches of a color bar
MAX_NAME = 60  # characters of a model's name


def check_picture(path: Path, *, words: int = 0) -> None:
    """Check that a plot can be drawn.

    Raises:
        UsageError: if the file type is unknown or the heat map is too long.
    """
    check_file_type(path)
    if words > MAX_WORDS:
        raise UsageError(
            f"--svg draws at most {MAX_WORDS} words, and these are {words}. Lower --window"
        )


@own_settings
def draw_gates(
    subject: Subject, trace: GateTrace, path: Path, *, units: Sequence[int], layer: int
) -> None:
    """Draw a layer's gates and memory as heat maps, words down and units across.

    Args:
        units: to draw; empty draws the ``MAX_UNITS`` whose memory changes most.
    """
    check_picture(path, words=subject.window)
    selected = list(units) or sorted(trace.units[:MAX_UNITS])
    panels = gate_panels(subject.engine.layers[0].cell, trace, selected)
    read = subject.passage[: subject.window].tolist()
    words = [shown_word(subject.word(i))[:MAX_WORD] for i in read]
    width, height = 2.2 + 1.9 * max(2, len(panels)), 1.5 + max(1.8, 0.2 * len(words))
    figure = new_figure(width, height)
    places = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(places, panels, strict=True):
        _draw_panel(axes, panel, selected)
    places[0].set_yticks(range(len(words)), words, fontsize=8, parse_math=False)
    _add_color_bars(figure, places, panels, height=height)
    shown = describe_units(selected, total=len(trace.units), chosen=bool(units))
    add_title(figure, f"{shorten(subject.name)}: layer {layer}, {shown}", size=9)
    save_figure(figure, path)


def _draw_panel(axes: "Axes", panel: Panel, units: Sequence[int]) -> None:
    low, colors = (-1, "PuOr") if panel.signed else (0, "Blues")
    axes.imshow(panel.values, aspect="auto", cmap=colors, vmin=low, vmax=1)
    axes.set_title(panel.heading, color=INK, fontsize=9)
    axes.set_xlabel("unit", fontsize=8)
    step = -(-len(units) // MAX_UNIT_LABELS)
    ticks = range(0, len(units), step)
    axes.set_xticks(list(ticks), [str(units[place]) for place in ticks], fontsize=7)


def _add_color_bars(
    figure: "Figure", places: Sequence["Axes"], panels: Sequence[Panel], *, height: float
) -> None:
    """A bar for each range of values, at the right."""
    for signed, label, ticks in (
        (True, "states and new values", (-1, -0.5, 0, 0.5, 1)),
        (False, "gates", (0, 0.5, 1)),
    ):
        kind = [axes for axes, panel in zip(places, panels, strict=True) if panel.signed == signed]
        if kind:
            bar = figure.colorbar(
                kind[0].images[0],
                ax=list(places),
                ticks=ticks,
                shrink=min(1.0, MAX_BAR / height),
                aspect=15,
                anchor=(0.0, 1.0),
                pad=0.01,
            )
            bar.set_label(label, fontsize=8)
            bar.ax.tick_params(labelsize=7)


def shorten(name: str) -> str:
    """The end of a long path, which names the run and the step."""
    return name if len(name) <= MAX_NAME else f"...{name[-MAX_NAME:]}"


@own_settings
def draw_gradients(traced: Sequence[TracedModel], path: Path, *, layer: int) -> None:
    """Draw the norm of the gradient by distance from the prediction.

    Args:
        traced: one model, which is drawn beside untrained Elman layers; or several, which have
            read the same words.
        layer: counted from 1.
    """
    check_picture(path)
    subjects = [model.subject for model in traced]
    curves = _curves(traced)
    figure = new_figure(8, 4.4 + 0.2 * len(curves))
    axes = figure.subplots()
    for (label, trace), color, style in zip(curves, COLORS, STYLES, strict=False):
        norms = trace.relative[::-1]
        places = range(1, len(norms) + 1)
        axes.plot(places, norms, color=color, linestyle=style, linewidth=2, label=label)
    _draw_limits(axes, subjects)
    axes.set_yscale("log")
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("words back from the prediction")
    axes.set_ylabel("norm of the gradient at the state,\nrelative to the last word's")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee")
    figure.legend(loc="outside lower left", frameon=False, fontsize=9, handlelength=3.5)
    state = "hidden and cell state" if any(map(has_cell, subjects)) else "hidden state"
    one = f"{shorten(subjects[0].name)}: " if len(subjects) == 1 else ""
    add_title(figure, f"{one}layer {layer}, state: {state}", size=9)
    save_figure(figure, path)


def _curves(traced: Sequence[TracedModel]) -> list[tuple[str, GradientTrace]]:
    """What is drawn, with labels; matplotlib would hide a label that begins with _."""
    if len(traced) == 1:
        subject, model, elman = traced[0]
        own = f"this model ({subject.cell})"
        return [(own, model), ("untrained Elman layers of the same sizes", elman)]
    return [
        (printable(f"{letter}: {shorten(model.subject.name)} ({model.subject.cell})"), model.model)
        for letter, model in zip(LETTERS, traced, strict=False)
    ]


def _draw_limits(axes: "Axes", subjects: Sequence[Subject]) -> None:
    """Draw below what a gradient has vanished, and beyond what training had none."""
    label = "below: vanished (a thousandth)"
    axes.axhline(VANISHED, color=QUIET, linewidth=1, linestyle="--", label=label)
    for window, letters in windows_of(subjects).items():
        several = len(subjects) > 1
        label = describe_window(subjects[0], window=window, letters=letters if several else "")
        color = COLORS[LETTERS.index(letters[0])] if several else INK
        if window < subjects[0].window:
            # Between the last word that gets a gradient and the next.
            axes.axvline(window + 0.5, color=color, linewidth=1.2, linestyle=":", label=label)
        else:
            axes.plot([], [], linestyle="none", label=label)
