"""Generation speed: the numpy engine against a loop over nn.LSTM and against its lower bound.

    python -m benchmarks generation [--peer ../examples]

One text, plain sampling, the same weights on both sides, by turns in one process; the
tutorial's loop steps nn.LSTM word by word. The weights are the initial ones, with
word frequencies by Zipf's law, so that filters see words of different probability. The lower
bound is the time to sum a warm buffer of the model's size on the same threads. Models under
30 MB run on one BLAS thread, as `lstmgen generate` does it, larger ones on all: each in a
process of its own. With the peer's checkout also: its generate.py against `lstmgen
generate`, 200 words from the shell, by models of the peer's default size; lstmgen's has
been trained on the bundled stories for a while, since sampling from flat probabilities is
slowest.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import ROOT, STORIES
from benchmarks.measure import by_turns, ratios, seconds, spread
from benchmarks.report import Table
from benchmarks.texts import lay_out, stories
from benchmarks.trainings import LSTMGEN, train

SMALL = 30.0  # MB up to which one thread is the fastest
SIZES = (  # word vectors, units, vocabulary, words drawn in a turn
    (128, 192, 1_749, 300),
    (200, 200, 11_500, 200),
    (320, 640, 17_905, 60),
    (400, 1150, 33_000, 30),
)
TOGETHER = 8  # samples of a batch
WORDS = 200
STEPS = 200  # of training, of the model of the row from the shell


def megabytes(embedding: int, hidden: int, vocabulary: int) -> float:
    """Of the weights."""
    projection = 0 if hidden == embedding else hidden * embedding
    numbers = vocabulary * (embedding + 1) + 4 * hidden * (embedding + hidden + 2) + projection
    return numbers * 4 / 1e6


def child(embedding: int, hidden: int, vocabulary: int, words: int) -> None:
    """Measure one size in this process, and print the result as JSON."""
    import numpy as np
    import torch

    from benchmarks.plain import PlainModel
    from lstmgen.config.schema import SampleConfig
    from lstmgen.generation.numpy_engine import Engine
    from lstmgen.generation.sampling import draw, filter_scores, forbid
    from lstmgen.model.language_model import LanguageModel
    from lstmgen.training.devices import set_up

    set_up(torch.device("cpu"))
    torch.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))
    counts = [10_000_000 // rank for rank in range(1, vocabulary + 1)]
    model = LanguageModel(
        vocabulary, embedding_dim=embedding, hidden_sizes=[hidden], counts=counts
    ).eval()
    weights = {name: p.detach().numpy() for name, p in model.named_parameters()}
    engine = Engine(weights, vocab_size=vocabulary, hidden_sizes=[hidden], seen_once=(2,))
    plain = PlainModel(vocabulary, embedding, hidden).eval()
    pool = ThreadPoolExecutor(torch.get_num_threads())
    numbers = np.ones(sum(array.size for array in weights.values()), dtype=np.float32)
    parts = np.array_split(numbers, torch.get_num_threads())

    plainly = SampleConfig(temperature=1.0, top_p=1.0)

    def step(batch: int, sample: SampleConfig = plainly) -> float:
        generators = [np.random.default_rng(row) for row in range(batch)]
        states, word = engine.zero_states(batch), np.ones(batch, dtype=np.int64)
        start = time.perf_counter()
        for _ in range(words):
            states = engine.read(word, states)
            scores = forbid(engine.logits(states).astype(np.float64), [0])
            word = draw(filter_scores(scores, sample), generators)
        return words * batch / (time.perf_counter() - start)

    @torch.no_grad()
    def theirs() -> float:
        word, state = torch.tensor([[1]]), None
        start = time.perf_counter()
        for _ in range(words):
            read, state = plain(word, state)
            logits = plain.output(plain.projection(read[0, -1]))
            word = torch.multinomial(logits.softmax(dim=-1), 1)[None]
        return words / (time.perf_counter() - start)

    def floor() -> float:
        start = time.perf_counter()
        for _ in range(words):
            list(pool.map(np.sum, parts))
        return words / (time.perf_counter() - start)

    filtered = SampleConfig()
    sides = [
        lambda: step(1), theirs, floor, lambda: step(TOGETHER), lambda: step(1, filtered),
    ]  # fmt: skip
    print(json.dumps(by_turns(sides)))


def engine_rows() -> Iterator[tuple[str, ...]]:
    """A row for each size."""
    for size in SIZES:
        large = megabytes(*size[:3]) > SMALL
        threads = str(os.cpu_count() if large else 1)
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.generation", *map(str, size)],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            cwd=ROOT, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        one, theirs, floor, together, filtered = json.loads(done.stdout)
        yield (
            f"{size[2]:,} words, {size[1]} units, {megabytes(*size[:3]):.1f} MB, {threads} thread"
            + ("s" if large else ""),
            f"{statistics.median(one):,.0f} words/s",
            f"{statistics.median(theirs):,.0f} words/s",
            spread(ratios(one, theirs)),
            spread(ratios(floor, one)),
            spread(ratios(together, one)),
            spread(ratios(one, filtered)),
        )


def shell_row(peer: Path) -> tuple[str, ...]:
    """200 words from the shell by both programs, with models of the same size."""
    with tempfile.TemporaryDirectory() as name:
        folder, program = Path(name), peer.resolve() / "word_language_model"
        (folder / "stories.txt").write_text(stories(), encoding="utf-8")
        lay_out(folder / "stories.txt", folder / "text")
        saved, data = str(folder / "peer.pt"), ["--data", str(folder / "text")]
        subprocess.run(
            [sys.executable, "main.py", *data, "--epochs", "1", "--dry-run", "--save", saved],
            cwd=program, check=True, capture_output=True,
        )  # fmt: skip
        train("story", f"data.train={STORIES}", "model.hidden_sizes=[200,200]",
              "model.embedding_dim=200", "model.tie_weights=false", f"train.max_steps={STEPS}",
              runs=folder / "runs")  # fmt: skip
        ours = [*LSTMGEN, "generate", "--cue", "The", "--words", str(WORDS), "--stop", "words",
                "--runs-dir", str(folder / "runs")]  # fmt: skip
        theirs = [sys.executable, "generate.py", *data, "--checkpoint", saved, "--words",
                  str(WORDS), "--outf", str(folder / "out.txt")]  # fmt: skip
        mine, other = by_turns([seconds(ours), seconds(theirs, folder=program)])
    return (
        f"{WORDS} words from the shell",
        f"{statistics.median(mine):.2f} s",
        f"{statistics.median(other):.2f} s",
        spread(ratios(other, mine)),
    )


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--peer", type=Path, help="a checkout of pytorch/examples")
    parser.add_argument("--only-shell", action="store_true", help="leave the engine out")


def run(args: Namespace) -> Iterator[Table]:
    """Measure all sizes, and both programs if --peer is given."""
    heads: tuple[str, ...]
    if not args.only_shell:
        heads = ("model", "lstmgen", "nn.LSTM, word by word", "times as fast",
                 "times as long as the floor", f"gain of {TOGETHER} texts at once",
                 "times as long with temperature 0.8, top-p 0.95")  # fmt: skip
        yield Table("generation", heads, list(engine_rows()))
    if args.peer:
        heads = ("what", "lstmgen generate", "generate.py", "times as fast")
        yield Table("shell", heads, [shell_row(args.peer)])


if __name__ == "__main__":  # a size in a process of its own
    child(*map(int, sys.argv[1:]))
