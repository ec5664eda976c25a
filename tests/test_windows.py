"""The rule of windows and strides, held against its definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmgen.windows.evaluation_lanes import MAX_LANES, lane_count, lane_windows, zero_state_windows
from lstmgen.windows.plans import (
    RandomPlan,
    StreamPlan,
    WindowsAhead,
    fit_to_text,
    steps_until,
)
from lstmgen.windows.window import IGNORED

sizes = st.tuples(st.integers(2, 90), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5),
                  st.integers(1, 3))  # fmt: skip


def fitted(length, window, stride, batch_size, accumulate):
    fit = fit_to_text(
        length,
        window=window,
        stride=min(stride, window),
        batch_size=batch_size,
        accumulate=accumulate,
    )
    return {
        "length": length,
        "window": fit.window,
        "stride": fit.stride,
        "batch_size": fit.batch_size,
        "accumulate": fit.accumulate,
    }


@settings(deadline=None, max_examples=200)
@given(sizes)
def test_streams_score_every_word_but_the_first_once(size):
    """The ids are their own places, so a target says where it stands."""
    plan = StreamPlan(**fitted(*size))
    ids = np.arange(plan.length)
    scored = []
    for step in range(plan.steps_in(0)):
        for part in plan.micro_batches(ids, epoch=0, step=step):
            scored += part.targets[part.targets != IGNORED].tolist()
            read = np.take_along_axis(
                part.inputs, part.first[:, None] + np.arange(plan.stride), axis=1
            )
            inside = part.targets != IGNORED
            assert (read[inside] + 1 == part.targets[inside]).all()  # word n predicts word n+1
    assert sorted(scored) == list(range(1, plan.length))


@settings(deadline=None, max_examples=200)
@given(sizes)
def test_the_carried_state_has_read_exactly_the_words_before_the_next_window(size):
    plan = StreamPlan(**fitted(*size))
    ids = np.arange(plan.length)
    steps = [plan.micro_batches(ids, epoch=0, step=s) for s in range(plan.steps_in(0))]
    for before, after in zip(steps, steps[1:], strict=False):
        for old, new in zip(before, after, strict=True):
            last = plan.length - 1
            follows = np.minimum(old.inputs[:, 0] + old.carry, last)
            assert (new.inputs[:, 0] == follows).all()
    # A first window begins window - stride words before its first input that is scored.
    for part in steps[0]:
        begin = part.targets[:, 0] - 1 - (plan.window - plan.stride)
        assert (part.inputs[:, 0] == np.maximum(begin, 0)).all()


@settings(deadline=None, max_examples=100)
@given(sizes)
def test_streams_differ_by_at_most_one_word(size):
    plan = StreamPlan(**fitted(*size))
    counts = np.zeros(plan.streams, dtype=int)
    for step in range(plan.steps_in(0)):
        for part in plan.micro_batches(np.arange(plan.length), epoch=0, step=step):
            counts[part.rows] += (part.targets != IGNORED).sum(axis=1)
    assert counts.max() - counts.min() <= 1


def test_micro_batches_are_the_whole_batch_in_parts():
    ids = np.arange(200)
    whole = StreamPlan(200, window=7, stride=3, batch_size=6).micro_batches(ids, epoch=0, step=4)
    parts = StreamPlan(200, window=7, stride=3, batch_size=2, accumulate=3).micro_batches(
        ids, epoch=0, step=4
    )
    for name in ("inputs", "targets", "first", "carry", "rows"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert (joined == getattr(whole[0], name)).all()


def test_random_windows_have_every_valid_start_and_no_other():
    """The file of eleven words: eight windows of three, starts 0..7."""
    plan = RandomPlan(11, window=3, stride=1, batch_size=3, seed=5)
    assert sorted(plan.starts(0)) == list(range(8))
    ids = np.arange(11)
    windows = [w for s in range(plan.steps_in(0)) for w in plan.micro_batches(ids, epoch=0, step=s)]
    assert sorted(np.concatenate([w.targets.ravel() for w in windows])) == list(range(3, 11))
    assert [len(w.rows) for w in windows] == [3, 3, 2]  # the last at its true size
    for window in windows:
        assert (window.inputs[:, 0] + 3 == window.targets[:, 0]).all()


@pytest.mark.parametrize("kind", [StreamPlan, RandomPlan])
def test_windows_cut_ahead_are_those_of_their_step(kind):
    """Over an epoch's end, after a jump as of a resumed run, and a step taken twice."""
    plan = kind(90, window=5, stride=2, batch_size=2)
    ids, last = np.arange(90), plan.steps_in(0) - 1
    ahead = WindowsAhead(plan, ids)
    for epoch, step in [*((0, s) for s in range(last + 1)), (1, 0), (1, 1), (0, 3), (0, 3), (2, 7)]:
        taken, cut = ahead.take(epoch, step), plan.micro_batches(ids, epoch=epoch, step=step)
        assert [w.inputs.tolist() for w in taken] == [w.inputs.tolist() for w in cut]
        assert [w.targets.tolist() for w in taken] == [w.targets.tolist() for w in cut]


def test_the_windows_of_large_steps_are_cut_one_by_one(monkeypatch):
    """So that memory does not grow with the batch sixteen times as fast."""
    steps = []
    cut = StreamPlan.micro_batches
    monkeypatch.setattr(
        StreamPlan,
        "micro_batches",
        lambda self, ids, **at: steps.append(at) or cut(self, ids, **at),
    )
    for batch, expected in ((8, 16), (1 << 13, 4), (1 << 16, 1)):
        steps.clear()
        plan = StreamPlan(1 << 21, window=2, stride=1, batch_size=batch)
        WindowsAhead(plan, np.zeros(1 << 21, np.uint8)).take(0, 0)
        assert len(steps) == expected


def test_random_epochs_take_one_phase_each_and_reach_all_starts():
    plan = RandomPlan(41, window=5, stride=4, batch_size=2, accumulate=2, seed=1)
    reached = set()
    for epoch in range(30):
        starts = plan.starts(epoch)
        assert len({start % 4 for start in starts}) == 1
        reached |= set(starts.tolist())
    assert reached == set(range(36))
    assert (plan.starts(3) == plan.starts(3)).all()
    assert steps_until(plan, 30) == sum(plan.steps_in(epoch) for epoch in range(30))


@pytest.mark.parametrize("length", [2, 3, 12, 513, 1100, 5000])
def test_lanes_score_every_word_but_the_first_once(length):
    ids = np.arange(length)
    for lanes in {1, lane_count(length)}:
        scored = [
            window.targets[window.targets != IGNORED] for window in lane_windows(ids, lanes=lanes)
        ]
        assert sorted(np.concatenate(scored)) == list(range(1, length))
        for window in lane_windows(ids, lanes=lanes):
            inside = window.targets != IGNORED
            assert (window.inputs[inside] + 1 == window.targets[inside]).all()


def test_the_number_of_lanes_depends_on_the_length_alone():
    assert lane_count(2) == 1
    assert lane_count(10**9) == MAX_LANES


def test_zero_state_windows_score_every_word_but_the_first_once():
    ids = np.arange(30)
    windows = list(zero_state_windows(ids, window=4, batch_size=7))
    assert np.concatenate([w.targets[:, 0] for w in windows]).tolist() == list(range(1, 30))
    for window in windows:
        read = np.take_along_axis(window.inputs, window.first[:, None], axis=1)
        assert (read + 1 == window.targets).all()
        assert (window.inputs[:, 0] == np.maximum(window.targets[:, 0] - 4, 0)).all()


def test_sizes_shrink_to_a_tiny_text_and_say_so():
    fit = fit_to_text(12, window=35, stride=35, batch_size=64, accumulate=4)
    assert (fit.window, fit.stride, fit.batch_size, fit.accumulate) == (11, 11, 1, 1)
    assert fit.notice == (
        "the text has 11 words to predict, so train.window 35 -> 11, train.stride 35 -> 11, "
        "train.batch_size 64 -> 1, train.accumulate 4 -> 1"
    )
    assert fit_to_text(10_000, window=8, stride=2, batch_size=4, accumulate=2).notice == ""
