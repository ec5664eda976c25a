"""The files of a run folder that grow: metrics.csv, events.jsonl and samples.md."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
Row = dict[str, float | int | None]


class Records:
    """Appends to the records of one run; each line is flushed as it is written."""

    def __init__(self, run: Path) -> None:
        self.metrics = run / "metrics.csv"
        self.events = run / "events.jsonl"
        self.samples = run / "samples.md"
        if not self.metrics.exists():
            self.metrics.write_text(",".join(COLUMNS) + "\n", encoding="utf-8")

    def add_row(self, row: Mapping[str, float | int | None]) -> None:
        """Append one row of metrics; what it lacks stays empty."""
        with self.metrics.open("a", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow([_cell(row.get(c)) for c in COLUMNS])

    def add_event(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Append one event."""
        finite = {key: _finite(value) for key, value in values.items()}
        with self.events.open("a", encoding="utf-8") as file:
            line = json.dumps({"event": kind, "step": step, **finite}, ensure_ascii=False)
            file.write(line + "\n")

    def add_samples(self, step: int, texts: Sequence[str]) -> None:
        """Append the samples of a step."""
        with self.samples.open("a", encoding="utf-8") as file:
            file.write(f"## Step {step}\n\n")
            for text in texts:
                file.write("".join(f"> {line}\n" for line in text.split("\n")) + "\n")

    def rows(self) -> list[Row]:
        """All rows of metrics."""
        with self.metrics.open(encoding="utf-8", newline="") as file:
            return [
                {key: (float(value) if value else None) for key, value in row.items()}
                for row in csv.DictReader(file)
            ]

    def drop_after(self, step: int) -> None:
        """Forget what came after a step, from which training goes on."""
        lines = self.metrics.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines[1:] if int(line.split(",")[0]) <= step]
        _replace(self.metrics, [lines[0], *kept])
        if self.events.exists():
            lines = self.events.read_text(encoding="utf-8").splitlines()
            _replace(self.events, [line for line in lines if json.loads(line)["step"] <= step])
        if self.samples.exists():
            parts = self.samples.read_text(encoding="utf-8").split("## Step ")
            kept = [part for part in parts[1:] if int(part.split("\n", 1)[0]) <= step]
            _replace(self.samples, ["".join("## Step " + part for part in kept)] if kept else [])


def _cell(value: float | int | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _replace(path: Path, lines: list[str]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    text = "\n".join(lines)
    if text and not text.endswith("\n"):
        text += "\n"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
