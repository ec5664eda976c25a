"""The files of a run folder that grow: metrics.csv, events.jsonl and samples.md."""

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lstmgen.runs.folders import replace_text

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
Row = dict[str, float | None]


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
        """All rows of metrics, without lines that a crash truncated."""
        rows = []
        with self.metrics.open(encoding="utf-8", errors="replace", newline="") as file:
            for row in csv.DictReader(file, fieldnames=COLUMNS):
                with suppress(ValueError, TypeError, AttributeError):
                    rows.append(
                        {key: float(row[key]) if row[key].strip() else None for key in COLUMNS}
                    )
        return rows

    def drop_after(self, step: int) -> None:
        """Remove records after the step from which training resumes, and truncated lines."""
        if not self.writes:
            return
        rows = [row for row in self.rows() if row["step"] is not None and row["step"] <= step]
        lines = [",".join(COLUMNS), *(_line(row) for row in rows)]
        replace_text(self.metrics, "".join(line + "\n" for line in lines))
        if self.events.exists():
            events = []
            for line in self.events.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    if json.loads(line)["step"] <= step:
                        events.append(line + "\n")
            replace_text(self.events, "".join(events))
        if self.samples.exists():
            text = self.samples.read_text(encoding="utf-8", errors="replace")
            parts = re.split(r"(?m)^(?=## Step \d+$)", text)
            replace_text(self.samples, "".join(p for p in parts if _step_of(p) <= step))


def _line(row: Mapping[str, float | int | None]) -> str:
    return ",".join(_cell(column, row.get(column)) for column in COLUMNS)


def _cell(column: str, value: float | int | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if column in INTEGER_COLUMNS else f"{value:.6g}"


def _step_of(part: str) -> float:
    """The step of one part of samples.md; infinity if it has none."""
    match = re.match(r"## Step (\d+)\n", part)
    return int(match[1]) if match else math.inf
