"""The files of a run folder that grow: metrics.csv, events.jsonl and samples.md."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmgen.runs.folders import replace_text
from lstmgen.safe_files import read_plain

COLUMNS = (
    "step",
    "epoch",
    "words",
    "train_nats",
    "valid_nats",
    "valid_perplexity",
    "learning_rate",
    "gradient_norm",
    "words_per_second",
    "seconds",
)
INTEGER_COLUMNS = frozenset({"step", "words"})
MAX_RECORD = 256 << 20  # bytes
ORDINARY = 0.1  # of a run's steps; the longest rows that cover as many are its ordinary ones
Row = dict[str, float | None]


def read_record(path: Path) -> str:
    """The text of a record; an OSError if it is no plain file or has more than 256 MB."""
    return read_plain(path, limit=MAX_RECORD).decode("utf-8", errors="replace")


class Records:
    """Appends to the records of one run; each line is flushed immediately.

    Args:
        writes: False on ranks other than 0, which write nothing.
    """

    def __init__(self, run: Path, *, writes: bool = True) -> None:
        self.writes = writes
        self.metrics = run / "metrics.csv"
        self.events = run / "events.jsonl"
        self.samples = run / "samples.md"
        if writes and not self.metrics.exists():
            self.metrics.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")

    def add_row(self, row: Mapping[str, float | int | None]) -> None:
        """Append one row of metrics; missing columns stay empty."""
        if not self.writes:
            return
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(_line(row) + "\n")

    def add_event(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one event; NaN and infinity become null."""
        if not self.writes:
            return
        event = {"event": kind, "step": step}
        for key, value in values.items():
            event[key] = None if isinstance(value, float) and not math.isfinite(value) else value
        with self.events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def add_samples(self, step: int, texts: Sequence[str]) -> None:
        """Append the samples of a step."""
        with self.samples.open("a", encoding="utf-8") as file:
            file.write(f"## Step {step}\n\n")
            for text in texts:
                file.write("".join(f"> {line}\n" for line in text.split("\n")) + "\n")

    def rows(self) -> list[Row]:
        """All rows of metrics, without truncated lines and those whose counts are not finite."""
        rows = []
        for line in read_record(self.metrics).splitlines():
            cells = line.split(",")
            if len(cells) < len(COLUMNS):
                continue
            with suppress(ValueError):
                rows.append({
                    column: float(cell) if cell.strip() else None
                    for column, cell in zip(COLUMNS, cells, strict=False)
                })  # fmt: skip
        return [row for row in rows if all(math.isfinite(row[c] or 0) for c in INTEGER_COLUMNS)]

    def drop_after(self, step: int) -> None:
        """Remove records after the step from which training resumes, and truncated lines."""
        if not self.writes:
            return
        rows = [row for row in self.rows() if row["step"] is not None and row["step"] <= step]
        lines = [",".join(COLUMNS), *(_line(row) for row in rows)]
        replace_text(self.metrics, "".join(line + "\n" for line in lines))
        if self.events.exists():
            events = []
            for line in read_record(self.events).split("\n"):
                with suppress(ValueError, KeyError, TypeError, RecursionError):
                    if json.loads(line)["step"] <= step:
                        events.append(line + "\n")
            replace_text(self.events, "".join(events))
        if self.samples.exists():
            text = read_record(self.samples)
            parts = re.split(r"(?m)^(?=## Step \d+$)", text)
            replace_text(self.samples, "".join(p for p in parts if _step_of(p) <= step))


def training_curve(rows: Sequence[Row]) -> list[tuple[int, float]]:
    """The training loss by step, in nats per word; each point averages about as many steps.

    A row averages the steps since the row before. Evaluations add rows in between, which average
    fewer steps and are noisier. Such rows are joined, weighted by the words they cover, until
    they are about as long as the run's ordinary rows. A shorter rest at the end is left out.

    Args:
        rows: of metrics.csv.
    """
    spans = _spans(rows)
    length = _ordinary_length(spans)
    curve: list[tuple[int, float]] = []
    steps, words, nats = 0.0, 0.0, 0.0
    for place, span in enumerate(spans):
        steps, words, nats = steps + span.steps, words + span.words, nats + span.nats
        following = spans[place + 1].steps if place + 1 < len(spans) else 0.0
        # Close the point here if the next row would bring it no nearer to the length.
        if abs(length - steps) <= abs(steps + following - length) and (
            following or 2 * steps >= length
        ):
            curve.append((span.step, nats / words))
            steps, words, nats = 0.0, 0.0, 0.0
    return curve


@dataclass(frozen=True)
class _Span:
    """What one row averages; only sums."""

    step: int  # the last one
    steps: float
    words: float
    nats: float


def _spans(rows: Sequence[Row]) -> list[_Span]:
    """The rows with a training loss; a resumed run may begin with one without."""
    spans, step, words = [], 0.0, 0.0
    for row in rows:
        to_step, to_words, loss = row["step"], row["words"], row["train_nats"]
        if to_step is None or to_words is None or to_step <= step or to_words <= words:
            continue
        if loss is not None and math.isfinite(loss):
            covered = to_words - words
            spans.append(_Span(int(to_step), to_step - step, covered, loss * covered))
        step, words = to_step, to_words
    return spans


def _ordinary_length(spans: Sequence[_Span]) -> float:
    """The steps in an ordinary row.

    Not the maximum, which may be that of a row whose predecessors a crash has truncated.
    """
    total, covered = sum(span.steps for span in spans), 0.0
    for steps in sorted((span.steps for span in spans), reverse=True):
        covered += steps
        if covered >= ORDINARY * total:
            return steps
    return 0.0


def _line(row: Mapping[str, float | int | None]) -> str:
    return ",".join(_cell(column, row.get(column)) for column in COLUMNS)


def _cell(column: str, value: float | int | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if column in INTEGER_COLUMNS else f"{value:.6g}"


def _step_of(part: str) -> float:
    """The step of one part of samples.md; infinity if it has none."""
    match = re.match(r"## Step (\d{1,18})\n", part)
    return int(match[1]) if match else math.inf
