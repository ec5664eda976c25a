"""The learning rate as a function of the step."""

import math

from lstmgen.config.schema import TrainConfig

RISE, LOW = 0.3, 25.0  # of one_cycle: share of its steps that rise, and the peak by its start
STALE = 2  # evaluations without a new best after which ``plateau`` halves the rate


def learning_rate(
    settings: TrainConfig, step: int, *, total_steps: int, halvings: int = 0
) -> float:
    """The rate of one step.

    Args:
        settings: the peak rate, the schedule, and the warm-up, over which the rate rises
            linearly; it takes at most a tenth of all steps.
        step: counted from 0.
        total_steps: the length of the schedule; ``cosine`` ends near 0 there
            (Loshchilov and Hutter 2017, without restarts); ``one_cycle`` rises to the peak and
            ends near 0, both along a cosine (Smith 2018), and has no warm-up.
        halvings: how often ``plateau`` has halved the rate.
    """
    schedule, peak = settings.schedule, settings.learning_rate
    if schedule == "one_cycle":
        return peak * _one_cycle(step / max(1, total_steps))
    warmup = min(settings.warmup_steps, total_steps // 10)
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule == "cosine":
        done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "plateau":
        return float(peak * 0.5**halvings)
    return peak


def _one_cycle(done: float) -> float:
    """The share of the peak where so much of the schedule is done."""
    if done < RISE:
        return 1 / LOW + (1 - 1 / LOW) * 0.5 * (1 - math.cos(math.pi * done / RISE))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - RISE) / (1 - RISE))))


def planned_epochs(steps_per_epoch: int) -> int:
    """How many epochs a config without ``train.epochs`` gets: some 1,000 steps, 5 to 200."""
    return max(5, min(200, round(1000 / steps_per_epoch)))
