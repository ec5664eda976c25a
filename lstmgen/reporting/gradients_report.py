"""Gradients through time as a table with bars, and as JSON."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.cells import set_cell_size

from lstmgen.errors import counted, printable
from lstmgen.inspection.subject import Subject, TracedModel
from lstmgen.inspection.tracing import VANISHED, GradientTrace
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.heat_map import WORD

PAGE = 100  # columns
NUMBER, MIN_BAR = 10, 8  # columns of a number, and of the shortest bar in a comparison
LETTERS = "ABCDEFGH"  # names of compared models
BAR, DECADES = 20, 8  # columns of a bar and the powers of ten that it spans


def gradients_page(traced: Sequence[TracedModel], *, layer: int) -> str:
    """The norms word by word, the nearest word first; of one model or of several.

    Args:
        traced: models that have read the same words.
        layer: counted from 1.
    """
    if len(traced) > 1:
        return _comparison_page(traced, layer=layer)
    subject, model, elman = traced[0]
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


def describe_window(subject: Subject, *, window: int | None = None, letters: str = "") -> str:
    """How far back gradients flow in training, of the words that are shown.

    Args:
        window: of other models than the subject.
        letters: of the models.
    """
    window = subject.train_window if window is None else window
    name = f"train.window = {window:,}" + (f" ({letters})" if letters else "")
    if window < subject.window:
        return f"{name}: in training no gradient flows further back"
    return f"{name}: in training gradients flow back over all of these words"


def gradients_json(traced: Sequence[TracedModel], *, layer: int) -> dict[str, Any]:
    """The norms in reading order; of several models under ``models``."""
    found = [_model_json(model, layer=layer) for model in traced]
    return found[0] if len(found) == 1 else {"models": found}


def _model_json(traced: TracedModel, *, layer: int) -> dict[str, Any]:
    subject, model, elman = traced
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


def _comparison_page(traced: Sequence[TracedModel], *, layer: int) -> str:
    """The norms of several models beside each other; a letter names each."""
    subject, back = traced[0].subject, traced[0].subject.window
    words = common_words([other.subject for other in traced])
    lines = [
        f"Layer {layer} of {len(traced)} models that read the same {counted(back, 'word')}:",
        *(_describe_model(letter, model) for letter, model in zip(LETTERS, traced, strict=False)),
    ]
    for letter, model in zip(LETTERS, traced, strict=False):
        lines += [f"note on {letter}: {printable(note)}" for note in model.subject.notes]
    lines += textwrap.wrap(
        f'Norm of the gradient of the loss of predicting "{shown_word(words[-1])}" at the state '
        "after each word, relative to the last one's. The state is the layer's hidden state and, "
        "if the cell has one, its cell state together."
        + (f" The bars span {DECADES} powers of ten." if _bar_columns(len(traced)) else ""),
        PAGE,
    )
    lines += [
        "",
        _comparison_row("back", "word", list(LETTERS[: len(traced)]), [0.0] * len(traced)),
    ]
    windows = windows_of([other.subject for other in traced])
    for row in reversed(range(back)):
        norms = [float(model.model.relative[row]) for model in traced]
        cells = [f"{norm:.2e}" for norm in norms]
        lines.append(_comparison_row(str(back - row), shown_word(words[row]), cells, norms))
        if back - row in windows and back - row < back:
            note = describe_window(subject, window=back - row, letters=windows[back - row])
            lines.append(f"{note} ".ljust(PAGE, "-"))
    lines.append("")
    for window, letters in windows.items():
        if window >= back:
            lines.append(describe_window(subject, window=window, letters=letters))
    for letter, model in zip(LETTERS, traced, strict=False):
        lines.append(f"{letter}: {_verdict(model.model, back)}")
    return "\n".join(lines)


def _describe_model(letter: str, traced: TracedModel) -> str:
    subject = traced.subject
    return f"{letter}  {printable(subject.name)}: {subject.cell}, loss {traced.model.loss:.4f} nats"


def _comparison_row(back: str, word: str, cells: Sequence[str], norms: Sequence[float]) -> str:
    columns = _bar_columns(len(cells))
    row = f"{back:>4}  {set_cell_size(word, WORD)}"
    for cell, norm in zip(cells, norms, strict=True):
        row += f"{cell:>{NUMBER}}" + (f"  {_bar(norm, columns):{columns}}" if columns else "")
    return row.rstrip()


def _bar_columns(models: int) -> int:
    """Columns of each bar beside some models' numbers; 0 if they would be too short."""
    columns = (PAGE - WORD - 6) // models - NUMBER - 2
    return 0 if columns < MIN_BAR else min(BAR, columns)


def common_words(subjects: Sequence[Subject]) -> list[str]:
    """The words that models read, then the one they predict; each by the first that knows it."""
    words = []
    for place in range(subjects[0].window + 1):
        known = [s.word(int(s.passage[place])) for s in subjects]
        words.append(next((word for word in known if word != "<unknown>"), known[0]))
    return words


def windows_of(subjects: Sequence[Subject]) -> dict[int, str]:
    """The letters of the models of each ``train.window``, from the smallest."""
    windows: dict[int, list[str]] = {}
    for letter, subject in zip(LETTERS, subjects, strict=False):
        windows.setdefault(subject.train_window, []).append(letter)
    return {window: ", ".join(windows[window]) for window in sorted(windows)}


def _verdict(trace: GradientTrace, words: int) -> str:
    if trace.vanished_from is None:
        return f"at least a thousandth of it is left {_back(words)}"
    return f"it has vanished (below a thousandth) from {_back(trace.vanished_from)} on"


def _back(words: int) -> str:
    return f"{counted(words, 'word')} back"


def _bar(fraction: float, columns: int = BAR) -> str:
    if fraction <= 0 or math.isnan(fraction):
        return ""
    bar = "#" * round(columns * min(1.0, max(0.0, 1 + math.log10(fraction) / DECADES)))
    return bar[:-1] + ">" if fraction > 1 else bar  # more than the bar can show
