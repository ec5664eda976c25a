"""Optimisers by name, and their tensors by the parameters' names."""

from typing import Literal

import torch
from torch import Tensor, nn

Optimizer = torch.optim.AdamW | torch.optim.SGD


def build_optimizer(
    model: nn.Module, *, name: Literal["adamw", "sgd"], weight_decay: float
) -> Optimizer:
    """The optimiser of a model; weight decay acts on matrices and leaves biases alone.

    The learning rate is set anew before each step.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=0.0, fused=True)
    return torch.optim.AdamW(groups, lr=0.0, fused=True)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers, as ``name of parameter/name of tensor``."""
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(model: nn.Module, optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give the optimiser back what ``optimizer_tensors`` took."""
    parameters = dict(model.named_parameters())
    for key, value in tensors.items():
        name, _, inner = key.rpartition("/")
        parameter = parameters[name]
        device = torch.device("cpu") if value.dim() == 0 else parameter.device
        if optimizer.param_groups[0].get("fused"):
            device = parameter.device
        optimizer.state[parameter][inner] = value.clone().to(device)
