"""Signals, numbers that are not finite, memory: what a run meets while it runs."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.numpy import load

from lstmgen.cli.outcome import reported
from lstmgen.config.loader import load as load_config
from lstmgen.runs import checkpoint
from lstmgen.training import journal, loop, start
from lstmgen.training.complete_config import prepare_training
from lstmgen.training.events import Finished
from lstmgen.training.meters import Spikes
from lstmgen.training.signals import StopRequests
from tests.helpers import SOAK
from tests.helpers.program import call_cli, run_cli, train
from tests.helpers.scenes import (
    STORY,
    checkpoints_of,
    deep_compare,
    fingerprint,
    last,
    progress_of,
    wait_for,
)


@pytest.mark.slow
@pytest.mark.soak
def test_t09_killed_at_random_instants_the_run_ends_the_same(tiny, tmp_path, processes):
    """kill -9 and resume, again and again, until the run is done: the bytes of one never killed.

    Fifty kills in the long version, two in the short one.
    """
    settings = (
        f"train.epochs={400 if SOAK else 20}",
        "train.eval_every=40",
        "train.save_every=7",
        "sample.cues=[]",
    )
    whole = train(tiny, *settings, cwd=tmp_path, name="whole")
    process = processes("train", tiny, *settings, "--name", "cut", "-q", cwd=tmp_path)
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: (checkpoints_of(run) / "index.json").exists())
    draw, kills, kills_wanted = random.Random(0), 0, 50 if SOAK else 2
    while kills < kills_wanted:
        try:
            process.wait(timeout=draw.uniform(0.0, 0.25))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
            process.wait()
        before = progress_of(last(run))["step"]
        process = processes("train", "--resume", run, "-q", cwd=tmp_path)
        assert process.stdout.readline().strip()  # it has read its checkpoint
        assert progress_of(last(run))["step"] >= before
    assert process.wait(timeout=120) == 0
    assert kills == kills_wanted
    deep_compare(whole, run)
    assert not list(checkpoints_of(run).glob(".step*"))


def events_until(config, folder, *, stop_at, number=signal.SIGTERM):
    """Train in this process; at the event of that number a signal comes."""
    runs, asked = folder / "runs", StopRequests()
    loaded, corpus = prepare_training(load_config(config), runs)
    told = []
    for event in start.train(loaded, corpus, name="cut", runs=runs, requests=asked):
        told.append(event)
        if len(told) == stop_at:
            asked.stop = number
    return told


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4, 6, 7])
def test_t19_a_stop_at_any_event_saves_and_resumes_to_the_same_end(
    tiny, tmp_path, monkeypatch, stop_at
):  # fmt: skip
    """Before the first step, beside an evaluation, a sample or a save: one step more at most."""
    monkeypatch.setattr(journal, "REPORT_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)
    whole = train(tiny, cwd=tmp_path, name="whole")
    told = events_until(tiny, tmp_path, stop_at=stop_at if stop_at < 4 else 5 * stop_at)
    assert isinstance(told[-1], Finished) and told[-1].interrupted
    run = tmp_path / told[-1].run
    assert progress_of(last(run))["step"] == told[-1].step < 60
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    deep_compare(whole, run)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)])
def test_t21_each_signal_has_its_exit_code(tiny, tmp_path, processes, number, code):
    """SIGUSR1 before it saves and goes on; stdout holds the run folder alone."""
    process = processes("train", tiny, "train.epochs=100000", "train.eval_every=1000000",
                        cwd=tmp_path)  # fmt: skip
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: "one step" in (run / "log.txt").read_text() if (run / "log.txt").exists()
             else False)  # fmt: skip
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: (checkpoints_of(run) / "index.json").exists())
    assert process.poll() is None
    process.send_signal(number)
    rest, messages = process.communicate(timeout=60)
    assert (process.returncode, rest) == (code, "")
    assert f"lstmgen train --resume {run.relative_to(tmp_path)}" in messages
    assert "Traceback" not in messages


TWICE = """
import os, signal
from lstmgen.training.signals import listening
with listening() as asked:
    os.kill(os.getpid(), signal.SIGTERM)
    assert asked.stop == signal.SIGTERM
    print("still here", flush=True)
    os.kill(os.getpid(), signal.{second})
    print("never", flush=True)
"""


@pytest.mark.parametrize(("second", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_t20_a_second_signal_stops_at_once(second, code):
    """Without waiting for the step, with the code of the second one."""
    done = subprocess.run(
        [sys.executable, "-c", TWICE.format(second=second)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, "still here\n")


@pytest.mark.slow
def test_t21_a_closed_stdout_is_no_traceback(tiny, tmp_path):
    """As where a shell says >&-."""
    program = f'"{sys.executable}" -m lstmgen train {tiny} train.epochs=1'
    done = subprocess.run(
        ["bash", "-c", f"{program} >&- 2>err.txt; echo $?"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "0\n"
    assert "Traceback" not in (tmp_path / "err.txt").read_text()


POISONS = {
    "a_weight": lambda model: model.embedding.weight.data[2].fill_(float("nan")),
    "a_gradient": lambda model: model.embedding.weight.register_hook(lambda g: g * float("inf")),
    "the_loss": lambda model: setattr(
        model, "summed_nats", lambda *a, real=model.summed_nats, **k: real(*a, **k) * float("nan")
    ),
}


@pytest.mark.parametrize("where", POISONS)
def test_t22_what_is_not_finite_never_reaches_the_disk(tiny, tmp_path, monkeypatch, where):
    """At step 8: exit code 3, a diagnosis, and the checkpoint of step 7 as it was."""
    settings = ("train.save_every=1", "train.epochs=null", "train.schedule=constant",
                "train.warmup_steps=0")  # fmt: skip
    whole = train(tiny, *settings, "train.max_steps=7", cwd=tmp_path, name="whole")
    real = loop.accumulate_gradients

    def poisoned(state, *args, **kwargs):
        if state.progress.step == 7:
            POISONS[where](state.model)
        return real(state, *args, **kwargs)

    monkeypatch.setattr(loop, "accumulate_gradients", poisoned)
    done = call_cli("train", tiny, *settings, "train.max_steps=20", "--name", "sick",
                    cwd=tmp_path, check=3)  # fmt: skip
    assert "error: training diverged at step 8, " in done.stderr
    assert "Lower train.learning_rate or train.clip_norm" in done.stderr
    run = next((tmp_path / "runs").glob("sick-*"))
    assert progress_of(last(run))["step"] == 7
    for name in (checkpoint.MODEL, checkpoint.STATE):
        assert (last(run) / name).read_bytes() == (last(whole) / name).read_bytes()
        assert all(torch.from_numpy(a.copy()).isfinite().all()
                   for a in load((last(run) / name).read_bytes()).values())  # fmt: skip
    event = json.loads((run / "events.jsonl").read_text().splitlines()[-1])
    assert event["event"] == "diverged" and event["step"] == 7 and event["epoch_step"] == 7
    assert {"nats_per_word", "gradient_norm", "learning_rate", "weights"} <= set(event)
    named = {"a_weight": "the weights embedding.weight", "the_loss": "the loss",
             "a_gradient": "the gradient of embedding.weight"}  # fmt: skip
    assert f"at step 8, {named[where]} not being finite" in event["message"]


def test_t22_a_weight_that_went_wrong_unseen_is_not_saved(tiny, tmp_path, monkeypatch):
    """As by a broken memory: the last look is at the weights themselves."""
    real = loop.apply_gradients

    def broken(optimizer, **kwargs):
        real(optimizer, **kwargs)
        optimizer.param_groups[0]["params"][0].data.view(-1)[0] = float("inf")

    monkeypatch.setattr(loop, "apply_gradients", broken)
    done = call_cli("train", tiny, "train.save_every=1", cwd=tmp_path, check=3)
    assert "is not finite after step 1. Checkpoints saved before are intact" in done.stderr
    run = next((tmp_path / "runs").glob("tiny-*"))
    assert checkpoint.saved_steps(checkpoints_of(run)) == []
    event = json.loads((run / "events.jsonl").read_text().splitlines()[-1])
    assert event["event"] == "diverged" and event["weights"] == ["embedding.weight"]


def test_t24_a_leap_is_told_once_and_training_goes_on(tiny, tmp_path, monkeypatch):
    """Three times the median and a nat more; it stands among the events too."""
    spikes = Spikes()
    assert [spikes.update(n) for n in [2.0] * 20] == [None] * 20
    assert [spikes.update(n) for n in (5.9, 6.1, 9.0, 2.0, 7.0)] == [None, 2.0, None, None, 2.0]
    noisy = Spikes()  # as with a word or two a step
    assert [noisy.update(n) for n in [0.5, 3.5, 2.0, 1.0, 4.0] * 4 + [7.0]] == [None] * 21
    small = Spikes()
    assert [small.update(n) for n in [0.1] * 20 + [0.9]] == [None] * 21
    real = loop.accumulate_gradients

    def leaping(state, *args, **kwargs):
        sums = real(state, *args, **kwargs)
        return sums * 4 if state.progress.step in (30, 31) else sums

    monkeypatch.setattr(loop, "accumulate_gradients", leaping)
    done = call_cli("train", tiny, cwd=tmp_path, check=0)
    assert done.stderr.count("nats per word, where ") == 1
    assert "note: step 31 has " in done.stderr and "training continues" in done.stderr
    run = next((tmp_path / "runs").glob("tiny-*"))
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [e["step"] for e in events if e["event"] == "spike"] == [31]


def test_t26_too_little_memory_is_one_message_with_the_way_out(tiny, tmp_path, monkeypatch):
    """What torch says where an allocation fails, on a GPU and off it."""
    for said in ("CUDA out of memory. Tried to allocate 2.00 GiB",
                 "[enforce fail] DefaultCPUAllocator: can't allocate memory"):  # fmt: skip

        def full(*args, said=said, **kwargs):
            raise RuntimeError(said)

        monkeypatch.setattr(loop, "accumulate_gradients", full)
        done = call_cli("train", tiny, "-q", cwd=tmp_path, check=1)
        assert "error: there is not enough memory. Lower model.hidden_sizes" in done.stderr
        assert "train.batch_size, train.window or data.vocabulary_size" in done.stderr


PEAK = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-m", "lstmgen", *sys.argv[1:]],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(status, usage.ru_maxrss)
"""


def peak(*arguments, cwd):
    done = subprocess.run([sys.executable, "-c", PEAK, *map(str, arguments)], cwd=cwd,
                          capture_output=True, text=True, check=True)  # fmt: skip
    status, kilobytes = map(int, done.stdout.split())
    assert status == 0
    return kilobytes


@pytest.mark.slow
def test_t25_resuming_takes_no_more_memory_than_starting(tiny, tmp_path):
    """A network of 58 MB: the peak is at most half of that above a fresh start's.

    Where the allocator puts things differs from run to run: the least of three resumptions
    counts, and the middle one of three starts.
    """
    settings = ("model.hidden_sizes=[1900]", "train.max_steps=3", "train.epochs=null",
                "train.schedule=constant", "sample.cues=[]", "data.copy_index=false")  # fmt: skip
    fresh, resumed = [], []
    for _ in range(3):
        fresh.append(peak("train", tiny, *settings, "-q", cwd=tmp_path))
        resumed.append(peak("train", "--resume", "train.max_steps=6", "-q", cwd=tmp_path))
    assert min(resumed) <= sorted(fresh)[1] + 29_000, (fresh, resumed)  # kilobytes


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGTERM, "ended by SIGTERM"), (signal.SIGINT, "interrupted"),
        (signal.SIGHUP, "ended by SIGHUP"),
    ],
)  # fmt: skip
def test_t19_a_signal_before_the_run_exists_leaves_nothing_behind(
    tmp_path, processes, number, words
):
    """While the text is prepared: one line, the exit code, and no temporary file."""
    (tmp_path / "long.txt").write_text(STORY * 20_000, encoding="utf-8")
    prepared = tmp_path / "runs/.prepared"
    process = processes("train", "long.txt", "train.init_from=none", "-q", cwd=tmp_path)
    wait_for(lambda: list(prepared.glob(".making-*/numbers")))
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert told.splitlines() == [words]
    assert not list(prepared.iterdir())


ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_t19_a_command_hears_only_signals_that_are_not_ignored(before):
    """As nohup ignores SIGHUP; when the command is over, everything is as it was."""
    old, seen = {number: signal.signal(number, before) for number in ENDING}, []
    try:
        reported(lambda: seen.extend(map(signal.getsignal, ENDING)))()
        assert [signal.getsignal(number) for number in ENDING] == [before] * 3
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    assert all((handler is before) == (before is signal.SIG_IGN) for handler in seen)
    assert len(seen) == 3


@pytest.mark.parametrize("before", ["SIG_IGN", "default_int_handler"])
def test_t19_an_ignored_interrupt_stays_ignored(before):
    """As a shell starts programs in the background; else it ends the process at once."""
    program = (f"import signal; signal.signal(signal.SIGINT, signal.{before}); "
               "import lstmgen.__main__; print(signal.getsignal(signal.SIGINT).name)")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout == ("SIG_IGN\n" if before == "SIG_IGN" else "SIG_DFL\n")


def test_t19_an_early_interrupt_is_no_traceback(trained, processes):
    """While modules are imported."""
    for _ in range(3):
        process = processes("generate", "runs/first", "--cue", "The cat", cwd=trained)
        wait_for(lambda process=process: _imports_lstmgen(process.pid))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGINT, 130)
        assert "Traceback" not in told


def _imports_lstmgen(pid):
    """Whether a process has begun to import numpy, which comes after the first modules."""
    try:
        return "numpy" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return True


@pytest.mark.slow
def test_t21_a_reader_beside_a_live_run_changes_nothing(tiny, tmp_path, processes):
    """generate and evaluate on a run that is being written leave it as it is."""
    process = processes("train", tiny, "train.epochs=100000", "train.eval_every=1000000",
                        cwd=tmp_path)  # fmt: skip
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: (run / "log.txt").exists() and "one step" in (run / "log.txt").read_text())
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: (checkpoints_of(run) / "index.json").exists())
    before = fingerprint(checkpoints_of(run))
    run_cli("generate", run, "--words", "3", cwd=tmp_path, check=0)
    call_cli("evaluate", run, cwd=tmp_path, check=0)
    assert fingerprint(checkpoints_of(run)) == before
    assert process.poll() is None
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
