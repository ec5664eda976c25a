"""The learning rate as a function of the step."""

import math
from typing import Literal

Schedule = Literal["constant", "cosine", "plateau"]

STALE = 2  # evaluations without a new best after which ``plateau`` halves the rate


def learning_rate(
    step: int,
    *,
    peak: float,
    schedule: Schedule,
    warmup_steps: int,
    total_steps: int,
    halvings: int = 0,
) -> float:
    """The rate of one step.

    Args:
        step: counted from 0.
        peak: the rate after the warm-up.
        warmup_steps: the rate grows linearly over them; at most a tenth of all steps.
        total_steps: the length of the schedule; ``cosine`` ends near 0 there
            (Loshchilov and Hutter 2017, without restarts).
        halvings: how often ``plateau`` has halved the rate.
    """
    warmup = min(warmup_steps, total_steps // 10)
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule == "cosine":
        done = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "plateau":
        return float(peak * 0.5**halvings)
    return peak


def planned_epochs(steps_per_epoch: int) -> int:
    """How many epochs a config without ``train.epochs`` gets: some 1,000 steps, 5 to 200."""
    return max(5, min(200, round(1000 / steps_per_epoch)))
