"""The list of runs and their comparison, as tables and as JSON."""

import math
from dataclasses import asdict
from typing import Any

from lstmgen.config.reference import inline_yaml
from lstmgen.errors import counted
from lstmgen.reporting import number_format
from lstmgen.reporting.tables import Table
from lstmgen.runs.comparison import Comparison
from lstmgen.runs.run_list import RunSummary

NONE = "-"
RUN_HEADINGS = ("run", "text", "parameters", "perplexity", "n-gram", "minutes", "state")


def runs_table(runs: list[RunSummary]) -> Table:
    """One row per run."""
    rows = [
        (
            run.path.name,
            _describe_text(run),
            _count(run.parameters),
            _perplexity(run.best_nats),
            _baseline(run),
            _minutes(run),
            _describe_state(run),
        )
        for run in runs
    ]
    return Table(RUN_HEADINGS, tuple(rows), right=frozenset({2, 3, 4, 5}))


def run_json(run: RunSummary) -> dict[str, Any]:
    """All that is known of a run; what is not is null."""
    values = asdict(run) | {"path": str(run.path), "name": run.path.name}
    texts = ("started", "problem", "cell", "sizes", "output")
    values |= {name: values[name] or None for name in texts}
    values["best_perplexity"] = None if run.best_nats is None else _exp(run.best_nats)
    return {"name": values.pop("name"), **values}


def settings_table(comparison: Comparison) -> Table:
    """The settings that differ, a column for each run."""
    rows = [(key, *map(inline_yaml, row)) for key, row in comparison.settings.items()]
    return Table(("settings that differ", *comparison.names), tuple(rows))


def measures_table(comparison: Comparison) -> Table:
    """The figures of the runs, a column for each run."""
    measures = {
        "text": _describe_text,
        "model": _describe_model,
        "parameters": lambda run: _count(run.parameters),
        "best perplexity": lambda run: _perplexity(run.best_nats),
        "at step": lambda run: _count(run.best_step),
        "n-gram perplexity": _baseline,
        "lowest training loss, nats": lambda run: _nats(run.lowest_train_nats),
        "words per second, median": lambda run: _rounded(run.words_per_second),
        "steps": lambda run: _count(run.step),
        "minutes": _minutes,
        "state": _describe_state,
    }
    rows = [(name, *map(measure, comparison.runs)) for name, measure in measures.items()]
    right = frozenset(range(1, 1 + len(comparison.names)))
    return Table(("measure", *comparison.names), tuple(rows), right=right)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The settings that differ, with their values in the order of the runs, and the runs."""
    return {
        "settings": {key: list(row) for key, row in comparison.settings.items()},
        "runs": [run_json(run) for run in comparison.runs],
        "same_measure": comparison.same_measure,
    }


def _describe_text(run: RunSummary) -> str:
    if run.train_tokens is None or run.files is None:
        return NONE
    return f"{counted(run.files, 'file')}, {counted(run.train_tokens, 'token')}"


def _describe_model(run: RunSummary) -> str:
    return f"{run.cell}, {run.sizes}" if run.cell else NONE


def _describe_state(run: RunSummary) -> str:
    if run.state == "training":
        known = run.step is not None and run.steps
        done = f" {min(run.step or 0, run.steps or 1) / (run.steps or 1):.0%}" if known else ""
        return f"training{done}"
    if run.state == "damaged" or run.has_checkpoint:
        return run.state
    return f"{run.state}, no checkpoint"


def _baseline(run: RunSummary) -> str:
    return NONE if run.ngram is None else number_format.perplexity(run.ngram)


def _perplexity(nats: float | None) -> str:
    return NONE if nats is None else number_format.perplexity_of(nats)


def _exp(nats: float) -> float | None:
    return math.exp(nats) if nats < 690 else None


def _count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def _rounded(value: float | None) -> str:
    return NONE if value is None else f"{value:,.0f}"


def _nats(value: float | None) -> str:
    return NONE if value is None else number_format.nats(value)


def _minutes(run: RunSummary) -> str:
    minutes = None if run.seconds is None else run.seconds / 60
    return NONE if minutes is None else f"{minutes:,.{1 if minutes >= 1 else 2}f}"
