"""Endless training, for benchmarks that time steps."""

from collections.abc import Iterator

from lstmgen.config.schema import TrainConfig
from lstmgen.model.language_model import LanguageModel
from lstmgen.training.averaging import Average
from lstmgen.training.loop import StepReport, StepSetup, TrainState, train_steps
from lstmgen.training.optimizers import build_optimizer
from lstmgen.windows.plans import Plan
from lstmgen.windows.window import Ids

STEADY = TrainConfig(schedule="constant", warmup_steps=0, learning_rate=1e-4)  # must not diverge


def endless_steps(
    model: LanguageModel,
    ids: Ids,
    plan: Plan,
    *,
    settings: TrainConfig = STEADY,
    bf16: bool = False,
    average: Average | None = None,
) -> Iterator[StepReport]:
    """Reports of complete steps, with dropout, exact gradients, clipping and AdamW."""
    optimizer = build_optimizer(model, name="adamw", weight_decay=0.01)
    setup = StepSetup(settings, ids, plan, schedule_steps=1, bf16=bf16)
    return train_steps(TrainState(model, optimizer, average=average), setup, until=10**9)
