"""Gates as a heat map in the terminal, gradients as bars, and both as JSON."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.cells import set_cell_size
from rich.style import Style
from rich.text import Text

from lstmgen.cells.cell import Cell
from lstmgen.errors import printable
from lstmgen.inspection.subject import Subject
from lstmgen.inspection.tracing import VANISHED, GateTrace, GradientTrace
from lstmgen.reporting.equations import gate_title, legend
from lstmgen.reporting.explanation import shown_word

WORD, GAP = 12, 2  # columns
BAR, DECADES = 20, 8  # columns of a bar and the powers of ten that it spans

Colour = tuple[int, int, int]
# Told apart by people of all kinds of colour vision: white to blue, and orange by white to violet.
GATE_COLOURS: tuple[Colour, ...] = ((247, 247, 247), (8, 48, 107))
SIGNED_COLOURS: tuple[Colour, ...] = ((179, 88, 6), (247, 247, 247), (84, 39, 136))


class Panel(NamedTuple):
    """One panel of a heat map."""

    title: str
    values: Any  # (words, units)
    signed: bool  # in (-1, 1), not in (0, 1)


def gate_panels(cell: Cell, trace: GateTrace, units: Sequence[int]) -> list[Panel]:
    """What is drawn of a trace: gates as they are, the cell as tanh(c), which is what is read."""
    panels = []
    for name, values in zip(trace.names, trace.values, strict=True):
        chosen = values[:, list(units)]
        if name == "cell":
            panels.append(Panel("tanh(c)", trace.squashed_cell[:, list(units)], True))
        elif name == "hidden":
            panels.append(Panel("hidden h", chosen, True))
        else:
            signed = cell.gates[name].squash == "tanh"
            panels.append(Panel(gate_title(cell, name), chosen, signed))
    return panels


def gates_page(
    subject: Subject, trace: GateTrace, *, layer: int, units: Sequence[int], width: int
) -> Text:
    """The heat map.

    Args:
        layer: counted from 1.
        units: to show; empty shows as many as fit, those whose memory changes most.
        width: of the terminal, in columns.
    """
    total, cell = len(trace.units), subject.engine.layers[0].cell
    room = max(1, (width - WORD) // len(trace.names) - GAP)
    shown = list(units) or sorted(trace.units[:room])
    chosen = "chosen" if units else "those whose memory changes most over these words"
    page = Text()
    page.append(f"{printable(subject.name)}: layer {layer} of {len(subject.engine.layers)}\n")
    for note in subject.notes:
        page.append(f"note: {printable(note)}\n")
    if len(shown) < total:
        numbers = " ".join(map(str, shown))
        page.append(f"{len(shown)} of {total} units, {chosen}:\n{numbers}\n")
    page.append("0 to 9: tenths of 1; b to j: tenths below zero (b is -0.1, j is -0.9)\n")
    page.append(f"{legend(cell)}\n\n" if legend(cell) else "\n")
    panels = gate_panels(cell, trace, shown)
    columns = max(len(shown), max(len(panel.title) for panel in panels))
    page.append(" " * WORD)
    for panel in panels:
        page.append(" " * GAP + f"{panel.title:<{columns}}")
    page.append("\n")
    for row in range(subject.window):
        page.append(set_cell_size(shown_word(subject.word(int(subject.passage[row]))), WORD))
        for panel in panels:
            page.append(" " * GAP)
            for value in panel.values[row]:
                page.append(*_tile(float(value), signed=panel.signed))
            page.append(" " * (columns - len(shown)))
        page.append("\n")
    return page


def gates_json(
    subject: Subject, trace: GateTrace, *, layer: int, units: Sequence[int]
) -> dict[str, Any]:
    """The values behind the heat map, of the units asked for or of all."""
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
    """The norms word by word, the nearest first."""
    target = shown_word(subject.word(int(subject.passage[subject.window])))
    lines = [f"{printable(subject.name)}: layer {layer} of {len(subject.engine.layers)}"]
    lines += [f"note: {printable(note)}" for note in subject.notes]
    lines += [
        f'The cost of predicting "{target}" behind these words: {model.nats:.4f} nats.',
        "Norm of its gradient at the state after each word (as a share of the last one's; bars of",
        f"{DECADES} powers of ten) and at each word's vector. Beside it: untrained Elman layers of",
        "the same sizes, between the same word vectors and the same output.",
        "",
        f"{'back':>4}  {'word':<{WORD}}{'state':>10}  {'':{BAR}}{'vector':>10}"
        f"{'Elman':>12}  {'':{BAR}}",
    ]
    for row in reversed(range(subject.window)):
        word = set_cell_size(shown_word(subject.word(int(subject.passage[row]))), WORD)
        ours, theirs = float(model.relative[row]), float(elman.relative[row])
        lines.append(
            f"{subject.window - row:>4}  {word}{ours:>10.2e}  {_bar(ours):{BAR}}"
            f"{model.words[row]:>10.2e}{theirs:>12.2e}  {_bar(theirs):{BAR}}".rstrip()
        )
    lines += [
        "",
        f"this model:      {_verdict(model, subject.window)}",
        f"untrained Elman: {_verdict(elman, subject.window)}",
    ]
    return "\n".join(lines)


def gradients_json(
    subject: Subject, model: GradientTrace, elman: GradientTrace, *, layer: int
) -> dict[str, Any]:
    """The norms in reading order."""
    return {
        "model": subject.name,
        "layer": layer,
        "words": [subject.word(i) for i in subject.passage[: subject.window].tolist()],
        "target": subject.word(int(subject.passage[subject.window])),
        "vanished_below": VANISHED,
        **{
            name: {
                "cost": trace.nats,
                "state_norms": trace.states.tolist(),
                "vector_norms": trace.words.tolist(),
                "vanished_from": trace.vanished_from,
            }
            for name, trace in (("this_model", model), ("untrained_elman", elman))
        },
    }


def _verdict(trace: GradientTrace, words: int) -> str:
    if trace.vanished_from is None:
        return f"a thousandth of it is left, or more, {_back(words)}"
    return f"it has vanished (below a thousandth) from {_back(trace.vanished_from)} on"


def _back(words: int) -> str:
    return f"{words} word{'' if words == 1 else 's'} back"


def _bar(share: float) -> str:
    if share <= 0 or math.isnan(share):
        return ""
    full = "#" * round(BAR * min(1.0, max(0.0, 1 + math.log10(share) / DECADES)))
    return full[:-1] + ">" if share > 1 else full  # longer than the bar can be


def _tile(value: float, *, signed: bool) -> tuple[str, Style]:
    """One value as a character on a colour."""
    tenth = min(9, int(abs(value) * 10))
    sign = "abcdefghij"[tenth] if value < 0 and tenth else str(tenth)
    colours = SIGNED_COLOURS if signed else GATE_COLOURS
    back = blend(colours, (value + 1) / 2 if signed else value)
    front = "black" if sum(back) > 384 else "white"
    return sign, Style(color=front, bgcolor="rgb({},{},{})".format(*back))


def blend(colours: Sequence[Colour], share: float) -> Colour:
    """A colour on the way from the first to the last one, ``share`` in 0..1."""
    place = min(1.0, max(0.0, share)) * (len(colours) - 1)
    step = min(int(place), len(colours) - 2)
    a, b = colours[step], colours[step + 1]
    red, green, blue = (round(x + (y - x) * (place - step)) for x, y in zip(a, b, strict=True))
    return red, green, blue
