"""Matmul precision in training: float32 or bfloat16.

With bfloat16, matmuls accumulate in float32, and the optimizer's weights, the softmax, the
gradients between layers and the carried cells stay float32. Evaluation never uses it.
"""

from typing import Literal

import torch

from lstmgen.errors import counted
from lstmgen.model.language_model import LanguageModel
from lstmgen.model.layer_interface import RecurrentLayer, zero_state
from lstmgen.model.run_layers import run_layer

Precision = Literal["auto", "fp32", "bf16"]

TOLERANCE = 0.05  # on a bfloat16 kernel's outputs, in -1..1, and relative on gradient norms


def resolve_precision(
    name: Precision, model: LanguageModel, *, batch: int, window: int
) -> tuple[bool, str]:
    """Whether a model trains in bfloat16, and a notice if that differs from the config.

    Args:
        name: the config's; ``auto`` is bfloat16 on hardware that supports it.
        batch, window: the shape of a micro-batch, at which each layer is tested once.
    """
    if name == "fp32":
        return False, ""
    device = model.device
    if not has_bf16_units(device):
        kind = "GPU" if device.type == "cuda" else "CPU"
        return False, (
            f"train.precision = bf16: this {kind} has no bfloat16 units, so training uses fp32"
            if name == "bf16"
            else ""
        )
    for layer in model.recurrent:
        problem = _check_bf16(layer, batch=batch, window=window)
        if problem:
            return False, (
                f"train.precision = {name}: no bfloat16 kernel for a layer of "
                f"{counted(layer.hidden_size, 'unit')} ({problem}), so training uses fp32"
            )
    return True, ""


def has_bf16_units(device: torch.device) -> bool:
    """Whether bfloat16 matmuls are fast on a device."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not available or not torch.backends.mkldnn.enabled:
        return False  # without oneDNN bfloat16 is a hundred times slower than float32
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def _check_bf16(layer: RecurrentLayer, *, batch: int, window: int) -> str:
    """What is wrong with a layer's bfloat16 kernel, forward or backward; empty if nothing."""
    if not layer.has_bf16:
        return ""  # it stays in float32
    weight = layer.get_parameter("weight_ih_l0")
    generator = torch.Generator().manual_seed(0)
    inputs, d_outputs = (
        torch.randn(batch, window, size, generator=generator).to(weight)
        for size in (weight.shape[1], layer.hidden_size)
    )
    results = []
    for bf16 in (False, True):
        try:
            outputs = run_layer(layer, inputs, zero_state(layer, batch), bf16=bf16).outputs
            (gradient,) = torch.autograd.grad(outputs, weight, d_outputs)
        except RuntimeError as problem:
            return str(problem).splitlines()[0]
        results.append((outputs.detach(), gradient))
    (outputs, gradient), (outputs_bf16, gradient_bf16) = results
    error = max(
        float((outputs - outputs_bf16).abs().max()),
        float((gradient - gradient_bf16).norm() / gradient.norm().clamp_min(1e-30)),
    )
    return "" if error <= TOLERANCE else f"it is off by {error:.2g}"
