"""The adaptive softmax (Grave et al. 2017, arXiv 1609.04309): rare words cost little.

The head scores the most frequent words and one entry per cluster of rarer ones. A cluster's
tail scores that cluster's words, with shorter vectors, and only where such a word is the
target. It is a different model from the full softmax, so their perplexities differ too.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmgen.model.chunked_softmax import summed_nats
from lstmgen.model.initialize import init_bias, smoothed_counts

ROWS = 32  # the rows of a tail, which vary, are padded to a multiple of this
DIV_VALUE = 4  # each cluster's vectors are shorter by this factor than the previous cluster's


class Tail(nn.Module):
    """One cluster of rarer words: ``bias`` (words,), the short vectors ``weight``, and the
    ``projection`` (short, input) onto their space."""

    def __init__(self, input_size: int, size: int, words: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.empty(size, input_size))
        self.weight = nn.Parameter(torch.empty(words, size))
        self.bias = nn.Parameter(torch.empty(words))


class AdaptiveSoftmax(nn.Module):
    """The output layer over clusters of words.

    Args:
        clusters: word ids of each cluster, the most frequent words first; every id once.
    """

    def __init__(self, input_size: int, clusters: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.shortlist_size = len(clusters[0])
        entries = self.shortlist_size + len(clusters) - 1
        self.weight = nn.Parameter(torch.empty(entries, input_size))
        self.bias = nn.Parameter(torch.empty(entries))
        self.tails = nn.ModuleList(
            Tail(input_size, max(1, input_size // int(DIV_VALUE**number)), len(ids))
            for number, ids in enumerate(clusters[1:], start=1)
        )
        self.rank_of: Tensor
        self.starts: Tensor
        order = torch.tensor([i for ids in clusters for i in ids])
        self.register_buffer("rank_of", order.argsort(), persistent=False)
        sizes = torch.tensor([0, *(len(ids) for ids in clusters)])
        self.register_buffer("starts", sizes.cumsum(0), persistent=False)

    def init_biases(self, counts: Sequence[int]) -> None:
        """Set the biases to the log frequencies of words and clusters in training."""
        counted = smoothed_counts(counts)
        ranked = torch.empty_like(counted)
        ranked[self.rank_of] = counted
        shortlist, *rare = ranked.tensor_split(self.starts[1:-1].tolist())
        sums = [part.sum(dim=0, keepdim=True) for part in rare]
        init_bias(self.bias, torch.cat([shortlist, *sums]))
        for tail, part in zip(self._tails(), rare, strict=True):
            init_bias(tail.bias, part)

    def summed_nats(self, hidden: Tensor, targets: Tensor, *, bf16: bool = False) -> Tensor:
        """Summed cross-entropy of the targets, in nats.

        Args:
            hidden: (rows, input). targets: (rows,) ids.
            bf16: do the matmuls in bfloat16.
        """
        ranks = self.rank_of[targets]
        clusters = torch.bucketize(ranks, self.starts[1:], right=True)
        places = ranks - self.starts[clusters]
        heads = torch.where(clusters == 0, places, self.shortlist_size - 1 + clusters)
        nats = summed_nats(hidden, self.weight, self.bias, heads, bf16=bf16)
        for number, tail in enumerate(self._tails(), start=1):
            rows = (clusters == number).nonzero()[:, 0]
            if len(rows):
                projected = functional.linear(hidden.index_select(0, rows), tail.projection)
                nats = nats + summed_nats(
                    projected, tail.weight, tail.bias, places[rows], bf16=bf16, multiple=ROWS
                )
        return nats

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., vocabulary) log-probabilities of the next word, from (..., input)."""
        head = functional.linear(hidden, self.weight, self.bias).log_softmax(dim=-1)
        parts = [head[..., : self.shortlist_size]]
        for number, tail in enumerate(self._tails()):
            projected = functional.linear(hidden, tail.projection)
            inner = functional.linear(projected, tail.weight, tail.bias).log_softmax(dim=-1)
            parts.append(inner + head[..., self.shortlist_size + number, None])
        return torch.cat(parts, dim=-1).index_select(-1, self.rank_of)

    def matrices(self) -> list[Tensor]:
        """The matrices with one row per word, the head's first."""
        return [self.weight, *(tail.weight for tail in self._tails())]

    def _tails(self) -> list[Tail]:
        return cast("list[Tail]", list(self.tails))
