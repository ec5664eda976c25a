"""The learning rate as a function of the step."""

import math

from lstmgen.config.schema import TrainConfig

RISE, LOW = 0.3, 25.0  # of one_cycle: fraction of warm-up steps, peak rate / initial rate
STALE = 2  # evaluations without improvement before ``plateau`` halves the rate


def learning_rate(
    settings: TrainConfig, step: int, *, total_steps: int, halvings: int = 0
) -> float:
    """The rate of one step.

    Args:
        settings: the peak rate, the schedule, and the linear warm-up, which takes at most a
            tenth of all steps.
        step: counted from 0.
        total_steps: the length of the schedule, at whose end ``cosine`` (Loshchilov and Hutter
            2017, without restarts) and ``one_cycle`` (Smith 2018, with cosine phases and no
            warm-up) are near 0.
        halvings: times that ``plateau`` has halved the rate.
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
    """The rate as a fraction of the peak, ``done`` being the fraction of steps done."""
    if done < RISE:
        return 1 / LOW + (1 - 1 / LOW) * 0.5 * (1 - math.cos(math.pi * done / RISE))
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - RISE) / (1 - RISE))))


def planned_epochs(steps_per_epoch: int) -> int:
    """The epochs of a config without ``train.epochs``: about 1,000 steps, but 5 to 200 epochs."""
    return max(5, min(200, round(1000 / steps_per_epoch)))
