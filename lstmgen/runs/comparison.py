"""Comparing runs: the settings that differ, and the figures of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmgen.config.schema import all_keys, value_of
from lstmgen.errors import CheckpointError, UsageError, printable
from lstmgen.runs.folders import RESOLVED
from lstmgen.runs.history import read_history
from lstmgen.runs.records import Row
from lstmgen.runs.resolved import load_resolved
from lstmgen.runs.run_list import RunSummary, summarize


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other.

    Attributes:
        names: short, and different from each other.
        settings: by key, the values of all runs; only those that differ.
        rows: of the metrics of each run.
    """

    names: tuple[str, ...]
    runs: tuple[RunSummary, ...]
    settings: dict[str, tuple[Any, ...]]
    rows: tuple[tuple[Row, ...], ...]

    @property
    def same_measure(self) -> bool:
        """Whether the perplexities are of one text, one vocabulary and one kind of output."""
        scored = [run for run in self.runs if run.best_nats is not None]
        texts = {(r.valid_tokens, r.vocab_size, r.unigram, r.output) for r in scored}
        return len(texts) <= 1


def compare_runs(runs: Sequence[Path]) -> Comparison:
    """Compare two or more runs.

    Raises:
        UsageError: if there are fewer, or one is named twice.
        CheckpointError: if one is not a run, or its config cannot be read.
    """
    if len(runs) < 2:
        raise UsageError("name the runs to compare, two or more: lstmgen runs compare RUN RUN")
    seen: set[Path] = set()
    for run in runs:
        if not run.exists():
            raise CheckpointError(f"{printable(run)}: no such run. To list the runs: lstmgen runs")
        if not (run / RESOLVED).is_file():
            raise CheckpointError(f"{printable(run)}: is not a run folder (it has no {RESOLVED})")
        if run.resolve() in seen:
            raise UsageError(f"{printable(run)}: is named twice. Name each run once")
        seen.add(run.resolve())
    configs = [load_resolved(run).config for run in runs]
    values = {key: tuple(value_of(config, key) for config in configs) for key in all_keys()}
    names = [run.resolve().name for run in runs]
    return Comparison(
        names=tuple(names if len(set(names)) == len(names) else map(str, runs)),
        runs=tuple(summarize(run) for run in runs),
        settings={key: row for key, row in values.items() if any(v != row[0] for v in row)},
        rows=tuple(read_history(run).rows for run in runs),
    )
