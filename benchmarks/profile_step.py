"""Profile of a training step.

Steps of the story preset's shape (many-to-one), of word_language_model's defaults (2 x 200 units,
20 sequences of 35 words, 16,383 words, not tied), of a base model and of fine-tuning it on the
bundled stories, under torch's profiler; fractions are of the operators' self time.
"""

import time
from argparse import Namespace
from collections import defaultdict

import numpy as np
import torch

from benchmarks.report import Table
from benchmarks.steps import endless_steps
from lstmgen.config.loader import load
from lstmgen.config.schema import Config
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.runs.bundled import find_config
from lstmgen.training.devices import set_up
from lstmgen.training.size_defaults import fine_tuning
from lstmgen.windows.plans import StreamPlan

STEPS = 20
KINDS = (  # the first that fits
    ("LSTM kernels", ("mkldnn_rnn", "lstm")),
    ("products of the output layer", ("aten::mm", "aten::addmm")),
    ("softmax", ("softmax", "_SummedNats", "aten::log", "aten::clamp")),
    ("optimiser and gradient norm", ("_fused_", "Optimizer", "norm", "_foreach")),
    ("casts, copies, filling", ("copy", "fill_", "zero_", "clone", "aten::to", "_to_copy")),
)
PEER = ("model.hidden_sizes=[200,200]", "model.embedding_dim=200", "model.tie_weights=false",
        "train.batch_size=20", "train.window=35")  # fmt: skip
TUNED = [  # the bundled stories' size
    f"{key}={value}"
    for key, value in fine_tuning(43_000, entries=1_749, covered=1.0, own_words=True).items()
]
SHAPES = (  # name, preset, changes, words in the vocabulary
    ("many-to-one", "story", (), 1_749),
    ("dense", "base", PEER, 16_383),
    ("base", "base", (), 20_000),
    ("fine-tuning", "base", TUNED, 1_749),
)


def time_fractions(
    config: Config, vocabulary: int, *, bf16: bool
) -> tuple[dict[str, float], float]:
    """Fractions of a step's time by kind, and its seconds without the profiler."""
    sizes, train = config.model, config.train
    ids = np.random.default_rng(0).zipf(1.3, 200_000) % vocabulary
    model = LanguageModel(
        vocabulary, embedding_dim=sizes.embedding_dim, hidden_sizes=sizes.hidden_sizes,
        tie_weights=sizes.tie_weights,
        dropout=DropoutRates(0.2, 0.2, 0.2),
    )  # fmt: skip
    plan = StreamPlan(
        len(ids), window=train.window, stride=train.stride or train.window,
        batch_size=train.batch_size,
    )  # fmt: skip
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
    """Profile all shapes in both precisions."""
    set_up(torch.device("cpu"))
    rows: list[tuple[str, ...]] = []
    for kind, preset, changes, vocabulary in SHAPES:
        config = load(find_config(preset), changes).config
        train, sizes = config.train, " and ".join(map(str, config.model.hidden_sizes))
        shape = f"{kind}: {train.batch_size} x {train.window} words, {sizes}, {vocabulary:,} words"
        for bf16 in (True, False):
            fractions, taken = time_fractions(config, vocabulary, bf16=bf16)
            name = f"{shape}, {'bf16' if bf16 else 'fp32'}"
            parts = [f"{fraction:.0%}" for fraction in fractions.values()]
            rows.append((name, f"{1000 * taken:.1f} ms", *parts))
    heads = ("step", "time", *(kind for kind, _ in KINDS), "the rest", "cutting windows, beside")
    return [Table("profile", heads, rows)]
