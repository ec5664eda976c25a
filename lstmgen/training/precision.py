"""How exactly training multiplies: float32 throughout, or products in bfloat16.

With bfloat16 the weights that the optimiser moves, the softmax, the gradients
between layers and the carried cells stay float32, and sums of products are taken
in float32. Evaluation never uses it.
"""

from typing import Literal

import torch

from lstmgen.model.language_model import LanguageModel
from lstmgen.model.layers import run_layer
from lstmgen.model.recurrent import RecurrentLayer

Precision = Literal["auto", "fp32", "bf16"]

TOLERANCE = 0.05  # of a bfloat16 kernel's outputs, which lie in -1..1, and of gradients' norms


def resolve_precision(
    name: Precision, model: LanguageModel, *, batch: int, window: int
) -> tuple[bool, str]:
    """Whether a model trains with products in bfloat16.

    Args:
        name: what the config says; ``auto`` takes bfloat16 where the device has units for it.
        batch, window: the shape of a micro-batch; each layer is tried at it once.

    Returns:
        The answer, and a notice where it is not what was asked for.
    """
    if name == "fp32":
        return False, ""
    device = model.device
    if not has_bf16_units(device):
        kind = "GPU" if device.type == "cuda" else "CPU"
        return False, (
            f"train.precision = bf16: this {kind} has no units for bfloat16, so training takes fp32"
            if name == "bf16"
            else ""
        )
    for layer in model.recurrent:
        problem = _try(layer, batch=batch, window=window)
        if problem:
            return False, (
                f"train.precision = {name}: no bfloat16 kernel for a layer of {layer.hidden_size} "
                f"units ({problem}), so training takes fp32"
            )
    return True, ""


def has_bf16_units(device: torch.device) -> bool:
    """Whether products in bfloat16 are fast there."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    one_dnn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not one_dnn or not torch.backends.mkldnn.enabled:
        return False  # without oneDNN bfloat16 is a hundred times slower than float32
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _try(layer: RecurrentLayer, *, batch: int, window: int) -> str:
    """What goes wrong with a layer in bfloat16, forwards and backwards; empty if nothing does."""
    if not layer.has_bf16:
        return ""  # no other layer has such a kernel: it stays in float32
    weight = layer.get_parameter("weight_ih_l0")
    generator = torch.Generator().manual_seed(0)
    inputs, given = (
        torch.randn(batch, window, size, generator=generator).to(weight)
        for size in (weight.shape[1], layer.hidden_size)
    )
    outcomes = []
    for bf16 in (False, True):
        try:
            outputs = run_layer(layer, inputs, layer.zero_state(batch), bf16=bf16).outputs
            (gradient,) = torch.autograd.grad(outputs, weight, given)
        except RuntimeError as error:
            return str(error).splitlines()[0]
        outcomes.append((outputs.detach(), gradient))
    (outputs, gradient), (rounded, its_gradient) = outcomes
    off = max(
        float((outputs - rounded).abs().max()),
        float((gradient - its_gradient).norm() / gradient.norm().clamp_min(1e-30)),
    )
    return "" if off <= TOLERANCE else f"it is off by {off:.2g}"
