"""The plots of a run: what each point averages, and that no label lies on another."""

import math

import numpy as np
import pytest

from lstmgen.runs.records import training_curve


def rows_at(steps, *, nats=lambda first, last: 1.0, words=lambda step: 10 * step, valid=None):
    """Rows of metrics; ``nats`` is the mean loss of the steps first + 1 to last."""
    rows, before = [], 0
    for step in steps:
        loss, score = nats(before, step), (valid or {}).get(step)
        row = {"step": float(step), "words": float(words(step))}
        rows.append(row | {"train_nats": loss, "valid_nats": score})
        before = step
    return rows


def steps_of_points(curve):
    return np.diff([0, *(step for step, _ in curve)])


@pytest.mark.parametrize("every", [7, 10, 13, 24, 25, 26, 60, 1013])
def test_each_point_of_the_training_curve_averages_as_many_steps(every):
    """Rows of metrics are written every 25 steps, and at evaluations in between."""
    steps = sorted({*range(25, 2501, 25), *range(every, 2501, every)})
    losses = np.random.default_rng(1).normal(4, 1, 2500)
    curve = training_curve(
        rows_at(steps, nats=lambda first, last: float(losses[first:last].mean()))
    )
    covered = steps_of_points(curve)
    most = max(np.diff([0, *steps]))
    assert covered.max() <= 1.5 * most and covered.min() >= 0.5 * most
    assert len(curve) >= 2500 / (1.5 * most) - 1
    for (step, nats), count in zip(curve, covered, strict=True):
        assert nats == pytest.approx(losses[step - count : step].mean())


def test_a_short_row_beside_an_evaluation_makes_no_dip():
    """One easy stretch of words of two steps, which is a row of its own."""
    steps = [25, 50, 52, 75, 100]
    rows = rows_at(steps, nats=lambda first, last: 1.0 if last == 52 else 4.0)
    curve = training_curve(rows)
    assert [step for step, _ in curve] == [25, 50, 75, 100]
    assert curve[2][1] == pytest.approx((2 * 1.0 + 23 * 4.0) / 25)


def test_losses_are_weighted_by_the_words_that_they_cover():
    words = {10: 100, 12: 102, 20: 200}
    rows = rows_at([10, 12, 20], nats=lambda _, last: float(last), words=words.__getitem__)
    assert training_curve(rows)[-1] == (20, pytest.approx((2 * 12 + 98 * 20) / 100))


def test_a_longer_run_after_resuming_is_averaged_over_its_longer_rows():
    curve = training_curve(rows_at([*range(10, 101, 10), *range(120, 301, 20)]))
    assert set(steps_of_points(curve)) == {20}


def test_rows_lost_in_a_crash_do_not_coarsen_the_curve():
    steps = [step for step in range(10, 2001, 10) if not 500 < step < 600]
    curve = training_curve(rows_at(steps))
    assert len(curve) == len(steps)


def test_rows_without_a_loss_are_not_points():
    rows = rows_at([10, 20, 30])
    rows[1]["train_nats"] = None
    rows[2]["train_nats"] = math.inf
    assert training_curve(rows) == [(10, 1.0)]
    assert training_curve([]) == []
