"""The matmuls of a training step: counted, and timed by themselves."""

import statistics
import time
from typing import NamedTuple

import torch

from lstmgen.model.language_model import LanguageModel
from lstmgen.text.clusters import COVERAGE

REPEATS = 5


class Matmul(NamedTuple):
    """``times`` matmuls of a (rows, inner) matrix with an (inner, columns) one."""

    rows: int
    inner: int
    columns: int
    times: int
    bf16: bool

    @property
    def flop(self) -> int:
        """Floating-point operations of all of them."""
        return 2 * self.rows * self.inner * self.columns * self.times


def step_matmuls(
    model: LanguageModel, *, batch: int, window: int, stride: int, bf16: bool
) -> list[Matmul]:
    """The matmuls of one micro-batch, forward and backward.

    Each weight matrix has three: forward, and the gradients of its input and of itself. A
    recurrent matrix does the first two once per step.

    Args:
        batch, window, stride: sequences, and words read and scored of each.
        bf16: whether the model trains with matmuls in bfloat16.
    """
    matmuls, read, scored = [], batch * window, batch * stride
    for place, layer in enumerate(model.recurrent):
        rows, inputs = layer.get_parameter("weight_ih_l0").shape
        hidden = layer.hidden_size
        low = bf16 and layer.has_bf16 and not model.loop
        one_hot = place == 0 and model.embedding is None
        if not (one_hot and model.looks_up):
            matmuls += _linear(read, inputs, rows, low)[: 2 if one_hot else 3]
        matmuls.append(Matmul(batch, hidden, rows, window, low))
        matmuls.append(Matmul(batch, rows, hidden, window, low))
        matmuls.append(Matmul(rows, read, hidden, 1, low))
    top = model.recurrent[-1].hidden_size
    if model.adaptive is not None:
        heads, *tails = model.adaptive.matrices()
        matmuls += _linear(scored, top, len(heads), bf16)
        rare = (COVERAGE[1] - COVERAGE[0], 1 - COVERAGE[1])
        for fraction, tail in zip(rare, tails, strict=False):
            rows = max(1, round(fraction * scored))
            matmuls += _linear(rows, top, tail.shape[1], False)
            matmuls += _linear(rows, tail.shape[1], len(tail), bf16)
        return matmuls
    if model.projection is not None:
        matmuls += _linear(scored, top, model.projection.out_features, False)
        top = model.projection.out_features
    return matmuls + _linear(scored, top, model.vocab_size, bf16)


def _linear(rows: int, inner: int, columns: int, bf16: bool) -> list[Matmul]:
    """A linear layer with a matrix (inner, columns): forward, its gradient, its input's."""
    return [
        Matmul(rows, inner, columns, 1, bf16),
        Matmul(inner, rows, columns, 1, bf16),
        Matmul(rows, columns, inner, 1, bf16),
    ]


def time_matmuls(matmuls: list[Matmul], device: torch.device) -> float:
    """Seconds that the matmuls take by themselves on a device, with warm matrices."""
    total = 0.0
    for matmul in matmuls:
        dtype = torch.bfloat16 if matmul.bf16 else torch.float32
        left = torch.ones(matmul.rows, matmul.inner, dtype=dtype, device=device)
        right = torch.ones(matmul.inner, matmul.columns, dtype=dtype, device=device)
        out = left @ right
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            torch.mm(left, right, out=out)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds.append(time.perf_counter() - start)
        total += statistics.median(seconds) * matmul.times
    return total
