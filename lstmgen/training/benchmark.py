"""How fast a config trains and generates on this machine, beside what bounds it.

    python -m lstmgen.training.benchmark STEP-FOLDER WORDS

prints, as JSON, what ``time_generation`` measures in a process that has not loaded torch.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lstmgen.config.loader import Loaded
from lstmgen.config.schema import SampleConfig
from lstmgen.errors import LstmgenError
from lstmgen.generation.constraints import History
from lstmgen.generation.load import load_generator
from lstmgen.generation.sampling import draw, filter_scores
from lstmgen.generation.stepping import next_scores
from lstmgen.runs import folders
from lstmgen.text.prepared import Progress
from lstmgen.training.resolve import prepare_training

SHELL_WORDS = 200  # of a generation that is timed from the shell
DRAWN = 300  # words drawn for the rate of a process that is up
WARM_UP = 10  # steps that are not timed


@dataclass(frozen=True)
class BenchmarkResult:
    """Rates of a config on this machine; only the properties divide.

    Attributes:
        device: where it was trained.
        parameters: trained numbers.
        seconds: of all timed steps. steps: timed. words: scored in them.
        flop: of the matrix products of one step. products: seconds of those alone.
        shell: seconds of a command that generates ``shell_words`` words.
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
    shell_words: int
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
    def share_of_products(self) -> float:
        """Of a step's time that the products alone take."""
        return self.products / self.step_seconds

    @property
    def share_of_floor(self) -> float:
        """Of the time of a drawn word that reading all weights once takes."""
        return self.floor / self.drawing


def bench(loaded: Loaded, *, seconds: float, progress: Progress | None = None) -> BenchmarkResult:
    """Train a config for some seconds in a folder that is thrown away, and let it generate.

    Args:
        seconds: of training that are timed, after some steps of warm-up.
        progress: told of how much of the text is read.
    """
    # torch, which a process that times generation does without
    from lstmgen.training.build import build_training
    from lstmgen.training.checkpoints import CheckpointManager
    from lstmgen.training.costs import seconds_of, step_products

    data = loaded.config.data.model_copy(update={"copy_index": False})
    sample = loaded.config.sample.model_copy(update={"cues": []})
    config = loaded.config.model_copy(update={"data": data, "sample": sample})
    loaded = replace(loaded, config=config)
    with tempfile.TemporaryDirectory(prefix="lstmgen-bench-") as name:
        runs = Path(name)
        loaded, corpus = prepare_training(loaded, runs, progress=progress)
        config = loaded.config
        setup = build_training(config, corpus)
        steps, words, taken = 0, 0, 0.0
        for report in setup.steps(until=sys.maxsize, schedule_steps=setup.until):
            if report.step > WARM_UP:
                steps, words = steps + 1, words + report.words
                taken += report.seconds
            if taken >= seconds:
                break
        run, fit, model = folders.create_run(runs, "bench"), setup.fit, setup.state.model
        products = fit.accumulate * step_products(
            model, batch=fit.batch_size, window=fit.window, stride=fit.stride, bf16=setup.bf16
        )
        list(
            CheckpointManager(run, config, corpus, fit, schedule_steps=setup.until).save(
                setup.state
            )
        )
        step = folders.find_step(run, runs)
        drawn = json.loads(_run("lstmgen.training.benchmark", str(step), str(DRAWN)))
        begun = time.perf_counter()
        _run("lstmgen", "generate", str(run), "-q", "--cue", "", "--words", str(SHELL_WORDS))
        shell = time.perf_counter() - begun
        return BenchmarkResult(
            device=setup.device,
            parameters=sum(p.numel() for p in model.parameters()),
            seconds=taken,
            steps=steps,
            words=words,
            flop=sum(product.flop for product in products),
            products=seconds_of(products, model.device),
            shell=shell,
            shell_words=SHELL_WORDS,
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


def time_generation(step: Path, words: int) -> dict[str, float]:
    """Draw some words, and sum the weights' bytes.

    Returns:
        ``seconds`` of a word; ``floor``, those of summing as many ``bytes`` as the model has,
        which is the least that reading all weights once takes.
    """
    generator, found = load_generator(step, step.parent, copies=False)
    engine, sample = generator.engine, SampleConfig(temperature=1.0, top_p=1.0)
    drawn, generators = np.zeros(1, dtype=np.int64), [np.random.default_rng(0)]
    states, constraints = engine.zero_states(1), generator.constraints(sample)
    history = History(constraints, vocabulary=generator.vocabulary)
    begun = 0.0
    for number in range(-10, words):
        if number == 0:
            begun = time.perf_counter()
        states = engine.read(drawn, states)
        scores = next_scores(engine.logits(states), [history], constraints)
        drawn = draw(filter_scores(scores, sample), generators)
    seconds = (time.perf_counter() - begun) / words
    numbers = sum(a.size for a in found.read_tensors("model.safetensors").values())
    buffer, sums = np.ones(numbers, dtype=np.float32), []
    for _ in range(10):
        begun = time.perf_counter()
        buffer.sum()
        sums.append(time.perf_counter() - begun)
    return {"seconds": seconds, "floor": min(sums), "bytes": float(buffer.nbytes)}


if __name__ == "__main__":
    print(json.dumps(time_generation(Path(sys.argv[1]), int(sys.argv[2]))))
