"""The module that computes a micro-batch's loss, on one rank or several."""

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
from lstmgen.model.dropout_masks import Masks
from lstmgen.model.language_model import LanguageModel, States
from lstmgen.training.distributed import World
from lstmgen.windows.window import IGNORED, Window

Compression = Literal["bf16", "powersgd"]

# PowerSGD (Vogels et al. 2019) sends a low-rank approximation of a gradient, and adds its error
# to the next step's. The first steps are uncompressed, since their gradients are noise.
POWER_RANK, FULL_STEPS = 16, 100
BUCKET_MB = 25  # torch's default


class LossModule(nn.Module):
    """A model as DistributedDataParallel needs it: one call computes one micro-batch's loss.

    With ``distributed``, a rank without words to score still takes part in gradient reduction.
    The adaptive softmax is excluded: DDP detects which of its tails no rank has used, and the
    optimizer skips those, as with a single process.
    """

    def __init__(self, model: LanguageModel, *, distributed: bool) -> None:
        super().__init__()
        self.model, self.distributed = model, distributed

    def forward(
        self, window: Window | None, states: States, *, carries: bool, masks: Masks,
        settings: TrainConfig, bf16: bool,
    ) -> tuple[Tensor | None, Tensor | None, States]:  # fmt: skip
        """Run a window.

        Returns:
            The loss and the nats, summed over the scored words, and the states for the next
            window. Without scored words the nats are None, and the loss is None or 0.
        """
        if window is None:
            return self._empty_loss(), None, []
        model = self.model
        outputs, states = model.run_layers(
            _to_device(window.inputs, model.device),
            states,
            carry=torch.from_numpy(window.carry) if carries else None,
            masks=masks,
            bf16=bf16,
        )
        scored, targets = select_scored(model.drop_outputs(outputs, masks), window)
        if not len(targets):
            return self._empty_loss(), None, states
        nats = model.summed_nats(scored, targets, bf16=bf16)
        return nats + activation_penalty(settings, outputs, scored, window), nats.detach(), states

    def _empty_loss(self) -> Tensor | None:
        """A loss of 0 whose gradients are 0, with several ranks."""
        if not self.distributed:
            return None
        named = self.model.named_parameters()
        used = [p for name, p in named if not name.startswith("adaptive.")]
        return torch.stack([p.sum() * 0 for p in used]).sum()


def make_replica(model: LanguageModel, world: World, compression: Compression | None) -> nn.Module:
    """The module that runs a micro-batch; with several ranks, wrapped in DDP."""
    if world.size == 1:
        return LossModule(model, distributed=False)
    name = "forward_sync_buffers"  # the name of broadcast_buffers from torch 2.13 on
    if name not in inspect.signature(DistributedDataParallel.__init__).parameters:
        name = "broadcast_buffers"
    options: dict[str, Any] = {name: False}
    ddp = DistributedDataParallel(
        LossModule(model, distributed=True),
        gradient_as_bucket_view=True,
        bucket_cap_mb=BUCKET_MB,
        find_unused_parameters=model.adaptive is not None,  # a step may have no rare words
        **options,
    )
    _compress(ddp, compression)
    return ddp


def _compress(ddp: DistributedDataParallel, compression: Compression | None) -> None:
    """Compress gradients with torch's hooks."""
    if compression == "bf16":
        ddp.register_comm_hook(None, _round_to_bf16)
    if compression == "powersgd":
        state = PowerSGDState(
            None, matrix_approximation_rank=POWER_RANK, start_powerSGD_iter=FULL_STEPS
        )
        ddp.register_comm_hook(state, _send_columns)


def _round_to_bf16(
    group: Any,
    bucket: distributed.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[Tensor]:
    """torch's hook under another name: DDP rejects its own name without NCCL, though gloo can
    sum bfloat16 too."""
    return bf16_compress_hook(group, bucket)


def _send_columns(
    state: PowerSGDState,
    bucket: distributed.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[Tensor]:
    """torch's hook, one bucket at a time: with gloo, two buckets in flight would deadlock."""
    future = powerSGD_hook(state, bucket)
    future.wait()
    return future


def activation_penalty(
    settings: TrainConfig, outputs: Tensor, scored: Tensor, window: Window
) -> Tensor | int:
    """Activation and temporal activation regularization (Merity et al. 2017, section 5.1).

    Args:
        settings: the weights ``ar`` and ``tar``.
        outputs: (batch, time, size) of the top layer, before output dropout.
        scored: (rows, size) after it, at the scored positions.

    Returns:
        The sum over scored positions of the mean square of the output and of its change from
        the previous word of the window, each times its weight.
    """
    size, total = scored.shape[-1], cast("Tensor | int", 0)
    if settings.ar:
        total = total + settings.ar / size * scored.square().sum()
    if settings.tar:
        changes = functional.pad(outputs.diff(dim=1), (0, 0, 1, 0))
        total = total + settings.tar / size * select_scored(changes, window)[0].square().sum()
    return total


def select_scored(features: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """The outputs at a window's scored positions, (rows, size), and their targets, (rows,)."""
    batch, _, size = features.shape
    targets = _to_device(window.targets, features.device)
    stride = targets.shape[1]
    begin = int(window.first[0])
    if (window.first == begin).all():
        features = features[:, begin : begin + stride]
    else:  # rows at the start of the text have shorter windows
        first = _to_device(window.first, features.device)
        places = first[:, None] + torch.arange(stride, device=features.device)
        rows = torch.arange(batch, device=features.device)[:, None]
        features = features[rows, places]
    scored, flat = features.reshape(-1, size), targets.reshape(-1)
    inside = (window.targets.reshape(-1) != IGNORED).nonzero()[0]
    if len(inside) == flat.numel():
        return scored, flat
    indices = _to_device(inside, features.device)
    return scored[indices], flat[indices]


def _to_device(array: NDArray[np.int64], device: torch.device) -> Tensor:
    """Copy an array to a device without syncing it, as torch would by default."""
    return torch.from_numpy(array).to(device, non_blocking=True)
