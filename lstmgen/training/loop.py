"""The training loop, as a generator of reports.

One step sums the nats of all its micro-batches, divides once by the number of their words,
clips once and updates once, so that one batch of 64 and four of 16 are the same step. Nothing
here prints or saves; between two reports the state is consistent and can be saved.
"""

import math
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import get_total_norm

from lstmgen.config.schema import TrainConfig
from lstmgen.errors import DivergedError
from lstmgen.model.dropout_masks import Masks
from lstmgen.model.language_model import LanguageModel, States
from lstmgen.training.averaging import Average
from lstmgen.training.devices import keep_memory
from lstmgen.training.distributed import ALONE, World
from lstmgen.training.loss_module import make_replica
from lstmgen.training.noising import Noise
from lstmgen.training.optimizers import Optimizer, apply_gradients, set_learning_rate
from lstmgen.training.progress import Progress
from lstmgen.training.schedules import learning_rate
from lstmgen.windows.plans import Plan, WindowsAhead
from lstmgen.windows.window import Ids, Window

CHECK_EVERY = 16  # steps between checks for non-finite ones, if deferred


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        step: steps done, including this one.
        sums: (2,) nats and gradient norm, on the training device: reading them syncs a GPU.
        words: scored in this step.
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
        """Norm of the mean gradient over the step's words, before clipping."""
        return float(self.sums[1])


@dataclass
class TrainState:
    """Everything that training changes.

    Attributes:
        average: of the weights, if any.
        states: carried states of this process's micro-batches; empty at an epoch's start.
        failed: whether a step was not finite; it and later ones are not applied.
    """

    model: LanguageModel
    optimizer: Optimizer
    progress: Progress = field(default_factory=Progress)
    average: Average | None = None
    states: list[States] = field(default_factory=list)
    failed: Tensor = field(default_factory=lambda: torch.tensor(False))

    @contextmanager
    def averaged(self) -> Iterator[LanguageModel]:
        """The model as it is evaluated and saved: with averaged weights, if any."""
        with nullcontext() if self.average is None else self.average.applied(self.model):
            yield self.model


@dataclass(frozen=True)
class StepSetup:
    """What all steps of a training have in common.

    Attributes:
        ids: the training text.
        plan: which windows each step reads.
        schedule_steps: the length of the learning-rate schedule.
        noise: replaces input words.
        bf16: do matmuls in bfloat16 (``training.precision``).
        deferred: check only every ``CHECK_EVERY`` steps whether they were finite, so that the
            host does not wait for the device; None: on a GPU.
        world: the processes that share each step.
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
        until: the step to end at.

    Yields:
        One report after each step; ``state`` can then be saved.

    Raises:
        DivergedError: at a gradient that is not finite; it never reaches a weight.
    """
    model, optimizer, progress = state.model, state.optimizer, state.progress
    settings, plan, world = setup.settings, setup.plan, setup.world
    deferred = model.device.type != "cpu" if setup.deferred is None else setup.deferred
    replica = make_replica(model, world, settings.compression)
    ahead, zero_states = WindowsAhead(plan, setup.ids), lru_cache(model.zero_states)
    keep_memory()
    while progress.step < until:
        start = time.perf_counter()
        if not model.training:  # after an evaluation
            model.train()
        windows = ahead.take(progress.epoch, progress.epoch_step)
        words = sum(window.count for window in windows)
        shard = world.shard(windows, accumulate=plan.accumulate)
        if progress.epoch_step == 0 or not plan.carries:
            state.states = [zero_states(len(window.rows)) for window in shard]
        rate = learning_rate(
            settings, progress.step, total_steps=setup.schedule_steps, halvings=progress.halvings
        )
        set_learning_rate(optimizer, rate)
        sums = accumulate_gradients(state, setup, replica, shard, words=words)
        if not deferred or progress.step % CHECK_EVERY == 0:
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
        yield StepReport(
            step=progress.step,
            epoch=progress.epoch + progress.epoch_step / steps_in_epoch,
            sums=sums,
            words=words,
            learning_rate=rate,
            seconds=time.perf_counter() - start,
        )


def check_finite(state: TrainState) -> None:
    """Check that a training has not diverged, before it is saved.

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
    """Accumulate the gradients of the summed loss of all micro-batches.

    With several ranks, each has its own windows; DDP averages the gradients over the ranks.

    Args:
        replica: runs a micro-batch. words: of the step, over all ranks.

    Returns:
        (2,) the nats, and the norm of the mean gradient; sets ``state.failed`` if they are not
        finite.
    """
    model, step, world = state.model, state.progress.step, setup.world
    device = model.device
    total = torch.zeros((), dtype=torch.float64, device=device)
    batches: list[Window | None] = [window for window in windows if len(window.rows)]
    if not batches and world.size > 1:
        batches, state.states = [None], [[]]  # a rank without rows still takes part
    masks_of = [
        Masks(setup.settings.seed, step, range(0) if window is None else _span(window),
              dtype=model.dtype, device=device)
        for window in batches
    ]  # fmt: skip
    with model.recurrent_dropout(masks_of[0]):
        for part, (window, masks) in enumerate(zip(batches, masks_of, strict=True)):
            ddp = replica if isinstance(replica, DistributedDataParallel) else None
            more = part + 1 < len(batches)  # DDP reduces gradients once, at the last
            with ddp.no_sync() if ddp is not None and more else nullcontext():
                if window is not None and setup.noise is not None:
                    window = setup.noise.apply(window, masks)  # noqa: PLW2901
                loss, nats, state.states[part] = replica(
                    window, state.states[part], carries=setup.plan.carries, masks=masks,
                    settings=setup.settings, bf16=setup.bf16,
                )  # fmt: skip
                if loss is not None:
                    loss.backward()
                if nats is not None:
                    total += nats
    norm = _norm([p.grad for p in model.parameters() if p.grad is not None])
    norm = norm.double() * world.size / words
    # Rank 0's norm, so that machines that round differently take the same step.
    sums = world.all_reduce_sum(
        torch.stack([total, norm if world.is_main else torch.zeros_like(norm)])
    )
    state.failed = state.failed.to(device) | ~sums.isfinite().all()
    return sums


def _norm(gradients: list[Tensor]) -> Tensor:
    """The norm of all gradients together, a scalar."""
    if gradients[0].device.type != "cpu":
        return get_total_norm(gradients)
    # On the CPU a dot product is faster than torch's norm.
    return torch.stack([torch.dot(g, g) for g in map(torch.ravel, gradients)]).sum().sqrt()


def _span(window: Window) -> range:
    """The numbers of a window's rows, which are consecutive."""
    return range(int(window.rows[0]), int(window.rows[-1]) + 1)


def _check_step(state: TrainState, sums: Tensor, *, words: int) -> None:
    """Raise at a step that is not finite, before it is applied."""
    if not bool(state.failed):
        return
    nats, norm = sums.tolist()
    progress = state.progress
    rate = state.optimizer.param_groups[0]["lr"]
    if math.isfinite(nats) and math.isfinite(norm):  # it was a step since the last check
        raise DivergedError(_diagnosis(f"at or shortly before step {progress.step + 1}"))
    named = list(state.model.named_parameters())
    weights = _not_finite(named)
    gradients = _not_finite((name, p.grad) for name, p in named if p.grad is not None)
    facts: dict[str, object] = {
        "epoch": progress.epoch,
        "epoch_step": progress.epoch_step,  # with the epoch, this identifies the windows
        "nats_per_word": repr(nats / words),
        "gradient_norm": repr(norm),
        "learning_rate": rate,
        "weights": weights,  # the non-finite ones
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
    """The names of tensors with non-finite values."""
    return [name for name, tensor in named if not bool(tensor.isfinite().all())]


def _diagnosis(where: str) -> str:
    return (
        f"training diverged {where}. The weights of this step were not changed. "
        "Lower train.learning_rate or train.clip_norm"
    )
