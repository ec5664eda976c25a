"""Profile of a training step.

Steps of the story preset's shape (many-to-one), of word_language_model's defaults (2 x 200 units,
20 sequences of 35 words, 16,383 words, not tied), of a base model and of fine-tuning it on the
bundled stories, under torch's profiler; fractions are of the operators' self time.
"""

import time
from argparse import Namespace
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from benchmarks.report import Table
from benchmarks.steps import endless_steps
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.training.devices import set_up
from lstmgen.windows.plans import StreamPlan

STEPS = 20
KINDS = (  # the first that fits
    ("LSTM kernels", ("mkldnn_rnn", "lstm")),
    ("products of the output layer", ("aten::mm", "aten::addmm")),
    ("softmax", ("softmax", "_SummedNats", "aten::log", "aten::clamp")),
    ("optimiser and gradient norm", ("_fused_", "Optimizer", "norm", "_foreach")),
    ("casts, copies, filling", ("copy", "fill_", "zero_", "clone", "aten::to", "_to_copy")),
)
SHAPES = (
    (
        "many-to-one: 128 x 12 words, 160 and 96, 1,749 words",
        1_749,
        128,
        [160, 96],
        True,
        12,
        1,
        128,
    ),
    ("dense: 20 x 35 words, 2 x 200, 16,383 words", 16_383, 200, [200, 200], False, 35, 35, 20),
    ("base: 32 x 48 words, 640 and 400, 20,000 words", 20_000, 190, [640, 400], True, 48, 48, 32),
    (
        "fine-tuning: 16 x 35 words, 640 and 400, 1,749 words",
        1_749,
        190,
        [640, 400],
        True,
        35,
        35,
        16,
    ),
)


def time_fractions(shape: tuple[Any, ...], *, bf16: bool) -> tuple[dict[str, float], float]:
    """Fractions of a step's time by kind, and its seconds without the profiler."""
    _, vocabulary, embedding, sizes, tied, window, stride, batch = shape
    ids = np.random.default_rng(0).zipf(1.3, 200_000) % vocabulary
    model = LanguageModel(
        vocabulary, embedding_dim=embedding, hidden_sizes=sizes, tie_weights=tied,
        dropout=DropoutRates(0.2, 0.2, 0.2),
    )  # fmt: skip
    plan = StreamPlan(len(ids), window=window, stride=stride, batch_size=batch)
    steps = endless_steps(model, ids, plan, bf16=bf16)
    taken = sorted(next(steps).seconds for _ in range(2 * STEPS))[STEPS]
    start = time.perf_counter()
    for step in range(STEPS):
        plan.micro_batches(ids, epoch=0, step=step)
    data = (time.perf_counter() - start) / STEPS
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for _ in range(STEPS):
            next(steps)
    sums: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        kind = next((k for k, marks in KINDS if any(m in event.key for m in marks)), "the rest")
        sums[kind] += event.self_cpu_time_total
    total = sum(sums.values())
    fractions = {kind: sums[kind] / total for kind in (*dict(KINDS), "the rest")}
    return fractions | {"cutting windows": data / taken}, taken


def run(args: Namespace) -> list[Table]:
    """Profile both shapes in both precisions."""
    set_up(torch.device("cpu"))
    rows: list[tuple[str, ...]] = []
    for shape in SHAPES:
        for bf16 in (True, False):
            fractions, taken = time_fractions(shape, bf16=bf16)
            name = f"{shape[0]}, {'bf16' if bf16 else 'fp32'}"
            parts = [f"{fraction:.0%}" for fraction in fractions.values()]
            rows.append((name, f"{1000 * taken:.1f} ms", *parts))
    heads = ("step", "time", *(kind for kind, _ in KINDS), "the rest", "cutting windows, beside")
    return [Table("profile", heads, rows)]
