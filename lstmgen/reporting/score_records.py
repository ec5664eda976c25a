"""The scores of lines and words as records, for programs: tab-separated, or JSON lines."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from lstmgen.errors import counted, printable
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.number_format import perplexity
from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import Vocabulary

if TYPE_CHECKING:  # torch
    from lstmgen.evaluation.word_scores import LineScore, ScoredWord, TextSums

Record = dict[str, str | int | float | bool | None]
LINE_COLUMNS = ("file", "line", "words", "unknown", "nats", "perplexity")
WORD_COLUMNS = (
    "file", "line", "token", "unknown", "nats", "rank", "top", "top_probability", "entropy",
)  # fmt: skip
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"})


def line_records(lines: Iterable["LineScore"], files: Sequence[str]) -> Iterator[Record]:
    """A record of each line; ``perplexity`` is None if no word is scored."""
    names = [printable(file) for file in files]
    for line in lines:
        yield {
            "file": names[line.file],
            "line": line.line,
            "words": line.words,
            "unknown": line.unknown,
            "nats": line.nats,
            "perplexity": line.perplexity if math.isfinite(line.perplexity) else None,
        }


def word_records(
    words: Iterable["ScoredWord"], files: Sequence[str], vocabulary: Vocabulary, *, kind: Kind
) -> Iterator[Record]:
    """A record of each word; its scores are None if it is not scored."""
    names = [printable(file) for file in files]
    special = set(vocabulary.specials)
    surfaces = [
        entry if i in special else surface_of(entry, kind)
        for i, entry in enumerate(vocabulary.entries)
    ]
    for word in words:
        details = word.details
        yield {
            "file": names[word.file],
            "line": word.line,
            "token": word.surface,
            "unknown": word.unknown,
            "nats": word.nats,
            "rank": None if details is None else details.rank,
            "top": None if details is None else surfaces[details.top],
            "top_probability": None if details is None else details.top_probability,
            "entropy": None if details is None else details.entropy,
        }


def format_records(
    records: Iterable[Record], columns: Sequence[str], *, as_json: bool
) -> Iterator[str]:
    """The text of records, one line each, as they come; without JSON after a line of names.

    Tabs, line ends and backslashes in a tab-separated field are escaped; None is empty.
    """
    for number, record in enumerate(records):
        if as_json:
            yield json_text(record) + "\n"
            continue
        if number == 0:
            yield "\t".join(columns) + "\n"
        yield "\t".join([_field(record[column]) for column in columns]) + "\n"


def summary_line(sums: "TextSums", name: str, *, scores_unknown: bool) -> str:
    """The perplexity of the whole text."""
    scored = "scored" if scores_unknown else "not scored"
    unknown = f", {counted(sums.unknown, 'unknown word')} {scored}" if sums.unknown else ""
    return (
        f"{printable(name)}: {counted(sums.words, 'word')} scored in one pass, "
        f"{sums.nats / sums.words:.4f} nats per word, perplexity {perplexity(sums.perplexity)}"
        f"{unknown}"
    )


def _field(value: str | int | float | bool | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    return format(value, ".12g") if isinstance(value, float) else str(int(value))
