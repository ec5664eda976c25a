"""The matrix products of a training step: counted, and timed by themselves."""

import statistics
import time
from typing import NamedTuple

import torch

from lstmgen.model.language_model import LanguageModel
from lstmgen.text.clusters import COVERAGE

REPEATS = 5


class Product(NamedTuple):
    """So many products of a (rows, inner) matrix with an (inner, columns) one."""

    rows: int
    inner: int
    columns: int
    times: int
    bf16: bool

    @property
    def flop(self) -> int:
        """Multiplications and additions of all of them."""
        return 2 * self.rows * self.inner * self.columns * self.times


def step_products(
    model: LanguageModel, *, batch: int, window: int, stride: int, bf16: bool
) -> list[Product]:
    """The products of one micro-batch, forwards and back.

    Each matrix of the network is in three: its own, the gradient of what it is given
    and its own gradient. A recurrent one is used step by step in the first two.

    Args:
        batch, window, stride: sequences, words read and words scored of each.
        bf16: whether the model trains with products in bfloat16.
    """
    found, read, scored = [], batch * window, batch * stride
    for place, layer in enumerate(model.recurrent):
        rows, inputs = layer.get_parameter("weight_ih_l0").shape
        hidden = layer.hidden_size
        low = bf16 and layer.has_bf16 and not model.loop
        one_hot = place == 0 and model.embedding is None
        if not (one_hot and model.looks_up):
            found += _three(read, inputs, rows, low)[: 2 if one_hot else 3]
        found.append(Product(batch, hidden, rows, window, low))
        found.append(Product(batch, rows, hidden, window, low))
        found.append(Product(rows, read, hidden, 1, low))
    top = model.recurrent[-1].hidden_size
    if model.adaptive is not None:
        heads, *tails = model.adaptive.matrices()
        found += _three(scored, top, len(heads), bf16)
        rare = (COVERAGE[1] - COVERAGE[0], 1 - COVERAGE[1])
        for share, tail in zip(rare, tails, strict=False):
            rows = max(1, round(share * scored))
            found += _three(rows, top, tail.shape[1], False)
            found += _three(rows, tail.shape[1], len(tail), bf16)
        return found
    if model.projection is not None:
        found += _three(scored, top, model.projection.out_features, False)
        top = model.projection.out_features
    return found + _three(scored, top, model.vocab_size, bf16)


def _three(rows: int, inner: int, columns: int, bf16: bool) -> list[Product]:
    """A product with a matrix (inner, columns): itself, the matrix's gradient, its operand's."""
    return [
        Product(rows, inner, columns, 1, bf16),
        Product(inner, rows, columns, 1, bf16),
        Product(rows, columns, inner, 1, bf16),
    ]


def seconds_of(products: list[Product], device: torch.device) -> float:
    """How long so many products take by themselves there, on warm matrices."""
    total = 0.0
    for product in products:
        dtype = torch.bfloat16 if product.bf16 else torch.float32
        left = torch.ones(product.rows, product.inner, dtype=dtype, device=device)
        right = torch.ones(product.inner, product.columns, dtype=dtype, device=device)
        out = left @ right
        taken = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            torch.mm(left, right, out=out)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken.append(time.perf_counter() - begun)
        total += statistics.median(taken) * product.times
    return total
