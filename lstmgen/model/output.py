"""The exact softmax output layer in row chunks.

The logits of a window are (batch x time) rows of vocabulary size, by far the
largest tensor of a step. Here a chunk of rows at a time is turned into shares and,
where gradients are wanted, into its gradients at once, in one reused buffer. So
memory does not grow with window x batch x vocabulary, and no page is touched
for the first time in every step.

The matrix products may be taken in bfloat16 with sums in float32, which CPUs with
units for it and GPUs do several times faster. The softmax is computed in float32
all the same, from logits rounded to 8 bits; gradients come out in float32.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_BYTES = 1 << 24  # of the logits of one chunk, at least one row
OUT = -1e30  # a logit that has no share


def summed_nats(
    hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, *, bf16: bool = False
) -> Tensor:
    """The summed cross-entropy of a softmax over ``hidden @ weight.T + bias``.

    Args:
        hidden: (rows, input). weight: (vocabulary, input). bias: (vocabulary,).
        targets: (rows,) ids in 0..vocabulary-1.
        bf16: take the products in bfloat16.

    Returns:
        A scalar, nats. Gradients of all three tensors are exact, to the rounding of
        the products.
    """
    result: Tensor = _SummedNats.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, targets, bf16
    )
    return result


def chunk_rows(vocab_size: int, dtype: torch.dtype) -> int:
    """Rows in one chunk."""
    return max(1, CHUNK_BYTES // (vocab_size * dtype.itemsize))


@torch.no_grad()
def score_rows(
    logits_of: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, *, vocab_size: int
) -> tuple[float, int]:
    """Summed nats of targets, and how many were the likeliest word, chunk by chunk.

    Args:
        logits_of: the logits, (rows, vocabulary), of some rows of ``hidden``.
        hidden: (rows, input). targets: (rows,) ids.
    """
    nats, correct = 0.0, 0
    rows = chunk_rows(vocab_size, hidden.dtype)
    for start in range(0, len(hidden), rows):
        ids = targets[start : start + rows]
        logits = logits_of(hidden[start : start + rows])
        chosen = logits.gather(1, ids[:, None])[:, 0]
        nats += float((logits.logsumexp(dim=1) - chosen).sum(dtype=torch.float64))
        correct += int((logits.argmax(dim=1) == ids).sum())
    return nats, correct


class _SummedNats(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, bf16: bool
    ) -> Tensor:
        dtype = torch.bfloat16 if bf16 else hidden.dtype
        parts, matrix = _widened(hidden, dtype), _widened_matrix(weight, bias, dtype)
        chunks = -(-len(hidden) // chunk_rows(len(matrix), dtype))
        rows = -(-len(hidden) // chunks)  # of one size, since each size has a kernel of its own
        buffer = parts.new_empty(rows, len(matrix))
        gradients = _Gradients(hidden, weight) if any(ctx.needs_input_grad) else None
        nats = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start in range(0, len(hidden), rows):
            part, ids = parts[start : start + rows], targets[start : start + rows]
            shares = torch.mm(part, matrix.T, out=buffer[: len(part)])
            torch.softmax(shares, dim=1, out=shares)
            places = torch.arange(len(part), device=part.device)
            nats += _nats(shares[places, ids], part, matrix, ids)
            if gradients is not None:
                shares[places, ids] -= 1  # now the gradient of the logits
                gradients.add(start, shares, part, matrix)
        if gradients is not None:
            ctx.gradients = (gradients.hidden, gradients.weight, gradients.bias)
        return nats.to(hidden.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        found, ctx.gradients = ctx.gradients, None  # so that autograd may keep them uncopied
        if scale.device.type != "cpu" or float(scale) != 1:  # a look at the GPU would wait for it
            found = tuple(gradient * scale for gradient in found)
        return *found, None, None


class _Gradients:
    """The gradients of one output layer, chunk by chunk.

    Args:
        hidden, weight: of the layer.
    """

    def __init__(self, hidden: Tensor, weight: Tensor) -> None:
        self.hidden = torch.empty_like(hidden)
        self.words, self.size = weight.shape
        self.weight, self.bias = weight, weight  # both made by the first chunk

    def add(self, start: int, errors: Tensor, part: Tensor, matrix: Tensor) -> None:
        """Add a chunk's: ``errors`` (rows, words) are the gradients of its logits."""
        self.hidden[start : start + len(part)] = (errors @ matrix)[:, : self.size]
        product = (errors.T @ part)[: self.words]
        weight, bias = product[:, : self.size], product[:, self.size]
        if start == 0:
            self.weight = weight.to(self.hidden.dtype).contiguous()
            self.bias = bias.to(self.hidden.dtype).contiguous()
        else:
            self.weight += weight
            self.bias += bias


def _widened(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    """What the layer reads, with two ones behind each row for the bias.

    Kernels want rows of whole vectors, so zeros follow.
    """
    rows, size = hidden.shape
    wide = torch.zeros(rows, _round_up(size + 2, 8), dtype=dtype, device=hidden.device)
    wide[:, :size] = hidden
    wide[:, size : size + 2] = 1
    return wide


def _widened_matrix(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """The output matrix with its bias in two columns behind it.

    The second column holds what rounding takes from the first. A softmax does not
    change when all logits move by the same; around 0 they round less. The words that
    fill the last vector up have no share.
    """
    words, size = weight.shape
    shape = _round_up(words, 16), _round_up(size + 2, 8)
    wide = torch.zeros(*shape, dtype=dtype, device=weight.device)
    centred = bias - bias.mean()
    wide[:words, :size] = weight
    wide[:words, size] = centred
    wide[:words, size + 1] = centred - wide[:words, size]
    wide[words:, size] = OUT
    return wide


def _nats(shares: Tensor, part: Tensor, matrix: Tensor, targets: Tensor) -> Tensor:
    """The summed nats of targets with these shares, (rows,).

    A share that is too small for its dtype is told from its logit. A GPU is not waited
    for to see whether there is one: there such a word's nats end where the dtype does.
    """
    least = torch.finfo(shares.dtype).tiny
    low = shares < least
    known = shares.double().clamp_min(least).log()
    if shares.device.type == "cpu" and bool(low.any()):
        logits = (part[low] @ matrix.T).double()
        exact = logits.gather(1, targets[low, None])[:, 0] - logits.logsumexp(dim=1)
        return -(known[~low].sum() + exact.sum())
    return -known.sum()


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
