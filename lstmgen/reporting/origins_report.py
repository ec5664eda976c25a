"""Where the words of a continuation come from: a concordance of the training text, and JSON."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.cells import cell_len, set_cell_size

from lstmgen.errors import counted, printable
from lstmgen.inspection.trained_model import TracedSample
from lstmgen.inspection.training_contexts import TrainingContext
from lstmgen.reporting.explanation import shown_word

NUMBER, FOLLOWED, PLACE = 10, 12, 30  # columns: the similarity, the word that followed, its place
LEGEND = (
    "For each word, the training contexts in which the state was nearest: cosine similarity, the "
    "context, the word that followed (= if it is the same), file and line"
)
ONE_LINE = 84  # columns from which the place stands on the line of its context


def origins_page(traced: TracedSample, *, width: int) -> str:
    """Each generated word with its nearest training contexts.

    Args:
        width: of the terminal, in columns.
    """
    origins = traced.origins
    lines = [
        printable(traced.model),
        f"--seed {origins.seed}",
        *_wrap_lines(_notes(traced), width),
        *_wrap_lines(printable(origins.cue + origins.text), width),
        "",
        *textwrap.wrap(LEGEND, max(20, width)),
    ]
    for origin in origins.words:
        lines += ["", shown_word(origin.word)]
        for context in origin.contexts:
            lines += _context_lines(context, width=width)
    total = counted(len(origins.words), "word")
    summary = f"The same word followed in the nearest context of {origins.confirmed} of {total}."
    lines += ["", *textwrap.wrap(summary, max(20, width))]
    return "\n".join(lines)


def origins_json(traced: TracedSample) -> dict[str, Any]:
    """The same contents."""
    origins = traced.origins
    content = {"model": traced.model, "confirmed": origins.confirmed, **asdict(origins)}
    content["unknown_words"] = content.pop("replacements")
    return content


def _wrap_lines(text: str, width: int) -> Iterator[str]:
    for line in text.split("\n"):
        yield from textwrap.wrap(line, max(20, width)) or [""]


def _notes(traced: TracedSample) -> str:
    read = [
        f"{word} ({'left out' if other == '' else 'read as ' + (other or 'an unknown word')})"
        for word, other in traced.origins.replacements.items()
    ]
    return f"note: not in the vocabulary: {printable(', '.join(read))}\n" if read else ""


def _context_lines(context: TrainingContext, *, width: int) -> list[str]:
    """A context on one line, or on two if the terminal is narrow."""
    mark = "=" if context.same else " "
    on_one_line = width >= ONE_LINE
    room = max(8, width - NUMBER - FOLLOWED - 3 - (PLACE + 2 if on_one_line else 0))
    before = _fit_end(printable(context.before).replace("\n", "\\n"), room)
    followed = set_cell_size(shown_word(context.followed_by), FOLLOWED)
    line = (
        f"{mark} {context.similarity:6.3f}  {' ' * (room - cell_len(before))}{before} | {followed}"
    )
    if on_one_line:
        return [f"{line}  {_place(context, PLACE)}"]
    return [line.rstrip(), " " * NUMBER + _place(context, width - NUMBER)]


def _fit_end(text: str, columns: int) -> str:
    """The end of a text; if it is cut, it begins with an ellipsis."""
    if cell_len(text) <= columns:
        return text
    while cell_len(text) >= columns:
        text = text[1:]
    return "…" + text


def _place(context: TrainingContext, columns: int) -> str:
    """File and line; a long name is cut at its end."""
    name, line = printable(context.file), f":{context.line}"
    room = columns - len(line)
    if cell_len(name) > room:
        while name and cell_len(name) >= room:
            name = name[:-1]
        name += "…"
    return name + line
