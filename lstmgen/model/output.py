"""The exact softmax output layer in row chunks.

The logits of a window are (batch x time) rows of vocabulary size, by far the
largest tensor of a step. Here a chunk of rows at a time is turned into nats and,
where gradients are wanted, into its gradients at once, in one reused buffer. So
memory does not grow with window x batch x vocabulary, and no page is touched
for the first time in every step.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_NUMBERS = 1 << 20  # logits in one chunk, at least one row


def summed_nats(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """The summed cross-entropy of a softmax over ``hidden @ weight.T + bias``.

    Args:
        hidden: (rows, input). weight: (vocabulary, input). bias: (vocabulary,).
        targets: (rows,) ids in 0..vocabulary-1.

    Returns:
        A scalar, nats. Gradients of all three tensors are exact.
    """
    result: Tensor = _SummedNats.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, targets
    )
    return result


def chunk_rows(vocab_size: int) -> int:
    """Rows in one chunk."""
    return max(1, CHUNK_NUMBERS // vocab_size)


@torch.no_grad()
def score_rows(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> tuple[float, int]:
    """Summed nats of targets, and how many were the likeliest word, chunk by chunk.

    Args:
        As in ``summed_nats``.
    """
    nats, correct = 0.0, 0
    rows = chunk_rows(len(weight))
    for start in range(0, len(hidden), rows):
        ids = targets[start : start + rows]
        logits = torch.addmm(bias, hidden[start : start + rows], weight.T)
        chosen = logits.gather(1, ids[:, None])[:, 0]
        nats += float((logits.logsumexp(dim=1) - chosen).sum(dtype=torch.float64))
        correct += int((logits.argmax(dim=1) == ids).sum())
    return nats, correct


class _SummedNats(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
        wanted = any(ctx.needs_input_grad)
        rows = chunk_rows(len(weight))
        buffer = hidden.new_empty(min(rows, len(hidden)), len(weight))
        grad_hidden = torch.empty_like(hidden) if wanted else None
        grad_weight = torch.zeros_like(weight) if wanted else None
        grad_bias = torch.zeros_like(bias) if wanted else None
        nats = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start in range(0, len(hidden), rows):
            part, wanted_ids = hidden[start : start + rows], targets[start : start + rows, None]
            logits = torch.addmm(bias, part, weight.T, out=buffer[: len(part)])
            norms = logits.logsumexp(dim=1, keepdim=True)
            nats += (norms - logits.gather(1, wanted_ids)).sum(dtype=torch.float64)
            if grad_hidden is None or grad_weight is None or grad_bias is None:
                continue
            error = logits.sub_(norms).exp_()  # softmax - onehot, in place
            places = torch.arange(len(part), device=part.device)
            error[places, wanted_ids[:, 0]] -= 1  # scatter_add_ has no repeatable CUDA kernel
            torch.mm(error, weight, out=grad_hidden[start : start + rows])
            grad_weight.addmm_(error.T, part)
            grad_bias += error.sum(dim=0)
        if wanted:
            ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return nats.to(hidden.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        return grad_hidden * scale, grad_weight * scale, grad_bias * scale, None
