"""Gradients through time as a table with bars, and as JSON."""

import math
from typing import Any

from rich.cells import set_cell_size

from lstmgen.errors import counted, printable
from lstmgen.inspection.subject import Subject
from lstmgen.inspection.tracing import VANISHED, GradientTrace
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.heat_map import WORD

PAGE = 100  # columns
BAR, DECADES = 20, 8  # columns of a bar and the powers of ten that it spans


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
