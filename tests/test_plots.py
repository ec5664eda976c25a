"""The plots of losses and gates: what each point averages, and that no label lies on another."""

import math
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from lstmgen.cells import CELLS
from lstmgen.inspection.subject import TracedModel
from lstmgen.inspection.tracing import VANISHED, GradientTrace
from lstmgen.reporting import inspection_plots, plots
from lstmgen.reporting.inspection_plots import draw_gates, draw_gradients
from lstmgen.reporting.plots import draw_losses, perplexity_ticks, wrap_text
from lstmgen.runs.records import training_curve
from tests.helpers.inspected import subject_of, trace_of
from tests.helpers.program import run_cli


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


def drawn(monkeypatch, draw):
    """What ``draw`` gives to ``save_figure``, laid out; and its size in pixels."""
    figures = []
    for module in (plots, inspection_plots):
        monkeypatch.setattr(module, "save_figure", lambda figure, path: figures.append(figure))
    draw()
    (figure,) = figures
    FigureCanvasAgg(figure).draw()
    return figure


def fits(artist, figure):
    """Whether an artist lies within its figure."""
    box, page = artist.get_window_extent(), figure.bbox
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= page.x1 and box.y1 <= page.y1


def falling(first, last):
    return 5 * math.exp(-last / 300) + 0.2


@pytest.mark.parametrize(
    ("valid", "baselines", "labels"),
    [
        ({100: 3.0, 500: 3.2, 1000: 3.9}, {"unigram": 31.1, "3-gram": 31.0}, 5),  # best is first
        ({100: 3.9, 500: 3.2, 1000: 3.0}, {"unigram": 5e4, "3-gram": 1.05}, 5),  # best is last
        ({1000: 3.0}, {"unigram": 20.1, "3-gram": math.nan}, 4),
        ({}, {}, 1),
        ({1000: math.inf}, {"unigram": math.inf}, 1),
    ],
)
def test_labels_of_the_losses_lie_beside_the_axes_which_hold_everything(
    monkeypatch, tmp_path, valid, baselines, labels
):
    rows = rows_at(range(5, 1001, 5), nats=falling, valid=valid)
    title = "a-long-name-" * 20 + ": 12 words scored"
    figure = drawn(
        monkeypatch,
        lambda: draw_losses(rows, tmp_path / "p" / "a.png", title=title, baselines=baselines),
    )
    (axes,), (legend,) = figure.axes, figure.legends
    assert not axes.texts and axes.get_legend() is None
    assert len(legend.get_texts()) == labels
    assert fits(legend, figure) and fits(figure._suptitle, figure)
    whole = axes.get_tightbbox()
    assert legend.get_window_extent().y1 <= whole.y0 < whole.y1
    assert whole.y1 <= figure._suptitle.get_window_extent().y0
    low, high = axes.get_ylim()
    for line in axes.lines:
        assert low < min(line.get_ydata()) and max(line.get_ydata()) < high
    assert axes.get_xlim()[0] == 0 and axes.get_xlim()[1] >= 1000
    rings = [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_fillstyle() == "none"]
    finite = [(nats, step) for step, nats in valid.items() if math.isfinite(nats)]
    assert rings == ([min(finite)[::-1]] if finite else [])


@pytest.mark.parametrize(("low", "high"), [(0, 0.3), (3.0, 3.1), (0.1, 9), (2, 5), (-0.2, 14)])
def test_the_axis_of_perplexities_has_some_round_ticks(low, high):
    ticks = perplexity_ticks(low, high)
    assert 2 <= len(ticks) <= plots.MAX_TICKS
    assert ticks == sorted(set(ticks))
    assert all(low <= math.log(tick) <= high for tick in ticks)


def test_text_is_wrapped_at_spaces_and_slashes_and_within_long_words():
    assert wrap_text("runs/story/checkpoints and more", width=60, size=8) == [
        "runs/story/", "checkpoints", "and more",
    ]  # fmt: skip
    lines = wrap_text("w" * 100, width=60, size=8)
    assert "".join(lines) == "w" * 100 and len(lines) > 5
    assert wrap_text("", width=60, size=8) == []


@pytest.mark.parametrize("words", [1, 9, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("cell", CELLS)
def test_a_picture_of_gates_has_a_color_bar_for_each_range_and_fits(monkeypatch, cell, words):
    subject = subject_of(cell, name="a-long-folder/" * 30 + "step-12", words=words)
    trace = trace_of(cell, words=words, units=160)
    figure = drawn(
        monkeypatch, lambda: draw_gates(subject, trace, Path("a.png"), units=(), layer=1)
    )
    panels = [axes for axes in figure.axes if axes.get_title()]
    bars = [axes for axes in figure.axes if not axes.get_title()]
    assert len(panels) == len(trace.names)
    ranges = {axes.images[0].get_clim() for axes in panels}
    assert {bar.get_ylim() for bar in bars} == ranges and len(bars) == len(ranges)
    assert (-1, 1) in ranges and ((0, 1) in ranges) == (cell != "elman")
    title = " ".join(figure._suptitle.get_text().split())
    assert title.endswith(
        "step-12: layer 1, 40 of 160 units: those whose memory changes most over these words"
    )
    texts = [figure._suptitle, *(axes.title for axes in panels)]
    assert all(fits(text, figure) for text in texts)
    assert all(fits(label, figure) for axes in figure.axes for label in axes.get_yticklabels())
    boxes = [axes.title.get_window_extent() for axes in panels]
    assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:], strict=False))
    assert all(box.y1 <= figure._suptitle.get_window_extent().y0 for box in boxes)


@pytest.mark.parametrize(
    ("units", "total", "words"),
    [
        ((3, 7), 160, "2 of 160 units: as selected"),
        ((0, 1), 2, "all 2 units"),
        ((), 30, "all 30 units"),
        ((), 1, "the only unit"),
    ],
)
def test_a_picture_of_gates_says_which_units_it_shows(monkeypatch, units, total, words):
    subject = subject_of("lstm", words=3)
    trace = trace_of("lstm", words=3, units=total)
    figure = drawn(
        monkeypatch, lambda: draw_gates(subject, trace, Path("a.png"), units=units, layer=2)
    )
    assert figure._suptitle.get_text() == f"run: layer 2, {words}"
    headings = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert headings == ["input gate i\nwrite", "forget gate f\nkeep", "candidate g\nnew values",
                        "output gate o\nread", "cell state\ntanh(c)"]  # fmt: skip


@pytest.mark.parametrize(("words", "lines"), [(9, 1), (4, 0), (1, 0)])
def test_a_picture_of_gradients_marks_where_they_end_in_training(monkeypatch, words, lines):
    """The window is 4: the state after the fifth word back gets no gradient."""
    subject = subject_of("lstm", name="a-long-folder/" * 30, words=words)
    norms = 0.1 ** np.arange(words)[::-1]
    trace = GradientTrace(0.0, norms, norms)
    figure = drawn(
        monkeypatch,
        lambda: draw_gradients([TracedModel(subject, trace, trace)], Path("a.png"), layer=1),
    )
    (axes,), (legend,) = figure.axes, figure.legends
    upright = [line.get_xdata()[0] for line in axes.lines if line.get_label().startswith("train.w")
               and len(line.get_xdata())]  # fmt: skip
    assert upright == [4.5] * lines
    assert [text.get_text() for text in legend.get_texts()][-1].startswith("train.window = 4: in ")
    assert axes.get_ylim()[0] < min(*norms, VANISHED) and max(norms) < axes.get_ylim()[1]
    assert not axes.texts and fits(legend, figure) and fits(figure._suptitle, figure)
    assert legend.get_window_extent().y1 <= axes.get_tightbbox().y0
    assert figure._suptitle.get_text().endswith(": layer 1, state: hidden and cell state")


@pytest.mark.parametrize("models", [2, 8])
def test_compared_curves_differ_in_color_and_style(monkeypatch, models):
    norms = 0.5 ** np.arange(9)[::-1]
    traced = [
        TracedModel(subject_of(cell, words=9, name=f"{'folder/' * 40}{k}"),
                    GradientTrace(0.0, norms, norms), GradientTrace(0.0, norms, norms))
        for k, cell in zip(range(models), [*CELLS, *CELLS], strict=False)
    ]  # fmt: skip
    figure = drawn(monkeypatch, lambda: draw_gradients(traced, Path("a.png"), layer=1))
    (axes,), (legend,) = figure.axes, figure.legends
    curves = [line for line in axes.lines if len(line.get_xdata()) == 9]
    assert len(curves) == models
    assert len({line.get_color() for line in curves}) == models
    assert len({str(line._unscaled_dash_pattern) for line in curves}) == models
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[0].startswith("A: ...") and labels[0].endswith("/0 (elman)")
    letters = ", ".join("ABCDEFGH"[:models])
    assert labels[-1] == (
        f"train.window = 4 ({letters}): in training no gradient flows further back"
    )
    assert fits(legend, figure) and legend.get_window_extent().y1 <= axes.get_tightbbox().y0
    assert axes.bbox.height > 200


def test_the_settings_of_the_user_change_no_picture_and_stay(tmp_path):
    rows = rows_at(range(25, 501, 25))
    plain, own = tmp_path / "a.png", tmp_path / "b.png"
    draw_losses(rows, plain, title="x", baselines={})
    with matplotlib.rc_context({"text.usetex": True, "font.size": 40, "axes.facecolor": "red"}):
        draw_losses(rows, own, title="x", baselines={})
        assert matplotlib.rcParams["font.size"] == 40
    assert own.read_bytes() == plain.read_bytes()


def test_a_backend_that_the_environment_names_stays_and_is_not_loaded():
    """A notebook names its own, which only its process has."""
    program = ("import os; from lstmgen.reporting.plots import new_figure; new_figure(1, 1);"
               "print(os.environ['MPLBACKEND'])")  # fmt: skip
    environment = os.environ | {"MPLBACKEND": "no such backend"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True,
                          text=True, check=True)  # fmt: skip
    assert done.stdout == "no such backend\n"


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["module://gone.backend", "no such backend"])
def test_a_backend_that_is_not_there_costs_no_plot(tmp_path, tiny, broken):
    """As notebooks name one in the environment of the commands that they start."""
    done = run_cli("train", tiny.name, "-q", cwd=tmp_path, environment={"MPLBACKEND": broken})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip() / "plots" / "loss.png").stat().st_size > 1000
