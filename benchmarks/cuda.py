"""What a GPU computes, and how fast: run once wherever there is one.

    python -m benchmarks cuda [--peer ../examples] [--text input.txt] [--base-text FOLDER] [--write]

Checks, each with the figure it rests on: losses of the CPU and the GPU over 50 steps, for all
cells, windows, outputs and averages; a resumed run, bit by bit; checkpoints of one device on the
other; bfloat16 against float32; NCCL with one rank; a network that is larger than the memory.
Rates: the dense and the many-to-one preset, with the share of the counted arithmetic; fine-tuning;
word_language_model with --accel at its defaults and at 2 x 1500 tied (with --peer and --text); a
base (with --base-text). Nothing is downloaded. The exit code is 1 if a check fails.

--device cpu tries the script without a GPU, --quick with short trainings.
"""

import json
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from benchmarks.dense import SIZES, Peer
from benchmarks.report import Table
from benchmarks.texts import lay_out
from benchmarks.trainings import LSTMGEN, train
from lstmgen.config.loader import load
from lstmgen.config.schema import TrainConfig
from lstmgen.evaluation.perplexity import evaluate
from lstmgen.evaluation.score_checkpoint import open_scoring
from lstmgen.model.dropout_masks import Masks
from lstmgen.model.language_model import LanguageModel
from lstmgen.runs.bundled import find_config
from lstmgen.training.build import build_training
from lstmgen.training.complete_config import prepare_training
from lstmgen.training.distributed import World
from lstmgen.training.loss_module import make_replica
from lstmgen.windows.plans import StreamPlan

SMALL = ("model.hidden_sizes=[48,32]", "model.embedding_dim=40", "train.batch_size=16",
         "train.learning_rate=3e-3", "train.warmup_steps=0", "train.epochs=5")  # fmt: skip
DENSE = ("train.window=20", "train.stride=20")
KINDS = {
    **{f"{cell}, many-to-one": (f"model.cell={cell}",)
       for cell in ("elman", "gru", "lstm", "lstm_peephole")},
    **{f"{cell}, dense": (f"model.cell={cell}", *DENSE)
       for cell in ("elman", "gru", "lstm", "lstm_peephole")},
    "adaptive, dense": ("model.output=adaptive", "model.tie_weights=false", *DENSE),
    "one-hot, random windows": ("model.input=one_hot", "model.tie_weights=false",
                                "train.order=random"),
    "accumulated, exponential average": ("train.accumulate=2", "train.average=ema"),
    "mean of the last weights": ("train.average=swa", "train.average_start=0.1"),
}  # fmt: skip
TOLERANCE, HALF = 1e-4, 0.005  # relative, of losses; of perplexities in bfloat16
LARGE = ("model.hidden_sizes=[1500,1500]", "model.embedding_dim=1500", "model.tie_weights=true")
ALONE = ("train.report=null", "sample.temperature=0.8", "sample.cues=[]")  # nothing but steps
Row = tuple[str, str, str]


class Device:
    """Trainings on a device and on the CPU."""

    def __init__(self, name: str, *, quick: bool, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.steps, self.rate_steps, self.long = (6, 8, 8) if quick else (50, 300, 1000)
        self.seconds = ("--seconds", "0.5") if quick else ()
        self.minutes = "train.max_minutes=0.02" if quick else "train.max_minutes=2"

    def check(self, name: str, found: float, limit: float, *, words: str = "") -> Row:
        """A row with a figure and whether it is within its limit."""
        shown = words or f"{found:.1e} (at most {limit:.0e})"
        return name, shown, "passed" if found <= limit else "FAILED"

    def losses(self, device: str, *settings: str) -> list[float]:
        """Nats per word of the first steps in float32, and of the averaged weights."""
        overrides = [f"train.device={device}", "train.precision=fp32", *SMALL, *settings]
        loaded = load(find_config("story"), overrides)
        loaded, corpus = prepare_training(loaded, self.folder / "runs")
        setup = build_training(loaded.config, corpus)
        reports = setup.steps(until=self.steps, schedule_steps=setup.until)
        found = [report.nats / report.words for report in reports]
        with setup.state.averaged() as model:
            found.append(float(sum(p.detach().double().abs().sum() for p in model.parameters())))
        return found

    def equal_losses(self) -> Iterator[Row]:
        """Losses of the CPU and of the device."""
        for name, settings in KINDS.items():
            ours, theirs = self.losses("cpu", *settings), self.losses(self.name, *settings)
            far = max(abs(a - b) / a for a, b in zip(ours, theirs, strict=True))
            yield self.check(f"losses over {self.steps} steps: {name}", far, TOLERANCE)

    def resumed(self) -> Iterator[Row]:
        """An interrupted run ends with the bytes of one that was not."""
        command = [*LSTMGEN, "check", "--resume", "story", "--json", f"train.device={self.name}",
                   *SMALL, "train.average=ema"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        words = done.stderr.strip().splitlines()[-1:] or ["equal"]
        yield self.check("a resumed run, bit by bit", done.returncode, 0,
                         words="equal" if done.returncode == 0 else words[0])  # fmt: skip

    def crossed(self) -> Iterator[Row]:
        """Checkpoints of one device, resumed and scored on the other."""
        for first, second in ((self.name, "cpu"), ("cpu", self.name)):
            steps = f"train.max_steps={self.steps}"
            settings = (*SMALL, *ALONE, steps, f"train.device={first}", "train.epochs=null",
                        "train.schedule=constant")  # fmt: skip
            run = train("story", *settings, runs=self.folder / "runs").run
            scores = [self.score(run, device) for device in (first, second)]
            far = abs(scores[0] - scores[1]) / scores[0]
            yield self.check(f"perplexity of a checkpoint of {first} on {second}", far, TOLERANCE)
            command = [*LSTMGEN, "train", "--resume", str(run), "-q", f"train.device={second}",
                       f"train.max_steps={self.steps + 5}"]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            yield self.check(f"a run of {first}, resumed on {second}", done.returncode, 0,
                             words=done.stderr.strip()[-200:] or "trains on")  # fmt: skip

    def score(self, run: Path, device: str) -> float:
        """The validation perplexity of a run, computed on a device."""
        scoring = open_scoring(run, text=None, split="valid", runs=run.parent)
        unknown = scoring.loaded.vocabulary.unknown_id
        return evaluate(scoring.model.to(device), scoring.part, unknown_id=unknown).perplexity

    def halved(self) -> Iterator[Row]:
        """Perplexity in bfloat16 and float32 after equal steps."""
        steps = f"train.max_steps={self.long}"
        fp32, bf16 = (
            train("dense", f"train.device={self.name}", f"train.precision={kind}", steps,
                  "train.max_minutes=null", *ALONE, runs=self.folder / "runs").best
            for kind in ("fp32", "bf16")
        )  # fmt: skip
        yield self.check("perplexity in bfloat16 beside float32", bf16 / fp32 - 1, HALF,
                         words=f"{bf16:.2f} beside {fp32:.2f}")  # fmt: skip

    def one_rank(self) -> Iterator[Row]:
        """The gradient that DDP averages over one rank is the gradient."""
        backend = "nccl" if self.name == "cuda" else "gloo"
        place = f"file://{self.folder / 'store'}"
        torch.distributed.init_process_group(backend, init_method=place, rank=0, world_size=1)
        try:
            model = LanguageModel(50, embedding_dim=8, hidden_sizes=[12]).to(self.name)
            # The second is wrapped for several ranks, in a group of one.
            replicas = [make_replica(model, World(size=size), None) for size in (1, 2)]
            alone, shared = (_gradients(replica, model) for replica in replicas)
            far = max(float((a - b).abs().max()) for a, b in zip(alone, shared, strict=True))
        finally:
            torch.distributed.destroy_process_group()
        yield self.check(f"gradients by {backend} with one rank", far, 1e-6)

    def too_large(self) -> Iterator[Row]:
        """A network that no memory can hold ends with one message."""
        start = time.perf_counter()
        command = [*LSTMGEN, "train", "story", "-q", f"train.device={self.name}",
                   "model.hidden_sizes=[65536,65536]", f"--runs-dir={self.folder}"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        good = done.returncode in (1, 2) and len(lines) == 1 and "memory" in lines[0]
        yield self.check("a network larger than the memory is refused", not good, 0,
                         words=f"after {time.perf_counter() - start:.1f} s")  # fmt: skip

    def rates(self) -> Iterator[Row]:
        """Words per second of the presets, and the share of the counted arithmetic."""
        for preset in ("story", "dense"):
            command = [*LSTMGEN, "bench", preset, "--json", *self.seconds,
                       f"train.device={self.name}"]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            rate, flops = found["training_words_per_second"], found["step_flop"]
            yield (f"training, {preset} preset", f"{rate:,.0f} words/s",
                   f"{flops / found['step_seconds'] / 1e12:.2f} TFLOP/s")  # fmt: skip
        start = time.perf_counter()
        train("tuned", f"train.device={self.name}", self.minutes, runs=self.folder / "runs")
        yield "fine-tuning, tuned preset, whole command", f"{time.perf_counter() - start:.0f} s", ""

    def base(self, text: Path) -> Iterator[Row]:
        """A base model, trained for some minutes."""
        done = train("base", f"data.train={text}", f"train.device={self.name}", self.minutes,
                     "data.valid=null", "data.valid_fraction=0.05", *ALONE,
                     runs=self.folder / "runs")  # fmt: skip
        yield ("training, base preset", f"{done.rate(1):,.0f} words/s",
               f"perplexity {done.best:.1f} after {done.minutes:.1f} min")  # fmt: skip

    def beside_peer(self, checkout: Path, text: Path) -> Iterator[Row]:
        """word_language_model at its defaults and at 2 x 1500 tied."""
        lay_out(text.resolve(), self.folder / "text")
        parts = [f"data.train={self.folder / 'text' / 'train.txt'}", "data.valid_fraction=0",
                 f"data.vocabulary={self.folder / 'text' / 'vocabulary.txt'}"]  # fmt: skip
        flags = ["--accel"] if self.name == "cuda" else []
        large = ["--nhid", "1500", "--emsize", "1500", "--tied"]
        for name, options, sizes in (("its defaults", [], ()), ("2 x 1500, tied", large, LARGE)):
            peer = Peer(checkout, self.folder / "text", self.folder)
            peer.arguments += [*flags, *options]
            theirs = peer.rate()
            steps = f"train.max_steps={self.rate_steps}"
            ours = train(None, *parts, *SIZES, *sizes, *ALONE, steps, f"train.device={self.name}",
                         runs=self.folder / "runs").step_rate(self.rate_steps // 4)  # fmt: skip
            yield (f"word_language_model, {name}: {theirs:,.0f} words/s",
                   f"{ours:,.0f} words/s", f"{ours / theirs:.2f} times")  # fmt: skip


def _gradients(replica: nn.Module, model: LanguageModel) -> list[torch.Tensor]:
    """The gradients of one window, through a replica."""
    ids = (torch.arange(400) * 7 % 50).numpy().astype("uint32")
    plan = StreamPlan(len(ids), window=10, stride=10, batch_size=4)
    window = plan.micro_batches(ids, epoch=0, step=0)[0]
    masks = Masks(0, 0, range(4), dtype=model.dtype, device=model.device)
    model.zero_grad(set_to_none=True)
    loss, _, _ = replica(
        window, model.zero_states(4), carries=True, masks=masks, settings=TrainConfig(), bf16=False
    )
    loss.backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="short trainings, to try the script")
    parser.add_argument("--peer", type=Path, help="a checkout of pytorch/examples")
    parser.add_argument("--text", type=Path, help="a text for --peer")
    parser.add_argument("--base-text", type=Path, help="a folder of texts for a base model")
    parser.add_argument("--only", help="a part, by its name in Device, as in equal_losses")


def run(args: Namespace) -> list[Table]:
    """Check and measure; the process ends with code 1 if a check fails."""
    if args.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "torch sees no CUDA GPU. To try the script without one: --device cpu --quick"
        )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        device = Device(args.device, quick=args.quick, folder=Path(folder))
        parts: list[Callable[[], Iterator[Row]]] = [
            device.equal_losses, device.resumed, device.crossed, device.halved, device.one_rank,
            device.too_large, device.rates,
        ]  # fmt: skip
        if args.base_text:
            parts.append(lambda: device.base(args.base_text.resolve()))
        if args.peer and args.text:
            parts.append(lambda: device.beside_peer(args.peer, args.text))
        for part in parts:
            if args.only in (None, getattr(part, "__name__", "")):
                for row in part():
                    print(*row, sep=" | ", file=sys.stderr, flush=True)
                    rows.append(row)
    if any(row[2] == "FAILED" for row in rows):
        print("a check has failed", file=sys.stderr)
        sys.exit(1)
    return [Table("cuda", ("what", "figure", "verdict, or share"), rows)]
