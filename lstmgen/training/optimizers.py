"""Optimizers by name, and their state by parameter name."""

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from lstmgen.model.sizes import MOMENTS

Optimizer = torch.optim.AdamW | torch.optim.SGD
ADAMW = frozenset({"step", "exp_avg", "exp_avg_sq"})  # its state of a parameter


def build_optimizer(
    model: nn.Module, *, name: Literal["adamw", "sgd"], weight_decay: float, epsilon: float = 3e-5
) -> Optimizer:
    """The optimizer of a model, with weight decay on matrices only; set the rate before each step.

    Args:
        epsilon: of AdamW. Words that are rarely targets have gradients around 1e-6; with
            torch's default of 1e-8 their biases would move as far as any other's, away from
            the log frequencies they start at.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=0.0, fused=True)
    return torch.optim.AdamW(groups, lr=0.0, eps=epsilon, fused=True)


def moments(optimizer: Optimizer) -> int:
    """The optimizer's state values per weight."""
    return MOMENTS["adamw" if isinstance(optimizer, torch.optim.AdamW) else "sgd"]


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def apply_gradients(
    optimizer: Optimizer, *, words: float, norm: Tensor, clip_norm: float | None, failed: Tensor
) -> None:
    """Clip the mean of the summed gradients, step by it and reset it.

    The fused kernel divides while it reads, which saves a pass over the gradients.

    Args:
        words: that the gradients were summed over; with several ranks, the mean number.
        norm: of the mean gradient, a scalar.
        clip_norm: the maximum norm; None: no clipping.
        failed: a boolean scalar; if true, the kernel skips the update.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = norm.to(gradients[0].dtype)
    scale = torch.ones_like(norm)
    if clip_norm is not None:
        scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)
    divisor = words / scale
    kernel = cast("Any", optimizer)  # torch's GradScaler sets these two attributes
    kernel.found_inf = failed.float()
    if divisor.dtype == torch.float32:
        kernel.grad_scale = divisor
    else:  # the kernel accepts only float32, too coarse for float64
        torch._foreach_div_(gradients, divisor)
    optimizer.step()
    for parameter in parameters:  # as zero_grad does, in less time
        parameter.grad = None


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimizer's state, by ``parameter name/state name``."""
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the state that ``optimizer_tensors`` returned.

    Raises:
        ValueError: naming a tensor that is missing, unexpected or of another shape.
    """
    parameters = dict(model.named_parameters())
    inner_names = ADAMW if isinstance(optimizer, torch.optim.AdamW) else frozenset()
    saved = {key.rpartition("/")[0] for key in tensors}
    # An adaptive output's rare words may have had no gradient yet.
    names = {name for name in parameters if name in saved or not name.startswith("adaptive.")}
    expected = {f"{name}/{inner}" for name in names for inner in inner_names}
    if expected != set(tensors):
        different = sorted(expected ^ set(tensors))
        raise ValueError(f"the optimizer's tensors do not fit: {different[0]}")
    for key, value in tensors.items():
        name, _, inner = key.rpartition("/")
        parameter = parameters[name]
        shapes = [(), (1,)] if inner == "step" else [tuple(parameter.shape)]
        if tuple(value.shape) not in shapes:
            raise ValueError(f"the optimizer's {key} has the shape {tuple(value.shape)}")
        lowest = float("-inf") if inner == "exp_avg" else 0.0
        if not bool(value.isfinite().all() & (value >= lowest).all()):
            raise ValueError(f"the optimizer's {key} has values that no training gives")
        device = torch.device("cpu") if value.dim() == 0 else parameter.device
        if optimizer.param_groups[0].get("fused"):
            device = parameter.device
        optimizer.state[parameter][inner] = value.clone().to(device)
