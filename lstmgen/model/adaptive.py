"""The adaptive softmax (Grave et al. 2017, arXiv 1609.04309): rare words cost little.

The commonest words are scored beside one entry for each cluster of rarer ones; a
cluster's own words are scored among themselves, by narrower vectors, and only
where such a word is the target. That is another model than the full softmax, and
its perplexity another model's.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmgen.model.initialise import smoothed_counts, start_bias
from lstmgen.model.output import summed_nats

NARROWER = 4  # each cluster's vectors, than those of the one before


class Tail(nn.Module):
    """One cluster of rarer words: ``bias`` (words,), the narrow vectors ``weight``, and the
    ``projection`` (narrow, input) onto their space."""

    def __init__(self, input_size: int, narrow: int, words: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.empty(narrow, input_size))
        self.weight = nn.Parameter(torch.empty(words, narrow))
        self.bias = nn.Parameter(torch.empty(words))


class AdaptiveSoftmax(nn.Module):
    """The output layer over clusters of words.

    Args:
        input_size: length of what it reads.
        clusters: ids of the words of each, the commonest first; every id once.
    """

    def __init__(self, input_size: int, clusters: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.common = len(clusters[0])
        entries = self.common + len(clusters) - 1
        self.weight = nn.Parameter(torch.empty(entries, input_size))
        self.bias = nn.Parameter(torch.empty(entries))
        self.tails = nn.ModuleList(
            Tail(input_size, narrow_size(input_size, place), len(ids))
            for place, ids in enumerate(clusters[1:], start=1)
        )
        self.rank_of: Tensor
        self.starts: Tensor
        order = torch.tensor([i for ids in clusters for i in ids])
        self.register_buffer("rank_of", order.argsort(), persistent=False)
        sizes = torch.tensor([0, *(len(ids) for ids in clusters)])
        self.register_buffer("starts", sizes.cumsum(0), persistent=False)

    def start(self, counts: Sequence[int]) -> None:
        """Set the biases to the log shares of words and clusters in training."""
        times = smoothed_counts(counts)
        ranked = torch.empty_like(times)
        ranked[self.rank_of] = times
        common, *rare = ranked.tensor_split(self.starts[1:-1].tolist())
        sums = [part.sum(dim=0, keepdim=True) for part in rare]
        start_bias(self.bias, torch.cat([common, *sums]))
        for tail, part in zip(self._tails(), rare, strict=True):
            start_bias(tail.bias, part)

    def summed_nats(self, hidden: Tensor, targets: Tensor, *, bf16: bool = False) -> Tensor:
        """Nats of target words, summed.

        Args:
            hidden: (rows, input). targets: (rows,) ids.
            bf16: take the products in bfloat16.
        """
        ranks = self.rank_of[targets]
        clusters = torch.bucketize(ranks, self.starts[1:], right=True)
        places = ranks - self.starts[clusters]
        heads = torch.where(clusters == 0, places, self.common - 1 + clusters)
        nats = summed_nats(hidden, self.weight, self.bias, heads, bf16=bf16)
        for number, tail in enumerate(self._tails(), start=1):
            rows = (clusters == number).nonzero()[:, 0]
            if len(rows):
                narrow = functional.linear(hidden.index_select(0, rows), tail.projection)
                nats = nats + summed_nats(narrow, tail.weight, tail.bias, places[rows], bf16=bf16)
        return nats

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., vocabulary) log-probabilities of the next word, of (..., input)."""
        head = functional.linear(hidden, self.weight, self.bias).log_softmax(dim=-1)
        parts = [head[..., : self.common]]
        for number, tail in enumerate(self._tails()):
            narrow = functional.linear(hidden, tail.projection)
            inner = functional.linear(narrow, tail.weight, tail.bias).log_softmax(dim=-1)
            parts.append(inner + head[..., self.common + number, None])
        return torch.cat(parts, dim=-1).index_select(-1, self.rank_of)

    def matrices(self) -> list[Tensor]:
        """The matrices whose rows are words, the commonest ones' first."""
        return [self.weight, *(tail.weight for tail in self._tails())]

    def _tails(self) -> list[Tail]:
        return cast("list[Tail]", list(self.tails))


def narrow_size(input_size: int, place: int) -> int:
    """Length of the vectors of the words of a cluster; the commonest ones are at place 0."""
    return max(1, input_size // int(NARROWER**place))
