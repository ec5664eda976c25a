"""Dense training against pytorch/examples' word_language_model at its defaults.

    python -m benchmarks dense --peer ../examples --text Shakespeare=input.txt --text Brown=brown
        words per second, by turns of both programs
    ... --epochs 6
        instead: validation perplexity after that number of epochs on both sides, and how long
        lstmgen takes to reach the peer's

Both sides read the same tokens on one line with one vocabulary; sizes, batch, window,
dropout and threads are the peer's: LSTM 2 x 200, word vectors of 200, not tied, 20
sequences of 35 words, 0.2. The peer is its own unchanged main.py (plain SGD at 20,
divided by 4 when validation gets worse); lstmgen uses AdamW. Perplexities are measured at these
sizes with more dropout, and with a smaller tied network, which reaches the peer's perplexity
fastest. A text is a plain file or a folder with train.txt and valid.txt.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import by_turns, compared
from benchmarks.report import Table
from benchmarks.texts import lay_out
from benchmarks.trainings import Trained, train

TURNS, WARM_STEPS, STEPS, INTERVALS, INTERVAL = 2, 20, 120, 4, 25
WORDS = 20 * 35  # of one step
SIZES = (
    "data.tokenizer=whitespace", "model.hidden_sizes=[200,200]", "model.embedding_dim=200",
    "model.tie_weights=false", "model.dropout.input=0.2", "model.dropout.hidden=0.2",
    "model.dropout.output=0.2", "train.window=35", "train.batch_size=20", "data.copy_index=false",
)  # fmt: skip
ADAPTIVE = ("model.output=adaptive",)
WAYS = (
    ("exact softmax, bf16", ("train.precision=bf16",)),
    ("exact softmax, fp32", ("train.precision=fp32",)),
    ("adaptive softmax, bf16", ("train.precision=bf16", *ADAPTIVE)),
)
LEARNING = (
    "train.learning_rate=1.5e-2", "model.dropout.input=0.3", "model.dropout.output=0.4",
)  # fmt: skip
QUICK = (
    "model.tie_weights=true", "model.hidden_sizes=[224]", "model.embedding_dim=110",
    "train.learning_rate=1.5e-2", "model.dropout.input=0.1",
)  # fmt: skip


class Peer:
    """The other program, in its own process."""

    def __init__(self, checkout: Path, text: Path, work: Path) -> None:
        self.folder = checkout.resolve() / "word_language_model"
        self.arguments = [sys.executable, "main.py", "--data", str(text), "--save"]
        self.arguments.append(str(work / "peer.pt"))

    def rate(self) -> float:
        """Words scored per second over intervals of its log, without the first."""
        command = [*self.arguments, "--epochs", "1", "--log-interval", str(INTERVAL)]
        times: list[float] = []
        with subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as process:
            for line in process.stdout or ():
                found = re.search(r"ms/batch +([0-9.]+)", line)
                if found:
                    times.append(float(found[1]))
                if len(times) > INTERVALS:
                    process.kill()
                    break
        return WORDS / (statistics.mean(times[1:]) / 1000)

    def learn(self, epochs: int) -> tuple[list[float], list[float]]:
        """Seconds of training and validation perplexity after each epoch."""
        done = subprocess.run(
            [*self.arguments, "--epochs", str(epochs), "--log-interval", "1000000"],
            cwd=self.folder, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        ends = re.findall(r"end of epoch .*?time: +([0-9.]+)s.*?valid ppl +([0-9.]+)", done.stdout)
        seconds = [float(second) for second, _ in ends]
        return [sum(seconds[: n + 1]) for n in range(len(ends))], [float(p) for _, p in ends]


class Ours:
    """lstmgen, in its own process."""

    def __init__(self, text: Path, work: Path) -> None:
        self.text, self.work = text, work

    def train(self, *settings: str, valid: bool) -> Trained:
        """Train, with or without a held-out text."""
        texts = [f"data.train={self.text / 'train.txt'}"]
        texts.append(f"data.vocabulary={self.text / 'vocabulary.txt'}")
        texts.append(f"data.valid={self.text / 'valid.txt'}" if valid else "data.valid_fraction=0")
        return train(None, *texts, *SIZES, *settings, runs=self.work / "runs")

    def rate(self, *settings: str) -> float:
        """Words scored per second, without the warm-up."""
        trained = self.train(*settings, f"train.max_steps={STEPS}", valid=False)
        return trained.step_rate(WARM_STEPS + 1)


def speed_rows(name: str, peer: Peer, ours: Ours) -> list[tuple[str, ...]]:
    """Table rows: all our variants and the peer, by turns."""
    sides: list[Callable[[], float]] = [peer.rate]
    sides += [partial(ours.rate, *settings) for _, settings in WAYS]
    theirs, *each = by_turns(sides, turns=TURNS)
    return [
        (f"{name}, {way}", *compared(mine, theirs, "words/s"))
        for (way, _), mine in zip(WAYS, each, strict=True)
    ]


def quality_rows(name: str, peer: Peer, ours: Ours, epochs: int) -> list[tuple[str, ...]]:
    """Table rows: perplexities after some epochs, and the time to reach the peer's."""
    seconds, perplexities = peer.learn(epochs)
    goal = min(perplexities)
    whole = f"{seconds[-1]:,.0f} s"
    rows: list[tuple[str, ...]]
    rows = [(f"{name}, word_language_model", f"{epochs}", f"{goal:.1f}", whole, "1.0")]
    print(json.dumps([*rows[0], seconds, perplexities]), file=sys.stderr)
    runs = [
        (f"its sizes, {way}", epochs, (*settings, *LEARNING))
        for way, settings in WAYS
        if "fp32" not in way  # the study precision compares the two
    ]
    runs += [("tied, 110 and 224 numbers", 2, QUICK)]
    for way, count, settings in runs:
        start = time.perf_counter()
        best = ours.train(*settings, f"train.epochs={count}", valid=True).best
        took = time.perf_counter() - start
        reached = f"{seconds[-1] / took:.1f}" if best <= goal else "not reached"
        rows.append(
            (f"{name}, lstmgen, {way}", f"{count}", f"{best:.1f}", f"{took:,.0f} s", reached)
        )
        print(json.dumps(rows[-1]), file=sys.stderr)
    return rows


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--peer", type=Path, required=True, help="a checkout of pytorch/examples")
    parser.add_argument("--text", action="append", required=True, help="NAME=file or folder")
    parser.add_argument("--epochs", type=int, help="compare perplexities after these epochs")


def run(args: Namespace) -> list[Table]:
    """Measure speed, or quality with --epochs."""
    rows: list[tuple[str, ...]] = []
    for text in args.text:
        name, _, source = text.partition("=")
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            lay_out(Path(source).resolve(), work / "text")
            peer, ours = Peer(args.peer, work / "text", work), Ours(work / "text", work)
            if args.epochs:
                rows += quality_rows(name, peer, ours, args.epochs)
            else:
                rows += speed_rows(name, peer, ours)
    if args.epochs:
        heads = ("program", "epochs", "validation perplexity", "time",
                 "times as fast to the peer's")  # fmt: skip
        texts = " ".join(text.partition("=")[0] for text in args.text)
        return [Table(f"dense quality, {texts}", heads, rows)]
    return [Table("dense", ("what", "lstmgen", "word_language_model", "ratio (range)"), rows)]
