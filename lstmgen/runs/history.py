"""What a run folder says about a run: its start and end, its metrics and its samples."""

import json
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmgen.runs.folders import read_environment
from lstmgen.runs.records import Records, Row, read_record


@dataclass(frozen=True)
class History:
    """The records of a run so far; what is missing or damaged is empty.

    Attributes:
        command: with which it was started, as typed in a shell.
        started, finished: the last events of these kinds.
        ending: the last event ``finished`` or ``diverged`` after the last ``started``.
        samples: (step, texts) of each time that the cues were continued.
    """

    run: Path
    command: str
    started: Mapping[str, Any]
    finished: Mapping[str, Any]
    ending: Mapping[str, Any]
    rows: tuple[Row, ...]
    samples: tuple[tuple[int, tuple[str, ...]], ...]


def read_history(run: Path) -> History:
    """Read the records of a run folder."""
    records = Records(run, writes=False)
    events = _read_events(records.events)
    rows: list[Row] = []
    with suppress(OSError):
        rows = records.rows()
    return History(
        run=run,
        command=_read_command(run),
        started=_last(events, "started"),
        finished=_last(events, "finished"),
        ending=_find_ending(events),
        rows=tuple(row for row in rows if row["step"] is not None),
        samples=_read_samples(records.samples),
    )


def _read_events(path: Path) -> list[dict[str, Any]]:
    events = []
    with suppress(OSError):
        for line in read_record(path).split("\n"):
            with suppress(ValueError, RecursionError):
                event = json.loads(line)
                if isinstance(event, dict):
                    events.append(event)
    return events


def _last(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next((event for event in reversed(events) if event.get("event") == kind), {})


def _find_ending(events: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = ("started", "finished", "diverged")
    last: dict[str, Any] = next(
        (event for event in reversed(events) if event.get("event") in kinds), {}
    )
    return {} if last.get("event") == "started" else last


def _read_command(run: Path) -> str:
    try:
        program, *rest = map(str, read_environment(run)["command"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return shlex.join([Path(program).name, *rest])


def _read_samples(path: Path) -> tuple[tuple[int, tuple[str, ...]], ...]:
    try:
        text = read_record(path)
    except OSError:
        return ()
    parts = re.split(r"(?m)^## Step (\d{1,18})$", text)[1:]
    samples = []
    for step, part in zip(parts[::2], parts[1::2], strict=True):
        quotes = re.findall(r"(?m)(?:^> .*\n?|^>\n?)+", part)
        texts = tuple("\n".join(line[2:] for line in quote.splitlines()) for quote in quotes)
        samples.append((int(step), texts))
    return tuple(samples)
