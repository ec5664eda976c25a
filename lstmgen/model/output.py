"""The exact softmax output layer in row chunks.

The logits of a window are (batch x time) rows of vocabulary size, by far the
largest tensor of a step. Here a chunk of rows at a time is turned into nats and,
where gradients are wanted, into its gradients at once, in one reused buffer. So
memory does not grow with window x batch x vocabulary, and no page is touched
for the first time in every step.

The matrix products may be taken in bfloat16 with sums in float32, which CPUs with
units for it and GPUs do several times faster. Softmax is computed in float32 all
the same, from logits rounded to 8 bits; what comes out is float32.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_NUMBERS = 1 << 20  # logits in one chunk, at least one row
CHUNK_BF16 = 1 << 23  # likewise of bfloat16: its kernels want more rows


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


def chunk_rows(vocab_size: int, *, bf16: bool = False) -> int:
    """Rows in one chunk."""
    return max(1, (CHUNK_BF16 if bf16 else CHUNK_NUMBERS) // vocab_size)


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
    rows = chunk_rows(vocab_size)
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
        parts, matrix, offset = hidden, weight, bias
        if bf16:
            # A softmax does not change when all logits move; around 0 they round less.
            parts, matrix, offset = (
                tensor.bfloat16() for tensor in (hidden, weight, bias - bias.mean())
            )
        chunks = -(-len(hidden) // chunk_rows(len(weight), bf16=bf16))
        rows = -(-len(hidden) // chunks)  # of one size, since each size has a kernel of its own
        buffer = parts.new_empty(rows, len(weight))
        ones = parts.new_ones(1, rows)
        gradients = _Gradients(hidden, bias) if any(ctx.needs_input_grad) else None
        nats = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start in range(0, len(hidden), rows):
            part, ids = parts[start : start + rows], targets[start : start + rows]
            logits = torch.addmm(offset, part, matrix.T, out=buffer[: len(part)])
            places = torch.arange(len(part), device=part.device)
            chosen, top = logits[places, ids].double(), logits.amax(dim=1).double()
            shares = torch.softmax(logits, dim=1, out=logits)
            # The likeliest word's share tells the normaliser, and never underflows.
            nats += (top - shares.amax(dim=1).double().log() - chosen).sum()
            if gradients is not None:
                shares[places, ids] -= 1  # in place; scatter_add_ has no repeatable CUDA kernel
                gradients.add(start, shares, part, matrix, ones[:, : len(part)])
        ctx.gradients = gradients
        return nats.to(hidden.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None  # so that autograd may keep them uncopied
        found = (gradients.hidden, gradients.weight, gradients.bias)
        if scale.device.type != "cpu" or float(scale) != 1:  # a look at the GPU would wait for it
            found = tuple(gradient * scale for gradient in found)
        return *found, None, None


class _Gradients:
    """The gradients of one output layer, chunk by chunk."""

    def __init__(self, hidden: Tensor, bias: Tensor) -> None:
        self.hidden, self.bias = torch.empty_like(hidden), torch.zeros_like(bias)
        self.weight: Tensor | None = None

    def add(self, start: int, errors: Tensor, part: Tensor, matrix: Tensor, ones: Tensor) -> None:
        """Add a chunk's: ``errors`` (rows, vocabulary) are the gradients of its logits."""
        exact = errors.dtype == self.hidden.dtype
        rows = self.hidden[start : start + len(part)]
        if exact:
            torch.mm(errors, matrix, out=rows)
        else:
            rows.copy_(errors @ matrix)
        self.bias += (ones @ errors)[0]
        if self.weight is None:
            self.weight = (errors.T @ part).to(self.hidden.dtype)
        elif exact:
            self.weight.addmm_(errors.T, part)
        else:
            self.weight += errors.T @ part
