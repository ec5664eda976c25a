"""The loop: sums and counts, carried states, schedules, early ends."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lstmgen.config.schema import TrainConfig
from lstmgen.errors import DivergedError, UsageError
from lstmgen.model.dropout_masks import Masks
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.training.averaging import Average
from lstmgen.training.devices import choose_device
from lstmgen.training.loop import (
    CHECK_EVERY,
    StepSetup,
    TrainState,
    accumulate_gradients,
    check_finite,
    train_steps,
)
from lstmgen.training.loss_module import LossModule, select_scored
from lstmgen.training.meters import Meter
from lstmgen.training.noising import kneser_ney_noise
from lstmgen.training.optimizers import (
    build_optimizer,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)
from lstmgen.training.progress import Progress
from lstmgen.training.schedules import learning_rate, planned_epochs
from lstmgen.windows.plans import RandomPlan, StreamPlan
from tests.helpers.arrays import steady, weights_of

VOCAB, LENGTH = 13, 160
IDS = np.random.default_rng(3).integers(0, VOCAB, LENGTH)


def make_trainee(dropout=0.0, optimizer="sgd", sizes=(7, 5)):
    model = LanguageModel(
        VOCAB,
        embedding_dim=6,
        hidden_sizes=list(sizes),
        dropout=DropoutRates(*[dropout] * 5),
        seed=2,
    ).double()
    return TrainState(model, build_optimizer(model, name=optimizer, weight_decay=0.01))


def take_steps(state, plan, until, *, rate=0.5, clip=1.0, ids=IDS, noise=None, **settings):
    setup = StepSetup(steady(rate, clip_norm=clip, **settings), ids, plan, until, noise=noise)
    return list(train_steps(state, setup, until=until))


def same(a, b, atol=1e-12):
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=atol)


@pytest.mark.parametrize("order", [StreamPlan, RandomPlan])
@pytest.mark.parametrize("stride", [1, 3, 5])
@pytest.mark.parametrize("parts", [2, 3, 6])
def test_accumulated_equals_the_whole_batch(order, stride, parts):
    """Twelve sequences at once or in parts, with all dropout, noise and penalties, clipped, over
    an epoch's end.

    The last streams lack a word and a random epoch's last step is smaller, so the
    parts are of unequal size too.
    """
    whole, split = make_trainee(dropout=0.4), make_trainee(dropout=0.4)
    plan = order(LENGTH, window=5, stride=stride, batch_size=12)
    in_parts = order(LENGTH, window=5, stride=stride, batch_size=12 // parts, accumulate=parts)
    until = plan.steps_in(0) + 2
    noise = kneser_ney_noise(IDS, vocab_size=VOCAB, rate=0.5)
    options = {"ar": 2.0, "tar": 1.0, "noise": noise}
    reports = take_steps(whole, plan, until, **options)
    others = take_steps(split, in_parts, until, **options)
    for a, b in zip(reports, others, strict=True):
        assert a.words == b.words
        assert a.nats == pytest.approx(b.nats, rel=0, abs=1e-10)
        assert a.gradient_norm == pytest.approx(b.gradient_norm, rel=0, abs=1e-12)
    same(weights_of(whole.model), weights_of(split.model))
    if order is RandomPlan:
        assert len({report.words for report in reports}) > 1


def test_noise_replaces_words_as_kneser_and_ney_count_them():
    """A word by the share of different words behind it, by words with many before them."""
    ids = np.array([0, 1, 0, 2, 0, 3, 0, 1, 4, 1])  # behind 0: 1 2 3 1; behind 1: 0 4
    noise = kneser_ney_noise(ids, vocab_size=6, rate=0.5)
    assert noise.rates.tolist() == pytest.approx([3 / 8, 2 / 6, 1 / 2, 1 / 2, 1 / 2, 0])
    before = np.array([3, 2, 1, 1, 1, 0])  # before 0: 1 2 3; before 1: 0 4
    assert np.diff(noise.cumulative, prepend=0.0) == pytest.approx(before / 8)
    window = StreamPlan(9000, window=8, stride=8, batch_size=1000).micro_batches(
        np.zeros(9000, dtype=np.int64), epoch=0, step=0
    )[0]
    noised = noise.apply(window, Masks(0, 0, range(1000)))
    read = np.bincount(noised.inputs.ravel(), minlength=6) / noised.inputs.size
    expected = 3 / 8 * before / 8
    expected[0] += 5 / 8
    assert read == pytest.approx(expected, abs=0.02)
    assert (noised.targets == window.targets).all()
    part = noise.apply(
        StreamPlan(9000, window=8, stride=8, batch_size=500, accumulate=2).micro_batches(
            np.zeros(9000, dtype=np.int64), epoch=0, step=0
        )[1],
        Masks(0, 0, range(500, 1000)),
    )
    assert (part.inputs == noised.inputs[500:]).all()


def test_parts_of_five_and_two_words_weigh_by_words():
    """A mean of means would weigh the two parts alike."""
    state = make_trainee()
    model = state.model
    ids = IDS[:8]  # seven targets: streams of 3 and 4, so the last window scores 1 of 2
    plan = StreamPlan(8, window=4, stride=4, batch_size=1, accumulate=2)
    counts = [w.count for w in plan.micro_batches(ids, epoch=0, step=0)]
    assert counts == [3, 4]
    before = weights_of(state.model)
    take_steps(state, plan, 1, rate=1.0, clip=None, ids=ids)
    after = weights_of(state.model)
    reference = make_trainee().model
    nats = 0.0
    for window in plan.micro_batches(ids, epoch=0, step=0):
        inputs = torch.from_numpy(window.inputs)
        features, _ = reference.read(inputs, reference.zero_states(1), carry=torch.tensor([4]))
        logits = reference.logits(features[0])
        targets = torch.from_numpy(window.targets[0])
        nats = nats + torch.nn.functional.cross_entropy(
            logits, targets, reduction="sum", ignore_index=-1
        )
    (nats / 7).backward()
    for name, parameter in reference.named_parameters():
        decay = 0.01 if parameter.dim() > 1 else 0.0
        step = parameter.grad + decay * before[name]
        torch.testing.assert_close(after[name], before[name] - step, rtol=0, atol=1e-12)
    assert model is state.model


@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("streams", [1, 4])
def test_the_carried_state_is_that_of_one_long_pass(stride, streams):
    """At learning rate 0, after every step of an epoch, for overlapping windows too."""
    state = make_trainee()
    model = state.model
    plan = StreamPlan(LENGTH, window=5, stride=stride, batch_size=streams)
    setup = StepSetup(steady(0.0, clip_norm=None), IDS, plan, 1)
    steps = train_steps(state, setup, until=plan.steps_in(0) - 1)
    before_targets = 1 + 5 - stride  # a window begins so far before its first target
    for step, _ in enumerate(steps):
        for row in range(streams):
            bound = 1 + row * (LENGTH - 1) // streams
            begin = max(0, bound - before_targets)
            read = IDS[begin : max(0, bound + (step + 1) * stride - before_targets)]
            if len(read) == 0:
                assert (state.states[0][0].hidden[row] == 0).all()
                continue
            _, states = model.read(
                torch.from_numpy(read)[None],
                model.zero_states(1),
                carry=torch.tensor([len(read)]),
            )
            for carried, expected in zip(state.states[0], states, strict=True):
                for a, b in zip(carried, expected, strict=True):
                    torch.testing.assert_close(a[row], b[0], rtol=0, atol=1e-12)


def test_many_to_one_loss_is_that_of_the_last_position_of_each_window():
    state = make_trainee()
    model = state.model
    plan = RandomPlan(LENGTH, window=6, stride=1, batch_size=4)
    window = plan.micro_batches(IDS, epoch=0, step=0)[0]
    report = take_steps(state, plan, 1, rate=0.0)[0]
    features, _ = model.read(
        torch.from_numpy(window.inputs), model.zero_states(4), carry=torch.full((4,), 6)
    )
    expected = torch.nn.functional.cross_entropy(
        model.logits(features[:, -1]), torch.from_numpy(window.targets[:, 0]), reduction="sum"
    )
    assert report.nats == pytest.approx(expected.item(), rel=0, abs=1e-10)
    assert report.words == 4


def test_steps_are_counted_and_the_last_partial_group_is_applied():
    plan = RandomPlan(30, window=5, stride=1, batch_size=4, accumulate=3)
    assert len(plan.starts(0)) == 25
    assert plan.steps_in(0) == math.ceil(25 / 12)
    reports = take_steps(make_trainee(), plan, 3, ids=IDS[:30])
    assert [r.words for r in reports] == [12, 12, 1]
    assert all(r.gradient_norm > 0 for r in reports)


def test_clipping_happens_once_on_the_whole_gradient():
    state, free = make_trainee(), make_trainee()
    plan = StreamPlan(LENGTH, window=5, stride=5, batch_size=2, accumulate=4)
    before = weights_of(state.model)
    clipped = take_steps(state, plan, 1, rate=1.0, clip=0.01)[0]
    unclipped = take_steps(free, plan, 1, rate=1.0, clip=None)[0]
    assert clipped.gradient_norm == unclipped.gradient_norm > 0.01
    for name, start in before.items():
        decay = 0.01 * start if start.dim() > 1 else 0.0
        short = start - weights_of(state.model)[name] - decay
        long = start - weights_of(free.model)[name] - decay
        scale = 0.01 / clipped.gradient_norm
        torch.testing.assert_close(short, long * scale, rtol=1e-4, atol=1e-12)


def test_the_gradient_norm_is_that_of_the_mean_over_the_words():
    state, plan = make_trainee(), StreamPlan(LENGTH, window=5, stride=5, batch_size=2)
    setup, windows = StepSetup(steady(0.1), IDS, plan, 1), plan.micro_batches(IDS, epoch=0, step=0)
    state.states = [state.model.zero_states(2)]
    replica = LossModule(state.model, distributed=False)
    _, norm = accumulate_gradients(state, setup, replica, windows, words=10)
    squares = sum(float((p.grad / 10).square().sum()) for p in state.model.parameters())
    assert float(norm) == pytest.approx(math.sqrt(squares), rel=1e-12)


def test_weight_decay_leaves_biases_alone():
    optimizer = make_trainee(optimizer="adamw").optimizer
    for group in optimizer.param_groups:
        matrices = {p.dim() > 1 for p in group["params"]}
        assert matrices == {group["weight_decay"] > 0}


def test_t22_divergence_is_an_error_before_any_weight_changes():
    """The step is not applied."""
    state = make_trainee()
    with torch.no_grad():
        state.model.output_bias[0] = float("nan")
    before = weights_of(state.model)
    with pytest.raises(
        DivergedError,
        match="at step 1, the weights output_bias not being finite: nan",
    ):
        take_steps(state, StreamPlan(LENGTH, window=5, stride=5, batch_size=4), 1)
    for name, value in weights_of(state.model).items():
        assert torch.equal(value, before[name]) or name == "output_bias"
    assert state.progress.step == 0


def test_t22_weights_that_are_not_finite_are_kept_out_of_checkpoints():
    """A last look before each save."""
    state = make_trainee()
    state.progress.step = 3
    check_finite(state)
    with torch.no_grad():
        state.model.projection.weight[0, 0] = float("inf")
    with pytest.raises(DivergedError, match="projection.weight is not finite after step 3"):
        check_finite(state)


def test_select_scored_takes_the_scored_positions_and_no_other():
    plan = StreamPlan(12, window=4, stride=2, batch_size=2)
    last = plan.steps_in(0) - 1
    window = plan.micro_batches(np.arange(12), epoch=0, step=last)[0]
    places = torch.from_numpy(window.inputs)[..., None].double()
    scored, targets = select_scored(places, window)
    assert (scored[:, 0] + 1).tolist() == targets.tolist()
    assert len(targets) == window.count < window.targets.size


def test_schedules():
    def rate(step, schedule, total=1000, warmup=50, halvings=0):
        settings = TrainConfig(learning_rate=2.0, schedule=schedule, warmup_steps=warmup)
        return learning_rate(settings, step, total_steps=total, halvings=halvings)

    assert [rate(s, "constant") for s in (0, 24, 49, 50, 999)] == [0.04, 1.0, 2.0, 2.0, 2.0]
    assert rate(50, "cosine") == 2.0
    assert rate(525, "cosine") == pytest.approx(1.0)
    assert 0 < rate(999, "cosine") < 1e-4
    assert rate(2000, "cosine") == 0.0
    assert rate(500, "plateau", halvings=3) == 0.25
    assert rate(0, "constant", total=20) == 1.0  # a tenth of a short run: two steps
    assert rate(0, "cosine", total=5) == 2.0
    assert [planned_epochs(n) for n in (1, 50, 10_000)] == [200, 20, 5]


def test_t13_progress_knows_the_best_and_when_to_halve():
    """A tie keeps the older one; what is not a number is never the best."""
    progress = Progress()
    best = []
    for step, nats in enumerate([3.0, 2.0, 2.0, math.nan, 1.9, 2.0], start=1):
        progress.step = step
        best.append(progress.record(nats))
    assert best == [True, True, False, False, True, False]
    assert (progress.best_step, progress.best_nats, progress.stale) == (5, 1.9, 1)
    assert progress.halvings == 1


def test_a_rate_leaves_the_warm_up_out():
    meter = Meter()
    assert meter.words_per_second == 0
    meter.add(nats=20.0, words=10, seconds=5.0, timed=False)
    meter.add(nats=10.0, words=20, seconds=0.5)
    assert (meter.nats_per_word, meter.words_per_second) == (1.0, 40.0)


def test_cuda_without_a_gpu_is_a_clear_error():
    if torch.cuda.is_available():
        assert choose_device("auto").type == "cuda"
        return
    assert choose_device("auto").type == "cpu"
    with pytest.raises(UsageError, match="torch sees no CUDA GPU here. Set train.device: auto"):
        choose_device("cuda")


@pytest.mark.parametrize(
    "change",
    [
        {"step": "7"},
        {"step": -1},
        {"step": True},
        {"words": 10**30},
        {"best_nats": "low"},
        {"best_step": 1.5},
        {"valid_nats": None},
        {"valid_nats": [1.0, None]},
        {"surprise": 1},
        {"words": 2.0},
        {"stale": 2**62},
        {"best_nats": 3},
        {"epoch": 4},
        {"epoch_step": 4},
        {"best_step": 4},
        {"evaluated": 4},
    ],
)
def test_t03_counters_of_a_stranger_are_refused(change):
    """One missing, one too many, of another kind."""
    progress = Progress(step=3, words=12, best_step=2, best_nats=3.5, valid_nats=[4.0, 3.5])
    assert Progress.from_json(progress.as_json()) == progress
    with pytest.raises((ValueError, TypeError)):
        Progress.from_json(progress.as_json() | change)
    lacking = progress.as_json()
    del lacking["valid_nats"]
    with pytest.raises(ValueError, match="other counters than a training has"):
        Progress.from_json(lacking)


def flat(tensor):
    return tensor.reshape(-1)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("exp_avg", lambda t: flat(t)), ("exp_avg_sq", lambda t: t[:1]),
        ("step", lambda t: t.repeat(2)), ("exp_avg", lambda t: t * math.nan),
        ("exp_avg", lambda t: t - math.inf), ("exp_avg_sq", lambda t: t + math.inf),
        ("exp_avg_sq", lambda t: t - 1), ("step", lambda t: t - 9),
    ],
)  # fmt: skip
def test_t03_what_no_optimizer_remembers_is_refused(name, change):
    """Of another shape, not finite, or negative where it is a sum of squares or a count."""
    model = nn.Linear(3, 2)
    optimizer = build_optimizer(model, name="adamw", weight_decay=0.0)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    sound = optimizer_tensors(model, optimizer)
    fresh = build_optimizer(model, name="adamw", weight_decay=0.0)
    restore_optimizer(model, fresh, sound)
    changed = sound | {f"weight/{name}": change(sound[f"weight/{name}"])}
    with pytest.raises(ValueError, match=f"the optimizer's weight/{name} has"):
        restore_optimizer(model, fresh, changed)


def test_a_gradient_below_epsilon_hardly_moves_a_weight():
    """The first step of Adam is rate * g / (|g| + epsilon)."""
    model = torch.nn.Linear(3, 1, bias=False).double()
    before = model.weight.detach().clone()
    optimizer = build_optimizer(model, name="adamw", weight_decay=0.0, epsilon=3e-5)
    set_learning_rate(optimizer, 0.1)
    gradient = torch.tensor([[1e-2, 1e-6, -3e-5]], dtype=torch.float64)
    model.weight.grad = gradient.clone()
    optimizer.step()
    expected = before - 0.1 * gradient / (gradient.abs() + 3e-5)
    torch.testing.assert_close(model.weight.detach(), expected, rtol=0, atol=1e-12)
    moved = (model.weight.detach() - before).abs()
    assert float(moved[0, 1]) < 0.004  # and not 0.1


def test_each_step_draws_dropout_masks_of_its_own():
    """The same windows by the same weights: only the masks differ from step to step."""
    plan = StreamPlan(LENGTH, window=39, stride=39, batch_size=4)
    assert plan.steps_in(0) == 2
    for dropout, differ in ((0.5, True), (0.0, False)):
        reports = take_steps(make_trainee(dropout), plan, 8, rate=0.0)
        nats = {report.nats for report in reports[::2]}  # of the first windows, epoch by epoch
        assert len(nats) == (4 if differ else 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [
        StreamPlan(LENGTH, window=8, stride=8, batch_size=3, accumulate=2),
        StreamPlan(LENGTH, window=8, stride=5, batch_size=4),
        RandomPlan(LENGTH, window=8, stride=1, batch_size=4),
    ],
)
def test_a_deferred_training_waits_for_nothing_that_a_device_holds(plan, monkeypatch):
    """On torch's device without numbers, where to read one is an error; it is shapes alone.

    A GPU is waited for where the host reads a number of it. The fused optimiser runs on
    real devices only and is left out.
    """
    model = make_trainee(0.2).model.to("meta")
    optimizer = torch.optim.AdamW(model.parameters())
    monkeypatch.setattr(optimizer, "step", lambda: None)
    state = TrainState(model, optimizer, average=Average("ema", decay=0.9, start=0))
    state.progress.step = 1  # at 16, 32, ... it looks
    until = 10
    assert (
        until < CHECK_EVERY and until > plan.steps_in(0) * plan.carries
    )  # over the ends of streams
    setup = StepSetup(steady(0.1, ar=0.1, tar=0.1), IDS, plan, until, deferred=True)
    steps = train_steps(state, setup, until=until)
    assert [report.step for report in steps] == list(range(2, until + 1))
    with pytest.raises(RuntimeError, match="meta"):
        check_finite(state)


def test_t22_a_late_look_names_no_cause_that_it_does_not_know():
    """On a GPU steps are looked at now and then: the step that failed was not applied."""
    state = make_trainee()
    plan = StreamPlan(LENGTH, window=5, stride=5, batch_size=4)
    setup = StepSetup(steady(0.1), IDS, plan, 60, deferred=True)
    steps = train_steps(state, setup, until=60)
    for _ in range(5):
        next(steps)
    handle = state.model.embedding.weight.register_hook(lambda g: g * math.inf)
    next(steps)
    handle.remove()
    with pytest.raises(DivergedError, match="diverged at or shortly before step 17. The weights"):
        list(steps)
    assert all(bool(p.isfinite().all()) for p in state.model.parameters())
