"""What the runs of a folder are, and how they ended."""

import math
import os
import stat
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from lstmgen.errors import CheckpointError
from lstmgen.runs import checkpoint
from lstmgen.runs.folders import (
    CHECKPOINTS,
    ENVIRONMENT,
    RESOLVED,
    has_checkpoint,
    is_locked,
    read_environment,
)
from lstmgen.runs.history import History, read_history

State = Literal["training", "finished", "stopped", "diverged", "damaged"]
MARKS = (ENVIRONMENT, RESOLVED, CHECKPOINTS)  # a folder with one of these is a run
READ = (ENVIRONMENT, RESOLVED, "metrics.csv", "events.jsonl", "samples.md")


@dataclass(frozen=True)
class RunSummary:
    """One run in figures; what is not known is None, or an empty text.

    Attributes:
        started: when, as ISO 8601.
        state: ``training`` if a process trains in it now; ``stopped`` if it ended before its
            limit, by a signal or a crash; ``damaged`` if a part cannot be read.
        problem: what is damaged.
        step, steps: of the last row of metrics, and of the whole training.
        best_nats, best_step: of the lowest validation loss, in nats per word.
        unigram, ngram: baseline perplexities; the second of order ``ngram_order``.
        words_per_second: the median over the rows of metrics.
        lowest_train_nats: of the rows of metrics, in nats per word.
    """

    path: Path
    started: str
    state: State
    problem: str
    has_checkpoint: bool
    step: int | None
    steps: int | None
    files: int | None
    train_tokens: int | None
    valid_tokens: int | None
    vocab_size: int | None
    cell: str
    sizes: str
    output: str
    parameters: int | None
    best_nats: float | None
    best_step: int | None
    unigram: float | None
    ngram: float | None
    ngram_order: int | None
    words_per_second: float | None
    seconds: float | None
    lowest_train_nats: float | None


def list_runs(runs: Path) -> list[RunSummary]:
    """All runs of a folder, the one that was started last first."""
    try:
        names = [entry.name for entry in os.scandir(runs) if entry.is_dir()]
    except OSError:
        return []
    found = [runs / name for name in names if not name.startswith(".")]
    summaries = [summarize(run) for run in found if any(os.path.exists(run / m) for m in MARKS)]
    return sorted(summaries, key=lambda run: (run.started, run.path.name), reverse=True)


def summarize(run: Path) -> RunSummary:
    """Read the records of a run folder; a damaged one does not raise."""
    odd = [name for name in READ if os.path.exists(run / name) and not _is_plain(run / name)]
    empty = History(run, command="", started={}, finished={}, ending={}, rows=(), samples=())
    history = empty if odd else read_history(run)
    problem = f"{odd[0]} is not a plain file" if odd else _find_damage(run, history)
    facts, rows = history.started, history.rows
    best = min(
        ((row["valid_nats"], row["step"]) for row in rows if _is_finite(row["valid_nats"])),
        default=(None, None),
    )
    last = rows[-1]["step"] if rows else None
    rates = _finite(row["words_per_second"] for row in rows)
    return RunSummary(
        path=run,
        started=_read_start(run) if ENVIRONMENT not in odd else "",
        state=_state(run, history, problem),
        problem=problem,
        has_checkpoint=has_checkpoint(run),
        step=None if last is None else int(last),
        steps=_count(facts, "steps"),
        files=_count(facts, "files"),
        train_tokens=_count(facts, "train_tokens"),
        valid_tokens=_count(facts, "valid_tokens"),
        vocab_size=_count(facts, "vocab_size"),
        cell=_text(facts, "cell"),
        sizes=_text(facts, "sizes"),
        output=_text(facts, "output"),
        parameters=_count(facts, "parameters"),
        best_nats=best[0],
        best_step=None if best[1] is None else int(best[1]),
        unigram=_number(facts, "unigram"),
        ngram=_number(facts, "ngram"),
        ngram_order=_count(facts, "ngram_order"),
        words_per_second=statistics.median(rates) if rates else None,
        seconds=max(_finite(row["seconds"] for row in rows), default=None),
        lowest_train_nats=min(_finite(row["train_nats"] for row in rows), default=None),
    )


def _state(run: Path, history: History, problem: str) -> State:
    if is_locked(run):
        return "training"
    if problem:
        return "damaged"
    if history.ending.get("event") == "diverged":
        return "diverged"
    reason = history.ending.get("reason")
    finished = isinstance(reason, str) and not reason.startswith("stopped")
    return "finished" if finished else "stopped"


def _find_damage(run: Path, history: History) -> str:
    """What cannot be read in a run; empty if all can, or a training may be writing it."""
    if is_locked(run):
        return ""
    for name in (ENVIRONMENT, RESOLVED):
        if not os.path.isfile(run / name):
            return f"{name} is missing"
    if not _read_start(run):
        return f"{ENVIRONMENT} cannot be read"
    checkpoints = run / CHECKPOINTS
    try:
        index = checkpoint.read_index(checkpoints)
        for step in () if index is None else index.steps:
            checkpoint.open_checkpoint(checkpoint.step_folder(checkpoints, step))
    except CheckpointError as error:
        return str(error)
    if index is None and checkpoint.saved_steps(checkpoints):
        return "index.json is missing"
    if index is not None and not (history.started and history.rows):
        return "events.jsonl or metrics.csv cannot be read"
    return ""


def _read_start(run: Path) -> str:
    """The time at which a run was started; empty if it cannot be read."""
    try:
        started = read_environment(run)["started"]
        datetime.fromisoformat(started)
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return str(started)


def _is_plain(path: Path) -> bool:
    """Whether a file can be read without waiting, as a pipe cannot."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e300 and math.isfinite(value)


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and _is_finite(value)]


def _count(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    return value if type(value) is int and 0 <= value < 2**63 else None


def _number(facts: Mapping[str, Any], name: str) -> float | None:
    value: Any = facts.get(name)
    return float(value) if _is_finite(value) and type(value) is not bool else None


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return value if isinstance(value, str) else ""
