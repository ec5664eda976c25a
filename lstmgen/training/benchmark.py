"""How fast a config trains and generates on this machine, beside what bounds it."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from lstmgen.config.loader import Loaded
from lstmgen.errors import LstmgenError
from lstmgen.runs import folders
from lstmgen.text.prepared import Progress
from lstmgen.training.build import make_ready
from lstmgen.training.checkpoints import Keeper
from lstmgen.training.costs import seconds_of, step_products
from lstmgen.training.resolve import prepare_training

WORDS = 200  # of a generation that is timed from the shell
DRAWN = 300  # words drawn for the rate of a process that is up
WARM_UP = 10  # steps that are not timed


@dataclass(frozen=True)
class Benched:
    """Rates of a config on this machine; only the properties divide.

    Attributes:
        device: where it was trained.
        parameters: trained numbers.
        seconds: of all timed steps. steps: timed. words: scored in them.
        flop: of the matrix products of one step. products: seconds of those alone.
        shell: seconds of a command that generates ``WORDS`` words.
        drawing: seconds of one drawn word. floor: seconds to sum as many bytes as the
            model has, warm, in the same process.
        weights: bytes of the model.
    """

    device: str
    parameters: int
    seconds: float
    steps: int
    words: int
    flop: int
    products: float
    shell: float
    drawing: float
    floor: float
    weights: int

    @property
    def step_seconds(self) -> float:
        """Of one training step."""
        return self.seconds / self.steps

    @property
    def words_per_second(self) -> float:
        """Scored in training."""
        return self.words / self.seconds

    @property
    def gflop_per_second(self) -> float:
        """Of the step's products, over the whole step."""
        return self.flop / self.step_seconds / 1e9

    @property
    def share_of_products(self) -> float:
        """Of a step's time that the products alone take."""
        return self.products / self.step_seconds

    @property
    def share_of_floor(self) -> float:
        """Of the time of a drawn word that reading all weights once takes."""
        return self.floor / self.drawing


def bench(loaded: Loaded, *, seconds: float, progress: Progress | None = None) -> Benched:
    """Train a config for some seconds in a folder that is thrown away, and let it generate.

    Args:
        seconds: of training that are timed, after some steps of warm-up.
        progress: told of how much of the text is read.
    """
    data = loaded.config.data.model_copy(update={"copy_index": False})
    sample = loaded.config.sample.model_copy(update={"cues": []})
    config = loaded.config.model_copy(update={"data": data, "sample": sample})
    loaded = replace(loaded, config=config)
    with tempfile.TemporaryDirectory(prefix="lstmgen-bench-") as name:
        runs = Path(name)
        loaded, corpus = prepare_training(loaded, runs, progress=progress)
        config = loaded.config
        ready = make_ready(config, corpus)
        steps, words, taken = 0, 0, 0.0
        for report in ready.steps(until=sys.maxsize, schedule_steps=ready.until):
            if report.step > WARM_UP:
                steps, words = steps + 1, words + report.words
                taken += report.seconds
            if taken >= seconds:
                break
        run, fit, model = folders.create_run(runs, "bench"), ready.fit, ready.trainee.model
        products = fit.accumulate * step_products(
            model, batch=fit.batch_size, window=fit.window, stride=fit.stride, bf16=ready.bf16
        )
        list(Keeper(run, config, corpus, fit, schedule_steps=ready.until).save(ready.trainee))
        step = folders.find_step(run, runs)
        drawn = json.loads(_run("lstmgen.generation.speed", str(step), str(DRAWN)))
        begun = time.perf_counter()
        _run("lstmgen", "generate", str(run), "-q", "--cue", "", "--words", str(WORDS))
        shell = time.perf_counter() - begun
        return Benched(
            device=ready.device,
            parameters=sum(p.numel() for p in model.parameters()),
            seconds=taken,
            steps=steps,
            words=words,
            flop=sum(product.flop for product in products),
            products=seconds_of(products, model.device),
            shell=shell,
            drawing=drawn["seconds"],
            floor=drawn["floor"],
            weights=int(drawn["bytes"]),
        )


def _run(module: str, *arguments: str) -> str:
    """What a module prints as a program of its own."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise LstmgenError(f"{module} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode()
