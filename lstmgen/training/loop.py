"""The training loop, as a generator of reports.

One step reads all its micro-batches, sums nats over them, divides once by the
count of all their words, clips once and steps once: so one batch of 64 and four
of 16 are the same step. Nothing here prints, draws or saves; whoever iterates
may save between two reports, since the state given to the loop is then whole.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from lstmgen.errors import DivergedError
from lstmgen.model.dropout import Masks
from lstmgen.model.language_model import LanguageModel, States
from lstmgen.training.optimizers import Optimizer, set_learning_rate
from lstmgen.training.progress import Progress
from lstmgen.windows.plans import Plan
from lstmgen.windows.window import IGNORED, Ids, Window


@dataclass(frozen=True)
class StepReport:
    """What one step did.

    Attributes:
        step: steps done, this one included.
        nats: summed over the step's words, in training (with dropout).
        words: scored in this step.
        gradient_norm: before clipping.
        seconds: this step took.
    """

    step: int
    epoch: float
    nats: float
    words: int
    learning_rate: float
    gradient_norm: float
    seconds: float


@dataclass
class Trainee:
    """All that training changes: give the same one again to go on.

    Attributes:
        states: carried states of each micro-batch; empty at an epoch's start.
    """

    model: LanguageModel
    optimizer: Optimizer
    progress: Progress = field(default_factory=Progress)
    states: list[States] = field(default_factory=list)


def train_steps(
    trainee: Trainee,
    ids: Ids,
    *,
    plan: Plan,
    until: int,
    rate: Callable[[Progress], float],
    clip_norm: float | None,
    seed: int,
) -> Iterator[StepReport]:
    """Train step by step.

    Args:
        ids: the training text.
        plan: which windows each step takes.
        until: the number of steps at which to end.
        rate: the learning rate of the next step.
        clip_norm: the longest gradient that is not shortened.
        seed: of the dropout masks.

    Yields:
        One report after each step; ``trainee`` is then ready to be saved.

    Raises:
        DivergedError: at a gradient that is not finite, before it reaches a weight.
    """
    model, optimizer, progress = trainee.model, trainee.optimizer, trainee.progress
    while progress.step < until:
        begun = time.perf_counter()
        model.train()
        windows = plan.micro_batches(ids, epoch=progress.epoch, step=progress.epoch_step)
        if progress.epoch_step == 0 or not plan.carries:
            trainee.states = [model.zero_states(len(window.rows)) for window in windows]
        words = sum(window.count for window in windows)
        learning_rate = rate(progress)
        set_learning_rate(optimizer, learning_rate)
        nats = _accumulate(trainee, windows, words=words, seed=seed)
        norm = float(clip_grad_norm_(model.parameters(), clip_norm or float("inf")))
        if not (norm < float("inf") and nats < float("inf")):
            raise DivergedError(_diagnosis(progress, learning_rate, nats / words, norm))
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        steps_in_epoch = plan.steps_in(progress.epoch)
        progress.advance(words=words, steps_in_epoch=steps_in_epoch)
        if progress.epoch_step == 0 or not plan.carries:
            trainee.states = []
        seconds = time.perf_counter() - begun
        yield StepReport(
            step=progress.step,
            epoch=progress.epoch + progress.epoch_step / steps_in_epoch,
            nats=nats,
            words=words,
            learning_rate=learning_rate,
            gradient_norm=norm,
            seconds=seconds,
        )


def refuse_non_finite(model: LanguageModel, *, step: int) -> None:
    """Keep weights that are not finite out of checkpoints.

    Raises:
        DivergedError: naming the first such parameter.
    """
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise DivergedError(
                f"training diverged: {name} is not finite after step {step}. Checkpoints saved "
                "before are intact. Lower train.learning_rate"
            )


def _accumulate(trainee: Trainee, windows: list[Window], *, words: int, seed: int) -> float:
    """Gradients of the mean over all words of all micro-batches; returns their nats."""
    model = trainee.model
    device = model.output_bias.device
    total = torch.zeros((), dtype=torch.float64, device=device)
    for part, window in enumerate(windows):
        first, last = int(window.rows[0]), int(window.rows[-1])
        masks = Masks(
            seed,
            trainee.progress.step,
            range(first, last + 1),
            dtype=model.output_bias.dtype,
            device=device,
        )
        features, trainee.states[part] = model.read(
            torch.from_numpy(window.inputs).to(device),
            trainee.states[part],
            carry=torch.from_numpy(window.carry).to(device),
            masks=masks,
        )
        scored, targets = select_scored(features, window)
        if len(targets):
            nats = model.summed_nats(scored, targets)
            (nats / words).backward()  # type: ignore[no-untyped-call]
            total += nats.detach()
    return float(total)


def select_scored(features: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """The outputs at a window's scored positions and their targets.

    Returns:
        (rows, size) and (rows,), without the positions that are not scored.
    """
    batch, _, size = features.shape
    targets = torch.from_numpy(window.targets).to(features.device)
    stride = targets.shape[1]
    begin = int(window.first[0])
    if (window.first == begin).all():
        features = features[:, begin : begin + stride]
    else:  # rows at the start of the text have shorter windows
        first = torch.from_numpy(window.first).to(features.device)
        places = first[:, None] + torch.arange(stride, device=features.device)
        rows = torch.arange(batch, device=features.device)[:, None]
        features = features[rows, places]
    scored, flat = features.reshape(-1, size), targets.reshape(-1)
    if window.count == flat.numel():
        return scored, flat
    inside = flat != IGNORED
    return scored[inside], flat[inside]


def _diagnosis(progress: Progress, rate: float, nats: float, norm: float) -> str:
    return (
        f"training diverged at step {progress.step + 1}: {nats:.4g} nats per word, gradient norm "
        f"{norm:.4g}, learning rate {rate:.4g}. The weights of this step were not changed. "
        "Lower train.learning_rate or train.clip_norm"
    )
