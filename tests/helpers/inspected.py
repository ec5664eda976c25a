"""A model to inspect that is no model: made-up gates of any cell."""

from types import SimpleNamespace

import numpy as np

from lstmgen.cells import CELLS
from lstmgen.inspection.subject import Subject
from lstmgen.inspection.tracing import GateTrace


def subject_of(cell, *, words, name="run"):
    """A subject whose engine is two layers without weights."""
    return Subject(
        name=name, cell=cell, one_hot=False, seed=0, notes=(), words=("a", "b" * 200),
        entries=("a", "b" * 200), tokenizer="word",
        engine=SimpleNamespace(layers=[SimpleNamespace(cell=CELLS[cell])] * 2),
        passage=np.arange(words) % 2, window=words, train_window=4,
    )  # fmt: skip


def trace_of(cell, *, words, units):
    """A trace of random values, whose last unit varies most."""
    names = [name for name in CELLS[cell].gates if cell != "elman"]
    names.append("cell" if CELLS[cell].has_cell else "hidden")
    values = tuple(np.random.default_rng(0).uniform(0, 1, (words, units)) for _ in names)
    return GateTrace(tuple(names), values, tuple(reversed(range(units))))
