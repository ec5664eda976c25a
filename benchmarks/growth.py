"""Growth of time and memory with the text, the window and the hidden size.

Texts are the bundled stories repeated, each trained on by `lstmgen train` in a separate process;
rates exclude preparing the text, peak memory includes it. Window and hidden size are varied in
one process, by turns, and compared with the FLOP of the matmuls. With --write the plot is saved
as docs/growth.png.
"""

import statistics
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks import ROOT
from benchmarks.measure import by_turns
from benchmarks.report import Table
from benchmarks.steps import endless_steps
from benchmarks.texts import stories
from benchmarks.trainings import read_run
from lstmgen.model.language_model import LanguageModel
from lstmgen.reporting.plots import new_figure, save_figure
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.training.devices import set_up
from lstmgen.training.matmul_costs import step_matmuls
from lstmgen.training.precision import has_bf16_units
from lstmgen.windows.plans import StreamPlan

WORDS = (100_000, 1_000_000, 10_000_000)
TURNS, VOCABULARY, BATCH, WINDOW, HIDDEN = 7, 5_000, 20, 32, 256
WINDOWS, HIDDEN_SIZES = (8, 16, 32, 64, 128), (64, 128, 256, 512, 1024)

PROGRAM = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from benchmarks.measure import peak_megabytes
from lstmgen.cli.app import main
try:
    main()
finally:
    print(peak_megabytes(), file=sys.stderr)
"""


def train(text: Path, folder: Path) -> tuple[float, float]:
    """Words scored per second and peak MB of a training on a text."""
    empty = folder / "empty.yaml"
    empty.write_text("")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT), "train", str(empty),
         f"data.train={text}", "-q",
         "data.valid_fraction=0", "data.copy_index=false", "train.max_steps=400",
         "train.batch_size=20", "--runs-dir", str(folder / "runs")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    trained = read_run(Path(done.stdout.strip()))
    return trained.step_rate(20), float(done.stderr.split()[-1])


def text_rows() -> list[tuple[str, ...]]:
    """Rate and memory of texts of each length, by turns."""
    source = stories()
    tokens = len(Tokenizer("word").encode(source))
    with tempfile.TemporaryDirectory() as name:
        folder, texts = Path(name), []
        for words in WORDS:
            texts.append(folder / f"{words}.txt")
            with texts[-1].open("w", encoding="utf-8") as file:
                for _ in range(round(words / tokens)):
                    file.write(source)
        results: list[list[tuple[float, float]]] = [[] for _ in WORDS]
        for turn in range(TURNS + 1):
            for place, text in enumerate(texts):
                result = train(text, folder)
                if turn:  # the first turn prepared the ids
                    results[place].append(result)
                else:
                    results[place] = [(0.0, result[1])]
    rows: list[tuple[str, ...]] = []
    base = statistics.median(rate for rate, _ in results[0][1:])
    for words, measured in zip(WORDS, results, strict=True):
        rate = statistics.median(rate for rate, _ in measured[1:])
        memory = statistics.median(peak for _, peak in measured[1:])
        rows.append(
            (f"{words:,}", f"{rate:,.0f} words/s", f"{rate / base:.2f}", f"{memory:.0f} MB",
             f"{measured[0][1]:.0f} MB")
        )  # fmt: skip
    return rows


def step_seconds(window: int, hidden: int) -> tuple[float, float]:
    """Median seconds of a dense training step, and its counted FLOP."""
    bf16 = has_bf16_units(torch.device("cpu"))
    model = LanguageModel(VOCABULARY, embedding_dim=128, hidden_sizes=[hidden])
    ids = np.random.default_rng(0).integers(0, VOCABULARY, 200_000)
    plan = StreamPlan(len(ids), window=window, stride=window, batch_size=BATCH)
    steps = endless_steps(model, ids, plan, bf16=bf16)
    matmuls = step_matmuls(model, batch=BATCH, window=window, stride=window, bf16=bf16)
    flop = sum(matmul.flop for matmul in matmuls)
    return statistics.median([next(steps).seconds for _ in range(12)][4:]), flop


def sweep_rows(picture: Path | None) -> list[tuple[str, ...]]:
    """Time of a step against window and hidden size."""
    places = [("window", n, n, HIDDEN) for n in WINDOWS]
    places += [("hidden size", n, WINDOW, n) for n in HIDDEN_SIZES]
    flops = [step_seconds(window, hidden)[1] for *_, window, hidden in places]
    sides = [
        lambda window=window, hidden=hidden: step_seconds(window, hidden)[0]
        for *_, window, hidden in places
    ]
    taken = [statistics.median(values) for values in by_turns(sides, turns=TURNS)]
    if picture is not None:
        _draw(places, taken, flops, picture)
    return [
        (f"{what} {number:,}", f"{1000 * seconds:.1f} ms", f"{flop / 1e9:.2f} GFLOP",
         f"{flop / seconds / 1e9:.0f} GFLOP/s")
        for (what, number, *_), seconds, flop in zip(places, taken, flops, strict=True)
    ]  # fmt: skip


def _draw(
    places: list[tuple[str, int, int, int]], taken: list[float], flops: list[float], path: Path
) -> None:
    figure = new_figure(9, 4)
    for number, what in enumerate(("window", "hidden size")):
        axes = figure.add_subplot(1, 2, number + 1)
        chosen = [i for i, place in enumerate(places) if place[0] == what]
        sizes = [places[i][1] for i in chosen]
        times = [1000 * taken[i] for i in chosen]
        scale = times[-1] / flops[chosen[-1]]
        axes.loglog(sizes, times, "o-", label="measured")
        axes.loglog(sizes, [scale * flops[i] for i in chosen], "--", label="counted FLOP, scaled")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        low, high = 0.8 * min(times + [scale * flops[chosen[0]]]), 1.2 * max(times)
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low < tick < high]
        axes.set_yticks(ticks, [str(tick) for tick in ticks])
        axes.set_xlabel(what + (" (words)" if what == "window" else " (units)"))
        axes.set_ylabel("milliseconds a training step")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    save_figure(figure, path)


def run(args: Namespace) -> Iterator[Table]:
    """Measure all three."""
    set_up(torch.device("cpu"))
    picture = ROOT / "docs" / "growth.png" if args.write else None
    heads: tuple[str, ...] = ("step of a dense training", "time", "matrix products", "rate")
    yield Table("growth of a step", heads, sweep_rows(picture))
    heads = ("words of text", "training", "of the shortest", "peak memory", "and while preparing")
    yield Table("growth of a text", heads, text_rows())
