"""The exact softmax output layer in row chunks.

The logits of a window are (batch x time) rows of vocabulary size, by far the largest tensor of
a step. Here one chunk of rows at a time becomes probabilities and, if needed, gradients, in one
reused buffer: memory does not grow with window x batch x vocabulary, and no step pays for fresh
pages.

The matmuls can be in bfloat16 with float32 sums, several times faster on GPUs and on CPUs that
support it. The softmax is float32 even then, from logits rounded to 8 bits, and so are the
gradients.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNK_BYTES = 1 << 24  # of the logits of one chunk, at least one row
MASKED_LOGIT = -1e30  # probability 0


def summed_nats(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    *,
    bf16: bool = False,
    multiple: int = 1,
) -> Tensor:
    """The summed cross-entropy of a softmax over ``hidden @ weight.T + bias``.

    Args:
        hidden: (rows, input). weight: (vocabulary, input). bias: (vocabulary,).
        targets: (rows,) ids in 0..vocabulary-1.
        bf16: do the matmuls in bfloat16.
        multiple: pad the rows to a multiple of this, where their number differs from step to step:
            each new size would get a kernel of its own.

    Returns:
        A scalar, nats. All three gradients are exact up to the rounding of the matmuls.
    """
    result: Tensor = _SummedNats.apply(  # type: ignore[no-untyped-call]
        hidden, weight, bias, targets, bf16, multiple
    )
    return result


def chunk_rows(vocab_size: int, dtype: torch.dtype) -> int:
    """Rows in one chunk."""
    return max(1, CHUNK_BYTES // (vocab_size * dtype.itemsize))


@torch.no_grad()
def score_rows(
    logits_of: Callable[[Tensor], Tensor], hidden: Tensor, targets: Tensor, *, vocab_size: int
) -> tuple[float, int]:
    """Summed nats of the targets, and how many had the highest logit, chunk by chunk.

    Args:
        logits_of: maps rows of ``hidden`` to logits, (rows, vocabulary).
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


class RowDetails(NamedTuple):
    """Words in their models' distributions, each (rows,)."""

    ranks: Tensor  # 1 for the most likely word; ties by id
    top: Tensor  # the id of the most likely word
    top_probability: Tensor
    entropy: Tensor  # of the whole distribution, in nats


@torch.no_grad()
def describe_rows(
    logits_of: Callable[[Tensor], Tensor],
    hidden: Tensor,
    targets: Tensor,
    *,
    vocab_size: int,
    details: bool,
) -> tuple[Tensor, RowDetails | None]:
    """What ``score_rows`` sums, row by row, and on request more of the distribution.

    Args:
        hidden, targets: as of ``score_rows``; at least one row.

    Returns:
        Nats in float64, (rows,), and the details.
    """
    nats, described = [], []
    rows = chunk_rows(vocab_size, hidden.dtype)
    for start in range(0, len(hidden), rows):
        ids = targets[start : start + rows]
        logits = logits_of(hidden[start : start + rows])
        chosen, log_sum = logits.gather(1, ids[:, None]), logits.logsumexp(dim=1)
        nats.append((log_sum - chosen[:, 0]).double())
        if details:
            described.append(_describe(logits, ids, log_sum, chosen))
    joined = (torch.cat(tensors) for tensors in zip(*described, strict=True))
    return torch.cat(nats), RowDetails(*joined) if details else None


def _describe(logits: Tensor, ids: Tensor, log_sum: Tensor, chosen: Tensor) -> RowDetails:
    ranks, equal = 1 + (logits > chosen).sum(dim=1), logits == chosen
    if int(equal.count_nonzero()) > len(ids):
        before = torch.arange(logits.shape[1], device=ids.device) < ids[:, None]
        ranks += (equal & before).sum(dim=1)
    best, top = logits.max(dim=1)
    p = torch.exp(logits - log_sum[:, None])
    entropy = (log_sum - (p * logits).sum(dim=1)).clamp_min(0)
    return RowDetails(ranks, top, torch.exp(best - log_sum), entropy)


class _SummedNats(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        bf16: bool,
        multiple: int,
    ) -> Tensor:
        dtype = torch.bfloat16 if bf16 else hidden.dtype
        matrix = _pad_weight(weight, bias, dtype)
        padded = _pad_hidden(hidden, dtype, rows=_round_up(len(hidden), multiple))
        chunks = -(-len(padded) // chunk_rows(len(matrix), dtype))
        # equal sizes, since each size gets its own kernel
        rows = _round_up(-(-len(padded) // chunks), multiple)
        buffer = padded.new_empty(rows, len(matrix))
        gradients = _Gradients(hidden, weight) if any(ctx.needs_input_grad) else None
        nats = torch.zeros((), dtype=torch.float64, device=hidden.device)
        for start in range(0, len(hidden), rows):
            part, ids = padded[start : start + rows], targets[start : start + rows]
            probs = torch.mm(part, matrix.T, out=buffer[: len(part)])
            torch.softmax(probs, dim=1, out=probs)
            places = torch.arange(len(ids), device=part.device)
            nats += _nats(probs[places, ids], part[: len(ids)], matrix, ids)
            if gradients is not None:
                probs[places, ids] -= 1  # now the logits' gradient
                probs[len(ids) :] = 0
                gradients.add(start, probs, part, matrix)
        if gradients is not None:
            ctx.gradients = (gradients.hidden, gradients.weight, gradients.bias)
        return nats.to(hidden.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None  # so that autograd need not copy them
        if scale.device.type != "cpu" or float(scale) != 1:  # reading a GPU's value would sync
            gradients = tuple(gradient * scale for gradient in gradients)
        return *gradients, None, None, None


class _Gradients:
    """The gradients of an output layer, accumulated chunk by chunk."""

    def __init__(self, hidden: Tensor, weight: Tensor) -> None:
        self.hidden = torch.empty_like(hidden)
        self.words, self.size = weight.shape
        self.weight, self.bias = weight, weight  # the first chunk replaces both

    def add(self, start: int, d_logits: Tensor, part: Tensor, matrix: Tensor) -> None:
        """Add a chunk; ``d_logits`` is (rows, words)."""
        d_hidden = (d_logits @ matrix)[: len(self.hidden) - start, : self.size]
        self.hidden[start : start + len(d_hidden)] = d_hidden
        d_weight = (d_logits.T @ part)[: self.words]
        weight, bias = d_weight[:, : self.size], d_weight[:, self.size]
        if start == 0:
            self.weight = weight.to(self.hidden.dtype).contiguous()
            self.bias = bias.to(self.hidden.dtype).contiguous()
        else:
            self.weight += weight
            self.bias += bias


def _pad_hidden(hidden: Tensor, dtype: torch.dtype, *, rows: int) -> Tensor:
    """Append two ones to each row, for the bias, and zeros up to a multiple of 8, for kernels.

    Args:
        rows: of the result; those beyond ``hidden`` are zeros.
    """
    filled, size = hidden.shape
    padded = torch.zeros(rows, _round_up(size + 2, 8), dtype=dtype, device=hidden.device)
    padded[:filled, :size] = hidden
    padded[:filled, size : size + 2] = 1
    return padded


def _pad_weight(weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Append the bias to the output matrix as two columns, and masked rows up to a multiple of 16.

    The second column holds the first one's rounding error. Centering the bias changes no
    probability, and logits near 0 lose less to rounding.
    """
    words, size = weight.shape
    shape = _round_up(words, 16), _round_up(size + 2, 8)
    padded = torch.zeros(*shape, dtype=dtype, device=weight.device)
    centered = bias - bias.mean()
    padded[:words, :size] = weight
    padded[:words, size] = centered
    padded[:words, size + 1] = centered - padded[:words, size]
    padded[words:, size] = MASKED_LOGIT
    return padded


def _nats(probs: Tensor, part: Tensor, matrix: Tensor, targets: Tensor) -> Tensor:
    """The summed nats of targets with these probabilities, (rows,).

    One that underflows its dtype is computed from the logits, on the CPU: to find out would
    sync a GPU, so there a word's nats are capped at the dtype's smallest probability.
    """
    tiny = torch.finfo(probs.dtype).tiny
    low = probs < tiny
    known = probs.double().clamp_min(tiny).log()
    if probs.device.type == "cpu" and bool(low.any()):
        logits = (part[low] @ matrix.T).double()
        exact = logits.gather(1, targets[low, None])[:, 0] - logits.logsumexp(dim=1)
        return -(known[~low].sum() + exact.sum())
    return -known.sum()


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
