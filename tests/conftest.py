"""What several test files need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from lstmgen.cli.app import app

SOAK = "LSTMGEN_SOAK" in os.environ  # `make soak`: the long versions of a few tests

# The networks here are too small to share, and waiting threads crawl on a busy machine.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
os.environ.pop("LSTMGEN_RUNS_DIR", None)
os.environ.pop("LSTMGEN_DEVICE", None)

STORY = (
    "The cat sat by the old mill. The dog ran to the river, and the cat ran to the dog.\n\n"
    '"Where is the river?" asked the dog. "It is by the mill," said the cat.\n\n'
    "The old dog sat by the river. The cat did not. It was cold by the mill, and that was that.\n\n"
)


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


def call_cli(*arguments, cwd, check=None):
    """Run the program in this process, which is faster."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="lstmgen")
    finally:
        os.chdir(before)
        torch.set_flush_denormal(False)  # the program sets it for its process; this one is ours
    if check is not None:
        assert done.exit_code == check, done.output
    return done


def train(config, *settings, cwd, name="run"):
    """Train in this process; the run folder."""
    done = call_cli("train", config, *settings, "--name", name, "-q", cwd=cwd, check=0)
    return cwd / done.stdout.strip()


def run_cli(*arguments, cwd, check=None, stdin=None, environment=None):
    """Run the program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "lstmgen", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **(environment or {})},
        check=False,
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


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
