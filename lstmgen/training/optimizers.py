"""Optimisers by name, and their tensors by the parameters' names."""

from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from lstmgen.model.sizes import MOMENTS

Optimizer = torch.optim.AdamW | torch.optim.SGD
ADAMW = frozenset({"step", "exp_avg", "exp_avg_sq"})  # what it remembers of a parameter


def build_optimizer(
    model: nn.Module, *, name: Literal["adamw", "sgd"], weight_decay: float, epsilon: float = 3e-5
) -> Optimizer:
    """The optimiser of a model; weight decay acts on matrices and leaves biases alone.

    The learning rate is set anew before each step.

    Args:
        epsilon: what AdamW adds to a gradient's size before it divides by it. Of a word that is
            hardly ever a target the gradient is some 1e-6, and with torch's 1e-8 it moves as
            far as any other, away from where its counts had put it.
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
    """How many numbers the optimiser remembers of each weight."""
    return MOMENTS["adamw" if isinstance(optimizer, torch.optim.AdamW) else "sgd"]


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def apply_gradients(
    optimizer: Optimizer, *, words: float, norm: Tensor, clip_norm: float | None, failed: Tensor
) -> None:
    """Step by the mean of summed gradients, shortened where it is too long, and forget it.

    The kernel divides while it reads, so no pass over the gradients is spent on that.

    Args:
        words: whose nats the gradients are of; with several ranks, their mean number.
        norm: of the mean gradient, a scalar.
        clip_norm: the longest that is not shortened; None is any.
        failed: a truth value; where it is true the kernel leaves the weights alone.
    """
    held = [p.grad for group in optimizer.param_groups for p in group["params"]]
    gradients = [gradient for gradient in held if gradient is not None]
    norm = norm.to(gradients[0].dtype)
    shorter = torch.ones_like(norm)
    if clip_norm is not None:
        shorter = (clip_norm / (norm + 1e-6)).clamp(max=1.0)
    divisor = words / shorter
    kernel = cast("Any", optimizer)  # torch's own gradient scaler sets these two
    kernel.found_inf = failed.float()
    if divisor.dtype == torch.float32:
        kernel.grad_scale = divisor
    else:  # the kernel takes a float32 only, which is too coarse for float64
        torch._foreach_div_(gradients, divisor)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers, as ``name of parameter/name of tensor``."""
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give the optimiser back what ``optimizer_tensors`` took.

    Raises:
        ValueError: naming what is missing, belongs nowhere or has another shape.
    """
    parameters = dict(model.named_parameters())
    inner_names = ADAMW if isinstance(optimizer, torch.optim.AdamW) else frozenset()
    held = {key.rpartition("/")[0] for key in tensors}
    # An adaptive output's rare words may have had no gradient yet.
    names = {name for name in parameters if name in held or not name.startswith("adaptive.")}
    wanted = {f"{name}/{inner}" for name in names for inner in inner_names}
    if wanted != set(tensors):
        odd = sorted(wanted ^ set(tensors))
        raise ValueError(f"the optimiser's tensors do not fit: {odd[0]}")
    for key, value in tensors.items():
        name, _, inner = key.rpartition("/")
        parameter = parameters[name]
        if inner != "step" and value.shape != parameter.shape:
            raise ValueError(f"the optimiser's {key} has the shape {tuple(value.shape)}")
        device = torch.device("cpu") if value.dim() == 0 else parameter.device
        if optimizer.param_groups[0].get("fused"):
            device = parameter.device
        optimizer.state[parameter][inner] = value.clone().to(device)
