"""Training without an end, for benchmarks that time steps."""

from collections.abc import Iterator

from lstmgen.model.language_model import LanguageModel
from lstmgen.training.averaging import Average
from lstmgen.training.loop import StepReport, Trainee, train_steps
from lstmgen.training.optimizers import build_optimizer
from lstmgen.training.replica import Penalties
from lstmgen.windows.plans import Plan
from lstmgen.windows.window import Ids

RATE = 1e-4  # small: what is timed must not diverge


def endless_steps(
    model: LanguageModel,
    ids: Ids,
    plan: Plan,
    *,
    bf16: bool = False,
    penalties: Penalties = Penalties(),  # noqa: B008 (a frozen tuple)
    average: Average | None = None,
) -> Iterator[StepReport]:
    """Reports of whole steps: dropout, exact gradients, clipping and AdamW included."""
    optimizer = build_optimizer(model, name="adamw", weight_decay=0.01)
    return train_steps(
        Trainee(model, optimizer, average=average),
        ids,
        plan=plan,
        until=10**9,
        rate=lambda _: RATE,
        clip_norm=1.0,
        seed=0,
        penalties=penalties,
        bf16=bf16,
    )
