"""Gates as a heat map in the terminal, gradients as bars, and both as JSON."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.cells import set_cell_size
from rich.text import Text

from lstmgen.cells.cell import Cell
from lstmgen.errors import counted, printable
from lstmgen.inspection.subject import Subject
from lstmgen.inspection.tracing import VANISHED, GateTrace, GradientTrace
from lstmgen.reporting.equations import gate_title, legend
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.heat_map import WORD, Panel, heat_map, units_that_fit

PAGE = 100  # columns
BAR, DECADES = 20, 8  # columns of a bar and the powers of ten that it spans


def gate_panels(cell: Cell, trace: GateTrace, units: Sequence[int]) -> list[Panel]:
    """The panels of a trace: the gates, and the cell as tanh(c), which the output gate reads."""
    panels = []
    for name, values in zip(trace.names, trace.values, strict=True):
        chosen = values[:, list(units)]
        if name == "cell":
            squashed = trace.squashed_cell[:, list(units)]
            panels.append(Panel("tanh(c)", "cell state\ntanh(c)", squashed, True))
        elif name == "hidden":
            panels.append(Panel("hidden h", "hidden state h\n", chosen, True))
        else:
            gate = cell.gates[name]
            signed = gate.squash == "tanh"
            heading = f"{name} {gate.letter}\nnew values"
            if not signed:
                heading = f"{name} gate {gate.letter}\n{gate.purpose}"
            panels.append(Panel(gate_title(cell, name), heading, chosen, signed))
    return panels


def describe_units(selected: Sequence[int], *, total: int, chosen: bool) -> str:
    """Which units are shown, such as ``40 of 160 units: ...``.

    Args:
        total: number of units in the layer.
        chosen: whether they were chosen on the command line.
    """
    if len(selected) == total:
        return f"all {counted(total, 'unit')}" if total > 1 else "the only unit"
    reason = "as selected" if chosen else "those whose memory changes most over these words"
    return f"{len(selected):,} of {counted(total, 'unit')}: {reason}"


def gates_page(
    subject: Subject,
    trace: GateTrace,
    *,
    layer: int,
    units: Sequence[int],
    width: int,
    color: bool,
) -> Text:
    """The heat map as text.

    Args:
        layer: counted from 1.
        units: to show; empty shows those whose memory changes most, as many as fit.
        width: of the terminal, in columns.
        color: on a colored background, not as shades.
    """
    total, cell = len(trace.units), subject.engine.layers[0].cell
    room = units_that_fit(len(trace.names), width=width)
    selected = list(units) or sorted(trace.units[:room])
    head = [f"note: {printable(note)}" for note in subject.notes]
    head += [describe_units(selected, total=total, chosen=bool(units))]
    head += [" ".join(map(str, selected))] * (len(selected) < total)
    head += [legend(cell)] * bool(legend(cell))
    page = Text(f"{printable(subject.name)}: layer {layer} of {len(subject.engine.layers)}\n")
    for text in head:
        page.append("\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) + "\n")
    read = subject.passage[: subject.window].tolist()
    words = [shown_word(subject.word(index)) for index in read]
    panels = gate_panels(cell, trace, selected)
    return page.append(heat_map(words, panels, width=width, color=color))


def gates_json(
    subject: Subject, trace: GateTrace, *, layer: int, units: Sequence[int]
) -> dict[str, Any]:
    """The values of the heat map, of the selected units or of all."""
    chosen = list(units) or list(range(len(trace.units)))
    return {
        "model": subject.name,
        "cell": subject.cell,
        "layer": layer,
        "units": chosen,
        "words": [subject.word(i) for i in subject.passage[: subject.window].tolist()],
        "values": {
            name: values[:, chosen].tolist()
            for name, values in zip(trace.names, trace.values, strict=True)
        },
    }


def gradients_page(
    subject: Subject, model: GradientTrace, elman: GradientTrace, *, layer: int
) -> str:
    """The norms word by word, the nearest word first."""
    target = shown_word(subject.word(int(subject.passage[subject.window])))
    lines = [f"{printable(subject.name)}: layer {layer} of {len(subject.engine.layers)}"]
    lines += [f"note: {printable(note)}" for note in subject.notes]
    lines += [
        f'The loss of predicting "{target}" after these words: {model.loss:.4f} nats.',
        "Norm of its gradient at the state after each word (relative to the last one's; the bars",
        f"span {DECADES} powers of ten) and at each word's vector. For comparison: untrained Elman",
        "layers of the same sizes, with the same word vectors and the same output layer.",
        f"The state is {_describe_state(subject)}.",
        "",
        f"{'back':>4}  {'word':<{WORD}}{'state':>10}  {'':{BAR}}{'vector':>10}"
        f"{'Elman':>12}  {'':{BAR}}",
    ]
    for row in reversed(range(subject.window)):
        word = set_cell_size(shown_word(subject.word(int(subject.passage[row]))), WORD)
        own, other = float(model.relative[row]), float(elman.relative[row])
        lines.append(
            f"{subject.window - row:>4}  {word}{own:>10.2e}  {_bar(own):{BAR}}"
            f"{model.words[row]:>10.2e}{other:>12.2e}  {_bar(other):{BAR}}".rstrip()
        )
        if subject.window - row == subject.train_window < subject.window:
            lines.append(f"{describe_window(subject)} ".ljust(PAGE, "-"))
    if subject.train_window >= subject.window:
        lines += ["", describe_window(subject)]
    lines += [
        "",
        f"this model:      {_verdict(model, subject.window)}",
        f"untrained Elman: {_verdict(elman, subject.window)}",
    ]
    return "\n".join(lines)


def has_cell(subject: Subject) -> bool:
    """Whether the model's state has a cell state beside the hidden state."""
    return subject.engine.layers[0].cell.has_cell


def _describe_state(subject: Subject) -> str:
    if has_cell(subject):
        return "the layer's hidden state and cell state together"
    return "the layer's hidden state"


def describe_window(subject: Subject) -> str:
    """How far back gradients flow in training, of the words that are shown."""
    window = f"train.window = {subject.train_window:,}"
    if subject.train_window < subject.window:
        return f"{window}: in training no gradient flows further back"
    return f"{window}: in training gradients flow back over all of these words"


def gradients_json(
    subject: Subject, model: GradientTrace, elman: GradientTrace, *, layer: int
) -> dict[str, Any]:
    """The norms in reading order."""
    return {
        "model": subject.name,
        "layer": layer,
        "words": [subject.word(i) for i in subject.passage[: subject.window].tolist()],
        "target": subject.word(int(subject.passage[subject.window])),
        "train_window": subject.train_window,
        "vanished_below": VANISHED,
        **{
            name: {
                "cost": trace.loss,
                "state_norms": trace.states.tolist(),
                "vector_norms": trace.words.tolist(),
                "vanished_from": trace.vanished_from,
            }
            for name, trace in (("this_model", model), ("untrained_elman", elman))
        },
    }


def _verdict(trace: GradientTrace, words: int) -> str:
    if trace.vanished_from is None:
        return f"at least a thousandth of it is left {_back(words)}"
    return f"it has vanished (below a thousandth) from {_back(trace.vanished_from)} on"


def _back(words: int) -> str:
    return f"{counted(words, 'word')} back"


def _bar(fraction: float) -> str:
    if fraction <= 0 or math.isnan(fraction):
        return ""
    bar = "#" * round(BAR * min(1.0, max(0.0, 1 + math.log10(fraction) / DECADES)))
    return bar[:-1] + ">" if fraction > 1 else bar  # more than the bar can show
