"""What reads a micro-batch, alone or with other ranks, and what it is to make smaller."""

import inspect
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState, powerSGD_hook
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from lstmgen.config.schema import TrainConfig
from lstmgen.model.dropout import Masks
from lstmgen.model.language_model import LanguageModel, States
from lstmgen.training.distributed import World
from lstmgen.windows.window import IGNORED, Window

Compression = Literal["bf16", "powersgd"]

# PowerSGD (Vogels et al. 2019) sends a matrix as two of this many columns, and adds what that
# leaves out to the next step's. Its first steps travel in full, or it would follow noise.
POWER_RANK, FULL_STEPS = 16, 100
BUCKET_MB = 25  # of gradients that travel together: torch's own choice


class Reader(nn.Module):
    """A model as DistributedDataParallel wants it: one call reads one micro-batch."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, window: Window | None, states: States, *, carries: bool, masks: Masks,
        settings: TrainConfig, bf16: bool,
    ) -> tuple[Tensor | None, Tensor | None, States]:  # fmt: skip
        """Read a window.

        Returns:
            What is to be made smaller and the nats, summed over the scored words, or no two
            where there are none; and the states for the next window.
        """
        if window is None:
            return None, None, []
        model = self.model
        outputs, states = model.run_layers(
            _sent(window.inputs, model.device),
            states,
            carry=torch.from_numpy(window.carry) if carries else None,
            masks=masks,
            bf16=bf16,
        )
        features = model.drop_outputs(outputs, masks)
        scored, targets = select_scored(features, window)
        if not len(targets):
            return None, None, states
        nats = model.summed_nats(scored, targets, bf16=bf16)
        return nats + penalise(settings, outputs, scored, window), nats.detach(), states


class _Shared(nn.Module):
    """The same for a rank that may have no word to score: it takes part all the same.

    But for an adaptive softmax: torch's engine finds which of its tails no rank has used,
    and those the optimiser leaves alone, as where one process trains.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self.reader = reader

    def forward(
        self, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor | None, States]:  # fmt: skip
        """Likewise; without a word the cost is 0 and so are all gradients."""
        cost, nats, states = self.reader(*args, **kwargs)
        if cost is None:
            named = self.reader.named_parameters()
            used = [p for name, p in named if not name.startswith("model.adaptive.")]
            cost = torch.stack([p.sum() * 0 for p in used]).sum()
        return cost, nats, states


def replicated(model: LanguageModel, world: World, compression: Compression | None) -> nn.Module:
    """What reads a micro-batch: with other ranks, torch's own engine sums their gradients."""
    reader = Reader(model)
    if world.size == 1:
        return reader
    name = "forward_sync_buffers"  # what torch calls broadcast_buffers from 2.13 on
    if name not in inspect.signature(DistributedDataParallel.__init__).parameters:
        name = "broadcast_buffers"
    options: dict[str, Any] = {name: False}
    engine = DistributedDataParallel(
        _Shared(reader),
        gradient_as_bucket_view=True,
        bucket_cap_mb=BUCKET_MB,
        find_unused_parameters=model.adaptive is not None,  # a step may have no rare word
        **options,
    )
    _compress(engine, compression)
    return engine


def _compress(engine: DistributedDataParallel, compression: Compression | None) -> None:
    """Let gradients travel in fewer bytes, by torch's own hooks."""
    if compression == "bf16":
        engine.register_comm_hook(None, _round_to_bf16)
    if compression == "powersgd":
        state = PowerSGDState(
            None, matrix_approximation_rank=POWER_RANK, start_powerSGD_iter=FULL_STEPS
        )
        engine.register_comm_hook(state, _send_columns)


def _round_to_bf16(
    group: Any,
    bucket: distributed.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[Tensor]:
    """torch's own hook by another name: by its own it is refused without NCCL, though gloo
    sums bfloat16 too."""
    return bf16_compress_hook(group, bucket)


def _send_columns(
    state: PowerSGDState,
    bucket: distributed.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[Tensor]:
    """torch's own hook, one bucket after another.

    It waits for sums within the callbacks of others. By gloo two buckets under way would
    wait for each other for ever.
    """
    done = powerSGD_hook(state, bucket)
    done.wait()
    return done


def penalise(
    settings: TrainConfig, outputs: Tensor, scored: Tensor, window: Window
) -> Tensor | int:
    """Activation and temporal activation regularisation (Merity et al. 2017, section 5.1).

    Args:
        settings: the weights ``ar`` and ``tar``; 0 leaves one out.
        outputs: (batch, time, size) of the top layer, before the output dropout.
        scored: (rows, size) after it, at the scored positions.

    Returns:
        For each scored position the mean of squares over the units, of the output, and of
        its change from the word before in the same window; summed.
    """
    size, total = scored.shape[-1], cast("Tensor | int", 0)
    if settings.ar:
        total = total + settings.ar / size * scored.square().sum()
    if settings.tar:
        changes = functional.pad(outputs.diff(dim=1), (0, 0, 1, 0))
        total = total + settings.tar / size * select_scored(changes, window)[0].square().sum()
    return total


def select_scored(features: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """The outputs at a window's scored positions and their targets.

    Returns:
        (rows, size) and (rows,), without the positions that are not scored.
    """
    batch, _, size = features.shape
    targets = _sent(window.targets, features.device)
    stride = targets.shape[1]
    begin = int(window.first[0])
    if (window.first == begin).all():
        features = features[:, begin : begin + stride]
    else:  # rows at the start of the text have shorter windows
        first = _sent(window.first, features.device)
        places = first[:, None] + torch.arange(stride, device=features.device)
        rows = torch.arange(batch, device=features.device)[:, None]
        features = features[rows, places]
    scored, flat = features.reshape(-1, size), targets.reshape(-1)
    inside = (window.targets.reshape(-1) != IGNORED).nonzero()[0]
    if len(inside) == flat.numel():
        return scored, flat
    kept = _sent(inside, features.device)
    return scored[kept], flat[kept]


def _sent(array: NDArray[np.int64], device: torch.device) -> Tensor:
    """An array on a device; a GPU is not waited for, which it would be by torch's default."""
    return torch.from_numpy(array).to(device, non_blocking=True)
