"""Several processes train as one does, and fall together where one falls."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch

from lstmgen.errors import UsageError
from lstmgen.runs import checkpoint
from lstmgen.training import distributed
from tests.helpers import SOAK, ranked
from tests.helpers.program import call_cli, train
from tests.helpers.ranked import CASES, COMPRESSED, train_case
from tests.helpers.scenes import checkpoints_of, deep_compare, last, progress_of, wait_for

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone")
CALM = {"TORCH_CPP_LOG_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"}


def torchrun(*arguments, cwd, ranks=2, options=(), environment=None, timeout=120):
    """Start the program on several ranks and wait for its end."""
    return subprocess.run(
        [*TORCHRUN, "--nproc-per-node", str(ranks), *options, *map(str, arguments)],
        cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**os.environ, **CALM, **(environment or {})}, timeout=timeout,
    )  # fmt: skip


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    """Every case of ranked.py by two ranks, in one start."""
    folder = tmp_path_factory.mktemp("ranks")
    done = torchrun(ranked.__file__, folder, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_t31_two_ranks_are_one(by_two, name):
    """Losses, weights, averages and carried states of 20 steps, to 1e-12; the ranks' weights are
    bit-equal after every one. By whole micro-batches and by rows, uneven ones too."""
    alone = train_case(name)
    with np.load(by_two / f"{name}.npz") as both:
        assert set(both) == set(alone)
        for key in both:
            np.testing.assert_allclose(both[key], alone[key], rtol=0, atol=1e-12, err_msg=key)
    assert len(alone["nats"]) == 20


@pytest.mark.slow
@pytest.mark.parametrize(("compression", "off"), [("bf16", 1e-3), ("powersgd", 0.02)])
def test_t31_compressed_gradients_keep_the_ranks_equal(by_two, compression, off):
    """They are other gradients than in full, near them, and the same on all ranks: ranked.py
    compares the ranks' weights after every step. The first two steps of powersgd are in full."""
    full, rounded = (np.load(by_two / f"{name}.npz")["nats"] for name in (COMPRESSED, compression))
    np.testing.assert_allclose(rounded, full, rtol=0, atol=off)
    assert rounded[0] == full[0] and (rounded[3:] != full[3:]).all()
    exact = slice(0, 3) if compression == "powersgd" else slice(0, 1)
    np.testing.assert_allclose(rounded[exact], full[exact], rtol=0, atol=1e-12)
    assert rounded[-1] < rounded[0]  # it learns


@pytest.mark.slow
def test_t31_a_run_goes_on_with_another_number_of_ranks(tiny, tmp_path):
    """Begun by two, gone on with by one, ended by two: the losses of one alone, and one speaks
    for both."""
    settings = ("train.precision=fp32", "train.max_steps=40", "train.eval_every=20",
                "train.schedule=constant", "train.warmup_steps=0")  # fmt: skip
    done = torchrun("-m", "lstmgen", "train", tiny, *settings, "train.max_steps=20",
                    "--name", "both", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = tmp_path / done.stdout.strip()
    assert len(done.stdout.splitlines()) == 1 and done.stderr.count("lstmgen train\n") == 1
    assert json.loads((run / "environment.json").read_text())["ranks"] == 2
    assert re.search(r"  shared by +2 ranks, each ", done.stderr)
    call_cli("train", "--resume", run, "train.max_steps=30", "-q", cwd=tmp_path, check=0)
    done = torchrun("-m", "lstmgen", "train", "--resume", run, "train.max_steps=40", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    straight = train(tiny, *settings, cwd=tmp_path, name="straight")
    nats = [
        [float(line.split(",")[3]) for line in (each / "metrics.csv").read_text().splitlines()[1:]]
        for each in (run, straight)
    ]
    np.testing.assert_allclose(nats[0], nats[1], rtol=0, atol=1e-5)
    assert progress_of(last(run))["step"] == progress_of(last(straight))["step"] == 40


@pytest.mark.slow
def test_t31_two_ranks_start_from_a_base_as_one_does(tiny, tmp_path):
    """Weights after 20 steps to 1e-5, and what the checkpoint says that it came from."""
    base = train(tiny, "train.max_steps=10", cwd=tmp_path, name="base")
    settings = (f"train.init_from={base}", "train.precision=fp32", "train.max_steps=20",
                "data.vocabulary_from=both")  # fmt: skip
    done = torchrun("-m", "lstmgen", "train", tiny, *settings, "--name", "both", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("before training") == 1
    alone = train(tiny, *settings, cwd=tmp_path, name="alone")
    steps = [
        checkpoint.open_checkpoint(last(run)) for run in (tmp_path / done.stdout.strip(), alone)
    ]
    weights = [step.read_tensors(checkpoint.MODEL) for step in steps]
    for name in weights[1]:
        np.testing.assert_allclose(weights[0][name], weights[1][name], rtol=0, atol=1e-5)
    assert steps[0].read_origin() == steps[1].read_origin()


@pytest.mark.slow
@pytest.mark.soak
def test_t27_a_killed_rank_ends_the_other_and_the_restart_ends_the_same(tiny, tmp_path):
    """kill -9 of one rank: torchrun starts both anew, which go on from the newest checkpoint.

    Ten kills at random times, of either rank, in the long version; one in the short one.
    """
    kills, draw = 10 if SOAK else 1, random.Random(0)
    settings = (f"train.epochs={60 if SOAK else 10}", "train.eval_every=50",
                "train.save_every=10", "sample.cues=[]")  # fmt: skip
    arguments = ("-m", "lstmgen", "train", tiny, *settings)
    whole = torchrun(*arguments, "--name", "whole", "-q", cwd=tmp_path, timeout=600)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(
        [*TORCHRUN, "--nproc-per-node", "2", "--max-restarts", str(kills + 2), *map(str, arguments),
         "--name", "cut", "-q"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **CALM},
    )  # fmt: skip
    try:
        run = tmp_path / process.stdout.readline().strip()
        wait_for(lambda: (checkpoints_of(run) / "index.json").exists())
        for number in range(kills):
            if number:  # started anew, they name the run again
                assert process.stdout.readline().strip() == str(run.relative_to(tmp_path))
            time.sleep(draw.uniform(0, 0.3))
            os.kill(rank_process(process.pid, draw.randrange(2) if number else 1), signal.SIGKILL)
        _, messages = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, messages
    deep_compare(tmp_path / whole.stdout.strip(), run)
    assert len(list((tmp_path / "runs").glob("cut-*"))) == 1
    assert "Traceback" not in messages.partition("torch.distributed.elastic")[0]


def rank_process(agent, rank):
    """The process of a rank, by what torchrun has put into its environment."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            settings = (path / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if parent == agent and f"RANK={rank}".encode() in settings:
            return int(path.name)
    raise AssertionError("no such rank")


@pytest.mark.slow
def test_t30_a_signal_stops_all_ranks_at_one_step(tiny, tmp_path):
    """torchrun passes SIGTERM on; the run is saved once and goes on by one."""
    process = subprocess.Popen(
        [*TORCHRUN, "--nproc-per-node", "2", "-m", "lstmgen", "train", str(tiny),
         "train.epochs=100000", "train.eval_every=1000000"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, **CALM},
    )  # fmt: skip
    try:
        run = tmp_path / process.stdout.readline().strip()
        wait_for(lambda: (run / "log.txt").exists() and "one step" in (run / "log.txt").read_text())
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        _, messages = process.communicate(timeout=60)
    finally:
        process.kill()
    assert f"lstmgen train --resume {run.relative_to(tmp_path)}" in messages
    step = progress_of(last(run))["step"]
    assert step > 0
    call_cli("train", "--resume", run, f"train.max_steps={step + 2}", "-q", cwd=tmp_path, check=0)


@pytest.mark.slow
def test_t29_more_ranks_than_streams_are_one_message(tiny, tmp_path):
    """From one rank, without a hang, with nothing left behind."""
    settings = ("train.batch_size=1", "train.accumulate=1")
    done = torchrun("-m", "lstmgen", "train", tiny, *settings, cwd=tmp_path)
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0 and len(told) == 1
    assert "error: 2 ranks have 1 sequence to share: train.batch_size (1) must be" in told[0]
    assert not list((tmp_path / "runs").glob("tiny-*"))


DIFFERENT = """
import os, sys
from pathlib import Path
from lstmgen.cli.app import app
if os.environ["RANK"] == "{rank}":
    {harm}
app(sys.argv[1:])
"""


def harmed(folder, harm, *, rank):
    """A program that is lstmgen, but for one statement that one rank begins with."""
    script = folder / "ranks.py"
    script.write_text(DIFFERENT.format(harm=harm, rank=rank), encoding="utf-8")
    return script


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        pytest.param(
            "sys.argv.append('train.seed=5')",
            "rank 1 has another config than rank 0",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "sys.argv.append('data.train=gone.txt')",
            "rank 1: data.train = ",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "from lstmgen.training import rank_agreement; rank_agreement.__version__ = '0.0.9'",
            "rank 1 has another version of lstmgen than rank 0",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "from lstmgen.model.language_model import LanguageModel as Model; "
            "right = Model.summed_nats; "
            "Model.summed_nats = lambda *a, **b: right(*a, **b) * float('nan')",
            "training diverged at step 1, the loss not being finite: nan nats",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["another_config", "a_missing_text", "another_version", "not_finite"],
)
def test_t28_what_goes_wrong_on_one_rank_is_told_by_the_first(tiny, tmp_path, harm, message):
    """And ends all of them."""
    script = harmed(tmp_path, harm, rank=1)
    done = torchrun(script, "train", tiny, cwd=tmp_path)
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0 and len(told) == 1 and message in told[0], done.stderr


@pytest.mark.slow
def test_t28_a_disk_that_is_full_ends_all_ranks(tiny, tmp_path):
    """What goes wrong where the first rank alone is at work is told once, and nobody hangs."""
    harm = (
        "from lstmgen.runs import checkpoint as c; from lstmgen.errors import StorageError as E; "
        "c.write_checkpoint = lambda *a, **b: (_ for _ in ()).throw(E('no space left here'))"
    )
    script = harmed(tmp_path, harm, rank=0)
    done = torchrun(script, "train", tiny, cwd=tmp_path, timeout=60)
    told = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0 and told == ["error: no space left here"], done.stderr


@pytest.mark.slow
def test_t30_a_signal_within_an_evaluation_stops_all_ranks(tiny, tmp_path):
    """They leave it at the same window; a resumption does it again."""
    harm = (
        "import signal; from lstmgen.training import trainer as t; right = t.evaluate; "
        "t.evaluate = lambda *a, **b: (os.kill(os.getpid(), signal.SIGTERM), right(*a, **b))[1]"
    )
    script = harmed(tmp_path, harm, rank=1)
    settings = ("train.eval_every=10", "--name", "cut")
    done = torchrun(script, "train", tiny, *settings, cwd=tmp_path, timeout=60)
    (run,) = (tmp_path / "runs").glob("cut-*")
    progress = progress_of(last(run))
    assert "lstmgen train --resume" in done.stderr, done.stderr
    assert progress["step"] == 10 and progress["evaluated"] != 10
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    assert progress_of(last(run))["valid_nats"]


def test_the_start_card_says_who_reads_what():
    """Whole micro-batches where accumulate divides by the ranks, else rows of each."""
    three = distributed.World(size=3)
    assert distributed.ALONE.share(batch_size=8, accumulate=3) == ""
    said = "3 ranks, each 2 of its 6 micro-batches"
    assert three.share(batch_size=8, accumulate=6) == said
    said = "3 ranks, each 2 or 3 of the 8 rows of a micro-batch"
    assert three.share(batch_size=8, accumulate=4) == said
    said = "3 ranks, each 3 of the 9 rows of a micro-batch"
    assert three.share(batch_size=9, accumulate=1) == said


def test_t29_more_ranks_than_gpus_are_one_message():
    """Two ranks would take one GPU, which torch's engine refuses in words of its own."""
    crowded = distributed.World(size=2, local_size=torch.cuda.device_count() + 1)
    with pytest.raises(UsageError, match="ranks on this machine have"):
        crowded.check_device(torch.device("cuda"))
    crowded.check_device(torch.device("cpu"))


@pytest.mark.parametrize("rank", [0, 1])
def test_t28_a_rank_that_nobody_joins_says_so(rank, monkeypatch):
    """Either one: the first of two, which waits to be called, and the other, which calls."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for name, value in (("RANK", rank), ("WORLD_SIZE", 2), ("MASTER_PORT", port)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setattr(distributed, "TIMEOUT", timedelta(seconds=1))
    found = pytest.raises(UsageError, match=f"rank {rank} of 2 did not find the others at 127")
    with found, distributed.process_group():
        raise AssertionError("joined nobody")


def test_t28_settings_of_torchrun_that_are_no_numbers_are_one_message(tiny, tmp_path):
    """Where somebody has set them by hand."""
    settings = {"RANK": "0", "WORLD_SIZE": "both"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        done = call_cli("train", tiny, cwd=tmp_path, check=2)
    assert (
        done.stderr == "error: WORLD_SIZE = both: is not a number of processes. torchrun sets it\n"
    )
