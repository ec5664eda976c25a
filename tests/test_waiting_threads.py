"""How the threads of a training wait: spinning alone, sleeping beside other programs."""

import os
import threading
import time
from pathlib import Path

import pytest
import torch

from lstmgen.training import waiting_threads
from lstmgen.training.core_sharing import busy_seconds
from lstmgen.training.waiting_threads import (
    FIRST_PAUSE,
    SEEN_PAUSE,
    SHARE,
    WINDOW,
    WaitingThreads,
)
from tests.helpers.program import train
from tests.helpers.scenes import last

STEP = WINDOW / 5  # seconds


class Machine:
    """A clock, the cores' time that a training gets, and what else runs."""

    def __init__(self, monkeypatch):
        self.now, self.cpu, self.others = 0.0, 0.0, 0.0
        self.share = None  # of the cores' time, beside other programs; None: alone
        self.ranks = 1  # of the training, each on two cores
        self.tells = True  # whether the system tells how busy its cores are
        monkeypatch.setattr(waiting_threads.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(waiting_threads.time, "process_time", lambda: self.cpu)
        monkeypatch.setattr(waiting_threads, "busy_seconds", self.busy)
        monkeypatch.setattr(waiting_threads, "other_programs_run", lambda: self.share is not None)

    def busy(self):
        return self.ranks * self.cpu + self.others if self.tells else None

    def train(self, threads, seconds, *, step=STEP, pause=0.0):
        """Steps for some seconds; whether threads slept after each."""
        slept, end = [], self.now + seconds
        while self.now < end:
            self.now += pause + step
            alone = 0.6 if threads.asleep else 1.0  # sleeping threads use no core
            self.cpu += 2 * step * (alone if self.share is None else self.share)
            self.others += 2 * step * (0.0 if self.share is None else 1 - self.share)
            threads.after_step(step)
            slept.append(threads.asleep)
        return slept


@pytest.fixture
def machine(monkeypatch):
    return Machine(monkeypatch)


@pytest.fixture
def threads(machine):
    with WaitingThreads(2, 2) as threads:
        yield threads


def test_alone_threads_spin(machine, threads):
    assert not any(machine.train(threads, 100))


def test_beside_a_training_they_sleep_until_it_ends(machine, threads):
    machine.train(threads, 5)
    machine.share = SHARE / 2
    crawling = machine.train(threads, 3 * WINDOW, step=WINDOW)
    assert crawling[-1]
    assert all(machine.train(threads, FIRST_PAUSE / 2))
    machine.share = None
    assert not machine.train(threads, 3 * WINDOW)[-1]
    assert not any(machine.train(threads, 100))


def test_a_training_that_begins_beside_another_one_sleeps_at_once(machine):
    machine.share = SHARE
    with WaitingThreads(2, 2) as threads:
        assert threads.asleep
        machine.share = None
        assert not machine.train(threads, 3 * WINDOW)[-1]


def test_other_ranks_of_the_training_are_no_other_programs(machine):
    machine.ranks = 2
    with WaitingThreads(2, 4, ranks=2) as threads:
        assert not threads.asleep
        machine.share = SHARE / 2
        machine.train(threads, 4 * WINDOW, step=WINDOW)
        assert threads.asleep
        machine.share = None
        assert not machine.train(threads, 3 * WINDOW)[-1]


def test_where_sleeping_is_slower_they_spin_and_wait_longer_before_each_trial(machine, threads):
    machine.share = SHARE / 2
    trials = []
    for _ in range(400):
        before = threads.asleep
        machine.train(threads, 1e-9, step=2 * STEP if before else STEP)
        if threads.asleep and not before:
            trials.append(machine.now)
    assert len(trials) > 2
    pauses = [b - a for a, b in zip(trials, trials[1:], strict=False)]
    assert pauses[0] >= FIRST_PAUSE and pauses[1] >= 1.5 * pauses[0]


def test_one_long_step_beside_others_is_enough_to_sleep(machine, threads):
    """Where threads spin beside spinning threads, a step can take seconds."""
    machine.train(threads, 5)
    machine.share = SHARE / 2
    assert machine.train(threads, 1e-9, step=3 * WINDOW) == [True]


def test_beside_others_that_are_seen_they_try_to_spin_after_a_minute_and_again(machine, threads):
    machine.share = SHARE / 2
    machine.train(threads, 2 * WINDOW, step=WINDOW)
    assert all(machine.train(threads, SEEN_PAUSE))
    machine.share = SHARE  # others run, but they leave the cores' time to a training
    assert not machine.train(threads, FIRST_PAUSE + 1)[-1]


def test_where_the_system_does_not_tell_they_look_at_times(machine, threads):
    """As in a container without /proc/stat."""
    machine.share, machine.tells = SHARE / 2, False
    machine.train(threads, 3 * WINDOW, step=WINDOW)
    assert all(machine.train(threads, FIRST_PAUSE / 2))
    machine.share = None
    assert not machine.train(threads, 2 * FIRST_PAUSE)[-1]


@pytest.mark.skipif(busy_seconds() is None, reason="the system does not tell")
def test_the_time_that_cores_are_busy_counts_this_process(monkeypatch):
    before, end = busy_seconds(), time.process_time() + 0.3
    while time.process_time() < end:
        pass
    assert busy_seconds() - before >= 0.25
    first = min(os.sched_getaffinity(0))
    monkeypatch.setattr(Path, "read_text", lambda self: f"cpu{first} 1 2\n")
    assert busy_seconds() is None


def test_what_is_done_between_steps_is_not_counted(machine, threads):
    """An evaluation with one thread is no neighbour."""
    machine.share = SHARE / 2
    assert not any(machine.train(threads, 100, pause=10.0))


def test_one_thread_waits_for_nobody(machine):
    machine.share = 0.1
    with WaitingThreads(1, 2) as threads:
        assert not any(machine.train(threads, 20))


def test_the_end_leaves_no_thread(machine):
    before = threading.active_count()
    with WaitingThreads(2, 2) as threads:
        machine.share = SHARE / 2
        machine.train(threads, 3 * WINDOW, step=WINDOW)
        assert threads.asleep and threading.active_count() > before
    assert threading.active_count() == before


def test_t32_how_threads_wait_changes_no_byte(tiny, tmp_path, monkeypatch):
    """The weights of a training whose threads always sleep are those of one whose threads spin."""
    runs = []
    for share in (0.0, 2.0):
        monkeypatch.setattr(waiting_threads, "SHARE", share)
        monkeypatch.setattr(waiting_threads, "WINDOW", 0.0)
        runs.append(train(tiny, "train.threads=2", cwd=tmp_path, name=f"share-{share}"))
    torch.set_num_threads(1)  # as all other tests have it
    weights = [(last(run) / "model.safetensors").read_bytes() for run in runs]
    assert weights[0] == weights[1]
