"""Averages of weights, penalties and schedules by their definitions."""

import pytest
import torch

from lstmgen.config.schema import TrainConfig
from lstmgen.training.averaging import PATIENCE, Average
from lstmgen.training.loss_module import activation_penalty, select_scored
from lstmgen.training.schedules import LOW, RISE, learning_rate
from lstmgen.windows.plans import StreamPlan


def steps(average, count):
    """Weights 1, 2, 3, ... counted one after the other; the model and the averages."""
    model, seen = torch.nn.Linear(2, 1).double(), []
    for step in range(1, count + 1):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(float(step))
        average.add(model, step=step)
        seen.append(average.tensors.get("weight", torch.zeros(1)).flatten()[0].item())
    return model, seen


def test_ema_is_a_mean_at_first_and_then_forgets_by_its_decay():
    _, seen = steps(Average("ema", decay=0.75, start=0), 6)
    expected, value = [], 0.0
    for step in range(1, 7):
        share = max(0.25, 1 / step)
        value += share * (step - value)
        expected.append(value)
    assert seen == pytest.approx(expected, rel=1e-12)
    assert seen[2] == pytest.approx(2)  # the mean of 1, 2, 3


def test_swa_is_the_mean_of_the_weights_from_its_start_on():
    _, seen = steps(Average("swa", decay=0.9, start=4), 7)
    assert seen == pytest.approx([0, 0, 0, 4, 4.5, 5, 5.5], rel=1e-12)


def test_nt_begins_where_validation_is_worse_than_it_was_long_ago():
    average = Average("nt", decay=0.9, start=0)
    model, seen = steps(average, 3)
    assert seen == [0, 0, 0]
    falling = [5.0, 4.0, 3.0, 2.5, 2.6, 2.7, 2.8, 2.9]
    for count in range(1, len(falling) + 1):
        average.check_trigger(model, falling[:count])
        assert not average.steps  # nothing is worse than the best of those long ago
    assert min([*falling, 3.1][: -PATIENCE - 1]) < 3.1
    average.check_trigger(model, [*falling, 3.1])
    assert average.steps == 1
    average.check_trigger(model, [*falling, 3.1, 9.0])
    average.add(model, step=4)
    assert average.steps == 2


def test_averaged_weights_are_lent_and_given_back():
    average = Average("swa", decay=0.9, start=1)
    model, _ = steps(average, 3)
    places = [p.data_ptr() for p in model.parameters()]
    with average.applied(model):
        assert model.weight.flatten()[0].item() == pytest.approx(2)
    assert model.weight.flatten()[0].item() == 3
    assert places == [p.data_ptr() for p in model.parameters()]
    with pytest.raises(KeyError), average.applied(model):
        raise KeyError
    assert model.weight.flatten()[0].item() == 3
    assert average.tensors["weight"].flatten()[0].item() == pytest.approx(2)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_penalties_are_their_definitions_at_scored_positions(stride):
    generator = torch.Generator().manual_seed(0)
    plan = StreamPlan(length=40, window=4, stride=stride, batch_size=3, accumulate=1)
    (window,) = plan.micro_batches(torch.arange(40).numpy(), epoch=0, step=1)
    outputs = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    dropped = outputs * (torch.rand(3, 1, 5, generator=generator) > 0.5) * 2
    scored, _ = select_scored(dropped, window)
    activation = change = 0.0
    for row in range(3):
        first = int(window.first[row])  # the text's first window is short
        for place in range(first, first + stride):
            activation += float((dropped[row, place] ** 2).mean())
            if place > 0:
                change += float(((outputs[row, place] - outputs[row, place - 1]) ** 2).mean())
    found = activation_penalty(TrainConfig(ar=2.0, tar=3.0), outputs, scored, window)
    assert float(found) == pytest.approx(2 * activation + 3 * change, rel=1e-12)
    assert activation_penalty(TrainConfig(), outputs, scored, window) == 0


def test_one_cycle_rises_from_a_fraction_of_its_peak_and_ends_near_zero():
    def rate(step):
        settings = TrainConfig(learning_rate=2.0, schedule="one_cycle", warmup_steps=50)
        return learning_rate(settings, step, total_steps=1000)

    rates = [rate(step) for step in range(1000)]
    top = int(1000 * RISE)
    assert rates[0] == pytest.approx(2 / LOW)
    assert rates[top] == max(rates) == pytest.approx(2)
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:])[::-1]
    assert 0 < rates[-1] < 1e-4 and rate(2000) == 0
    assert rates[top // 2] == pytest.approx((2 + 2 / LOW) / 2)
    once = TrainConfig(learning_rate=1.0, schedule="one_cycle", warmup_steps=0)
    only = learning_rate(once, 0, total_steps=1)
    assert only == 1 / LOW
