"""The training loop, as a generator of reports.

One step reads all its micro-batches, sums nats over them, divides once by the
count of all their words, clips once and steps once: so one batch of 64 and four
of 16 are the same step. Nothing here prints, draws or saves; whoever iterates
may save between two reports, since the state given to the loop is then whole.
"""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from lstmgen.config.schema import TrainConfig
from lstmgen.errors import DivergedError
from lstmgen.model.dropout import Masks
from lstmgen.model.language_model import LanguageModel, States
from lstmgen.training.averaging import Average
from lstmgen.training.devices import keep_memory
from lstmgen.training.distributed import ALONE, World
from lstmgen.training.noising import Noise
from lstmgen.training.optimizers import Optimizer, apply_gradients, set_learning_rate
from lstmgen.training.progress import Progress
from lstmgen.training.replica import replicated
from lstmgen.training.schedules import learning_rate
from lstmgen.windows.plans import Plan
from lstmgen.windows.window import Ids, Window

LOOK = 16  # steps after which a deferred training looks for one that was not finite


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        step: steps done, this one included.
        sums: (2,) nats and gradient norm, where the training runs: to read them on a
            GPU is to wait for it.
        words: scored in this step.
        seconds: this step took.
    """

    step: int
    epoch: float
    sums: Tensor
    words: int
    learning_rate: float
    seconds: float

    @property
    def nats(self) -> float:
        """Summed over the step's words, in training (with dropout)."""
        return float(self.sums[0])

    @property
    def gradient_norm(self) -> float:
        """Of the mean over the step's words, before clipping."""
        return float(self.sums[1])


@dataclass
class TrainState:
    """All that training changes: give the same one again to go on.

    Attributes:
        average: of the weights; None keeps none.
        states: carried states of each micro-batch that this process reads; empty at an
            epoch's start.
        failed: whether a step was not finite; it and those behind it are not applied.
    """

    model: LanguageModel
    optimizer: Optimizer
    progress: Progress = field(default_factory=Progress)
    average: Average | None = None
    states: list[States] = field(default_factory=list)
    failed: Tensor = field(default_factory=lambda: torch.tensor(False))

    @contextmanager
    def averaged(self) -> Iterator[LanguageModel]:
        """The model as it is evaluated and saved: with its averaged weights, if it has any."""
        with nullcontext() if self.average is None else self.average.applied(self.model):
            yield self.model


@dataclass(frozen=True)
class StepSetup:
    """What all steps of a training have in common.

    Attributes:
        settings: of the learning rate, clipping, penalties, dropout's seed and compression.
        ids: the training text.
        plan: which windows each step takes.
        schedule_steps: the length of the learning-rate schedule.
        noise: which words are read as others.
        bf16: take matmuls in bfloat16 (``training.precision``).
        deferred: look for steps that were not finite now and then only, so that the
            host need not wait for the device; None: on a GPU.
        world: the processes that share each step; all of them train alike.
    """

    settings: TrainConfig
    ids: Ids
    plan: Plan
    schedule_steps: int
    noise: Noise | None = None
    bf16: bool = False
    deferred: bool | None = None
    world: World = ALONE


def train_steps(state: TrainState, setup: StepSetup, *, until: int) -> Iterator[StepReport]:
    """Train step by step.

    Args:
        until: the number of steps at which to end.

    Yields:
        One report after each step; ``state`` is then ready to be saved.

    Raises:
        DivergedError: at a gradient that is not finite; it never reaches a weight.
    """
    model, optimizer, progress = state.model, state.optimizer, state.progress
    settings, plan, world = setup.settings, setup.plan, setup.world
    deferred = model.device.type != "cpu" if setup.deferred is None else setup.deferred
    replica = replicated(model, world, settings.compression)
    keep_memory()
    while progress.step < until:
        begun = time.perf_counter()
        model.train()
        windows = plan.micro_batches(setup.ids, epoch=progress.epoch, step=progress.epoch_step)
        words = sum(window.count for window in windows)
        own = world.shard(windows, accumulate=plan.accumulate)
        if progress.epoch_step == 0 or not plan.carries:
            state.states = [model.zero_states(len(window.rows)) for window in own]
        rate = learning_rate(
            settings, progress.step, total_steps=setup.schedule_steps, halvings=progress.halvings
        )
        set_learning_rate(optimizer, rate)
        sums = accumulate_gradients(state, setup, replica, own, words=words)
        if not deferred or progress.step % LOOK == 0:
            _check_step(state, sums, words=words)
        apply_gradients(
            optimizer, words=words / world.size, norm=sums[1], clip_norm=settings.clip_norm,
            failed=state.failed,
        )  # fmt: skip
        steps_in_epoch = plan.steps_in(progress.epoch)
        progress.advance(words=words, steps_in_epoch=steps_in_epoch)
        if state.average is not None:
            state.average.add(model, step=progress.step)
        if progress.epoch_step == 0 or not plan.carries:
            state.states = []
        seconds = time.perf_counter() - begun
        yield StepReport(
            step=progress.step,
            epoch=progress.epoch + progress.epoch_step / steps_in_epoch,
            sums=sums,
            words=words,
            learning_rate=rate,
            seconds=seconds,
        )


def check_finite(state: TrainState) -> None:
    """Keep a training that has gone wrong out of checkpoints.

    Raises:
        DivergedError: after a step that was not applied, or naming the first weight
            that is not finite.
    """
    step = state.progress.step
    if bool(state.failed):
        raise DivergedError(_diagnosis(f"at or shortly before step {step}"))
    weights = _not_finite(state.model.named_parameters())
    if weights:
        raise DivergedError(
            f"training diverged: {weights[0]} is not finite after step {step}. Checkpoints saved "
            "before are intact. Lower train.learning_rate",
            {"weights": weights},
        )


def accumulate_gradients(
    state: TrainState, setup: StepSetup, replica: nn.Module, windows: list[Window], *, words: int
) -> Tensor:
    """Gradients of the nats and penalties of all words of all micro-batches, summed.

    With several ranks each has its own windows, and the gradients are those of all of them,
    divided by the number of ranks, which is what torch's engine makes of them.

    Args:
        replica: reads a micro-batch. words: of the whole step.

    Returns:
        (2,) the nats, and the norm of the mean gradient; where they are not finite,
        ``state.failed`` is set.
    """
    model, step, world = state.model, state.progress.step, setup.world
    device = model.device
    total = torch.zeros((), dtype=torch.float64, device=device)
    read: list[Window | None] = [window for window in windows if len(window.rows)]
    if not read and world.size > 1:
        read, state.states = [None], [[]]
    drawn = [
        Masks(setup.settings.seed, step, range(0) if window is None else _span(window),
              dtype=model.dtype, device=device)
        for window in read
    ]  # fmt: skip
    with model.recurrent_dropout(drawn[0]):
        for part, (window, masks) in enumerate(zip(read, drawn, strict=True)):
            shared = replica if isinstance(replica, DistributedDataParallel) else None
            more = part + 1 < len(read)  # gradients are summed over the ranks once, at the last
            with shared.no_sync() if shared is not None and more else nullcontext():
                if window is not None and setup.noise is not None:
                    window = setup.noise.applied(window, masks)  # noqa: PLW2901
                cost, nats, state.states[part] = replica(
                    window, state.states[part], carries=setup.plan.carries, masks=masks,
                    settings=setup.settings, bf16=setup.bf16,
                )  # fmt: skip
                if cost is not None:
                    cost.backward()
                if nats is not None:
                    total += nats
    norm = get_total_norm(p.grad for p in model.parameters() if p.grad is not None)
    norm = norm.double() * world.size / words
    # The first rank's norm, so that machines that round it otherwise take the same step.
    sums = world.all_reduce_sum(
        torch.stack([total, norm if world.is_main else torch.zeros_like(norm)])
    )
    state.failed = state.failed.to(device) | ~sums.isfinite().all()
    return sums


def _span(window: Window) -> range:
    """The numbers of a window's rows, which have no gaps."""
    return range(int(window.rows[0]), int(window.rows[-1]) + 1)


def _check_step(state: TrainState, sums: Tensor, *, words: int) -> None:
    """Stop at a step that is not finite, before it is applied."""
    if not bool(state.failed):
        return
    nats, norm = sums.tolist()
    progress = state.progress
    rate = state.optimizer.param_groups[0]["lr"]
    if math.isfinite(nats) and math.isfinite(norm):  # it was one of the steps since the last look
        raise DivergedError(_diagnosis(f"at or shortly before step {progress.step + 1}"))
    named = list(state.model.named_parameters())
    weights = _not_finite(named)
    gradients = _not_finite((name, p.grad) for name, p in named if p.grad is not None)
    facts: dict[str, object] = {
        "epoch": progress.epoch,
        "epoch_step": progress.epoch_step,  # with the epoch it says which windows were read
        "nats_per_word": repr(nats / words),
        "gradient_norm": repr(norm),
        "learning_rate": rate,
        "weights": weights,  # those that are not finite
        "gradients": gradients,
    }
    first = f"the weights {weights[0]}" if weights else "the loss"
    if math.isfinite(nats) and not weights:
        first = f"the gradient of {gradients[0]}" if gradients else "the gradient's norm"
    raise DivergedError(
        _diagnosis(
            f"at step {progress.step + 1}, {first} not being finite: {nats / words:.4g} nats per "
            f"word, gradient norm {norm:.4g}, learning rate {rate:.4g}"
        ),
        facts,
    )


def _not_finite(named: Iterable[tuple[str, Tensor]]) -> list[str]:
    """The names of tensors that hold a number which is not finite."""
    return [name for name, tensor in named if not bool(tensor.isfinite().all())]


def _diagnosis(where: str) -> str:
    return (
        f"training diverged {where}. The weights of this step were not changed. "
        "Lower train.learning_rate or train.clip_norm"
    )
