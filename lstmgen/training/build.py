"""Building a training: torch settings, step plan, model, optimizer, precision."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lstmgen.config.schema import Config, DataConfig, ModelConfig
from lstmgen.model.factory import build_model
from lstmgen.model.memory_check import check_memory
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

UNKNOWN_RATE = 0.03  # of unknown words in the training text, above which a notice says so


@dataclass(frozen=True)
class TrainingSetup:
    """Everything that training steps need.

    Attributes:
        fit: batch sizes, reduced if the text is short.
        until: the step at which the config ends.
        bf16: whether matmuls are done in bfloat16.
        init: how the weights were initialized from a base; None from scratch or when resumed.
        origin: the checkpoints' record of the text and the base.
        notices: automatic decisions; empty strings are skipped.
    """

    config: Config
    corpus: Corpus
    fit: Fit
    plan: Plan
    until: int
    state: TrainState
    bf16: bool
    init: InitReport | None
    origin: dict[str, Any]
    notices: tuple[str, ...]

    @property
    def epochs(self) -> float:
        """Planned epochs."""
        return self.until / self.plan.steps_in(0)

    @property
    def device(self) -> str:
        """The device's name on the start card."""
        return devices.describe(self.state.model.device, bf16=self.bf16)

    def steps(
        self, *, until: int, schedule_steps: int, world: World = ALONE
    ) -> Iterator[StepReport]:
        """Train up to a step; nothing is evaluated or saved.

        Args:
            schedule_steps: the length of the learning-rate schedule.
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
    """Configure torch and build what a config describes, at its first step.

    Args:
        resumed: the weights will come from a checkpoint, not from a base.

    Raises:
        UsageError: if there is no GPU though requested, too little memory, or more ranks than
            sequences.
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
    gpu = devices.gpu_memory(device)
    ranks = world.local_size if gpu is None else 1
    check_memory(config, vocab_size=len(corpus.vocabulary), ranks=ranks, gpu=gpu)
    model = build_model(config.model, corpus.vocabulary, seed=settings.seed)
    model = model.to(device)
    # Decided on the initial weights, so that a resumed run decides the same.
    bf16, precision_notice = resolve_precision(
        settings.precision, model, batch=fit.batch_size, window=fit.window
    )
    base = None if resumed else base_of(config)
    init = None if base is None else init_from_base(model, config, corpus, base)
    optimizer = build_optimizer(
        model, name=settings.optimizer, weight_decay=settings.weight_decay, epsilon=settings.epsilon
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
        init=init,
        origin=describe_origin(config, corpus, base),
        notices=(
            "" if init is None else describe_fit(init),
            fit.notice,
            _unknown_notice(config.data, corpus),
            threads_notice,
            _tie_notice(config.model),
            precision_notice,
            _compression_notice(settings.compression, world),
        ),
    )


def _unknown_notice(data: DataConfig, corpus: Corpus) -> str:
    """A warning if the training text has many words that can never be generated."""
    unknown, tokens = corpus.train.unknown, corpus.train.tokens
    if not corpus.vocabulary.models_unknown or unknown <= UNKNOWN_RATE * tokens:
        return ""
    remedies = []
    if data.vocabulary is not None:
        remedies.append("add words to the file data.vocabulary")
    if data.vocabulary_from == "base":
        remedies.append("set data.vocabulary_from=both")
    if data.min_count > 1:
        remedies.append(f"lower data.min_count ({data.min_count:,})")
    if data.vocabulary_size is not None:
        remedies.append(f"raise data.vocabulary_size ({data.vocabulary_size:,})")
    remedy = " or ".join(remedies)
    return (
        f"{unknown / tokens:.1%} of the training tokens are <unk>, which is never generated: where "
        "the model expects an unknown word, it must say another one, so such sentences come out "
        f"with a word missing. {remedy[:1].upper()}{remedy[1:]}"
    ).removesuffix(". ")


def _compression_notice(compression: str | None, world: World) -> str:
    if compression is not None and world.size == 1:
        return f"train.compression = {compression}: has no effect with a single process"
    if compression == "powersgd":
        return (
            "train.compression = powersgd: gradients are approximate, and their error feedback is "
            "not saved: a resumed run will not be bit-equal to an uninterrupted one"
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
    """A warning if the output is tied without a projection (see docs/training.md)."""
    if not model.tie_weights or model.hidden_sizes[-1] != model.embedding_dim:
        return ""
    return (
        f"the last layer and the word vectors have the same size ({model.embedding_dim}), so they "
        "are tied without a projection between them. A different size usually learns better"
    )
