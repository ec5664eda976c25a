"""Gates as a heat map in the terminal, and as JSON."""

import textwrap
from collections.abc import Sequence
from typing import Any

from rich.text import Text

from lstmgen.cells.cell import Cell
from lstmgen.errors import counted, printable
from lstmgen.inspection.subject import Subject
from lstmgen.inspection.tracing import GateTrace
from lstmgen.reporting.equations import gate_title, legend
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.heat_map import Panel, heat_map, units_that_fit


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
