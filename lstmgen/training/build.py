"""A training made ready: torch set up, the plan of its steps, model, optimiser, precision."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lstmgen.config.schema import Config, ModelConfig
from lstmgen.model.factory import build_model
from lstmgen.model.memory import check_memory
from lstmgen.text.corpus import Corpus
from lstmgen.training import devices
from lstmgen.training.averaging import Average
from lstmgen.training.distributed import ALONE, World
from lstmgen.training.init_from import (
    InitReport,
    base_of,
    describe_fit,
    describe_origin,
    init_from_base,
)
from lstmgen.training.loop import StepReport, StepSetup, TrainState, train_steps
from lstmgen.training.noising import kneser_ney_noise
from lstmgen.training.optimizers import build_optimizer
from lstmgen.training.precision import resolve_precision
from lstmgen.training.schedules import planned_epochs
from lstmgen.windows.plans import Fit, Plan, RandomPlan, StreamPlan, fit_to_text, steps_until


@dataclass(frozen=True)
class TrainingSetup:
    """All that steps of training need.

    Attributes:
        fit: the sizes that the text can fill.
        until: the step at which the config ends.
        bf16: whether products are taken in bfloat16.
        taken: what the first weights have of a base; None from scratch, and where they come
            from a checkpoint of this training.
        origin: what checkpoints say of the text and the base.
        notices: what was decided without being asked for; empty texts are none.
    """

    config: Config
    corpus: Corpus
    fit: Fit
    plan: Plan
    until: int
    state: TrainState
    bf16: bool
    taken: InitReport | None
    origin: dict[str, Any]
    notices: tuple[str, ...]

    @property
    def epochs(self) -> float:
        """Of the whole training."""
        return self.until / self.plan.steps_in(0)

    @property
    def device(self) -> str:
        """What the start card calls it."""
        return devices.describe(self.state.model.device, bf16=self.bf16)

    def steps(
        self, *, until: int, schedule_steps: int, world: World = ALONE
    ) -> Iterator[StepReport]:
        """Train up to a step, and do nothing else.

        Args:
            schedule_steps: the length of the learning-rate schedule.
            world: the processes that share each step.
        """
        settings, ids, noise = self.config.train, self.corpus.train.ids, None
        if settings.noise:
            size = len(self.corpus.vocabulary)
            noise = kneser_ney_noise(ids, vocab_size=size, rate=settings.noise)
        setup = StepSetup(
            settings, ids, self.plan, schedule_steps, noise=noise, bf16=self.bf16, world=world
        )
        return train_steps(self.state, setup, until=until)


def build_training(
    config: Config, corpus: Corpus, world: World = ALONE, *, resumed: bool = False
) -> TrainingSetup:
    """Set torch up and build what a config describes, at its first step.

    Args:
        resumed: the weights are going to come from a checkpoint, not from a base.
        world: the processes that will share its steps.

    Raises:
        UsageError: where it asks for a GPU and there is none, for more memory than there is, or
            for more ranks than it has sequences.
    """
    settings = config.train
    device = devices.choose_device(settings.device)
    world.check_device(device)
    threads, threads_notice = world.threads(settings.threads)
    devices.set_up(device, threads=threads)
    fit = fit_to_text(
        len(corpus.train.ids),
        window=settings.window,
        stride=settings.scored,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
    )
    world.check_fit(batch_size=fit.batch_size, accumulate=fit.accumulate)
    plan = _plan(config, corpus, fit)
    if device.type == "cpu":
        check_memory(config, vocab_size=len(corpus.vocabulary), ranks=world.local_size)
    model = build_model(config.model, corpus.vocabulary, seed=settings.seed)
    model = model.to(device)
    # By the fresh weights, which a resumption has too: start and resumption decide alike.
    bf16, precision_notice = resolve_precision(
        settings.precision, model, batch=fit.batch_size, window=fit.window
    )
    base = None if resumed else base_of(config)
    taken = None if base is None else init_from_base(model, config, corpus, base)
    optimizer = build_optimizer(
        model,
        name=settings.optimizer,
        weight_decay=settings.weight_decay,
        epsilon=settings.epsilon,
    )
    until = _planned_steps(config, plan)
    average = None
    if settings.average is not None:
        start = math.ceil(settings.average_start * until)
        average = Average(settings.average, decay=settings.average_decay, start=start)
    return TrainingSetup(
        config=config,
        corpus=corpus,
        fit=fit,
        plan=plan,
        until=until,
        state=TrainState(model, optimizer, average=average),
        bf16=bf16,
        taken=taken,
        origin=describe_origin(config, corpus, base),
        notices=(
            "" if taken is None else describe_fit(taken),
            fit.notice,
            threads_notice,
            _tie_notice(config.model),
            precision_notice,
            _compression_notice(settings.compression, world),
        ),
    )


def _compression_notice(compression: str | None, world: World) -> str:
    if compression is not None and world.size == 1:
        return f"train.compression = {compression}: one process sends no gradients, so it is idle"
    if compression == "powersgd":
        return (
            "train.compression = powersgd: gradients arrive approximately, and what they lack is "
            "in no checkpoint: a resumption has not the bits of a run that was never stopped"
        )
    return ""


def _plan(config: Config, corpus: Corpus, fit: Fit) -> Plan:
    sizes = {
        "length": len(corpus.train.ids),
        "window": fit.window,
        "stride": fit.stride,
        "batch_size": fit.batch_size,
        "accumulate": fit.accumulate,
    }
    if config.train.order == "random":
        return RandomPlan(**sizes, seed=config.train.seed)
    return StreamPlan(**sizes)


def _planned_steps(config: Config, plan: Plan) -> int:
    settings = config.train
    if settings.epochs is None and settings.max_steps is not None:
        return settings.max_steps
    epochs = settings.epochs or planned_epochs(plan.steps_in(0))
    return min(steps_until(plan, epochs), settings.max_steps or sys.maxsize)


def _tie_notice(model: ModelConfig) -> str:
    """A warning where the output is tied without a projection (see docs/training.md)."""
    if not model.tie_weights or model.hidden_sizes[-1] != model.embedding_dim:
        return ""
    return (
        f"the last layer and the word vectors have one size ({model.embedding_dim}), so they are "
        "tied without a projection between them. Another size usually learns better"
    )
