"""The fixtures that several test files need."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lstmgen.evaluation import choose_sampling
from lstmgen.reporting import run_page
from tests.helpers.program import call_cli
from tests.helpers.scenes import STORY, make_trained, write_story

# The networks here are too small to share, and waiting threads crawl on a busy machine.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
# Programs that the tests start hear signals even where this process was started to ignore them, as
# by nohup: a handler, unlike being ignored, is not inherited.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda number, frame: None)
os.environ.pop("LSTMGEN_RUNS_DIR", None)
os.environ.pop("LSTMGEN_DEVICE", None)
# Every training ends with a choice of the temperature, for which few samples do here.
choose_sampling.SAMPLES = 4
# And with a page, for which a short sample and few scored words do.
run_page.ORIGIN_WORDS, run_page.MAX_SCORED = 3, 20


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A text of some 600 tokens that a tiny network learns at once."""
    path = tmp_path / "story.txt"
    path.write_text(STORY * 8, encoding="utf-8")
    return path


@pytest.fixture
def tiny(tmp_path: Path, story: Path) -> Path:
    """A config that trains in a moment, with everything on that draws random numbers."""
    path = tmp_path / "tiny.yaml"
    path.write_text(
        f"""
data: {{train: {story.name}, valid_fraction: 0.2}}
model:
  hidden_sizes: [12, 8]
  embedding_dim: 8
  dropout: {{input: 0.3, hidden: 0.3, output: 0.3}}
train:
  {{window: 6, stride: 2, batch_size: 4, accumulate: 2, epochs: 2, learning_rate: 1e-2,
   eval_every: 10, device: cpu}}
sample: {{cues: ["The cat"], words: 8}}
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a text, a config and one finished run, ``runs/first``."""
    return make_trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def parrot(tmp_path_factory):
    """A folder with a model that has learnt its text by heart."""
    folder = tmp_path_factory.mktemp("parrot")
    write_story(
        folder,
        "data: {train: story.txt, valid_fraction: 0}\n"
        "model: {hidden_sizes: [32], embedding_dim: 16,\n"
        "        dropout: {input: 0, hidden: 0, output: 0}}\n"
        "train: {window: 8, stride: 1, batch_size: 4, epochs: 40, learning_rate: 2e-2}\n",
        times=1,
    )
    call_cli("train", "my.yaml", "-q", cwd=folder, check=0)
    return folder


@pytest.fixture
def processes():
    """Start the program beside the test; whatever still runs at the end is killed."""
    started = []

    def start(*arguments, cwd):
        process = subprocess.Popen(
            [sys.executable, "-m", "lstmgen", *map(str, arguments)],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
