"""The output layers in numpy: from the top layer's hidden state to logits, and backward."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array
from lstmgen.generation.halved_product import HalvedProduct, is_halved
from lstmgen.generation.weight_reader import WeightReader


@dataclass(frozen=True)
class Softmax:
    """The exact softmax."""

    matrix: Array  # (vocabulary, input)
    bias: Array  # (vocabulary,)
    projection: Array | None  # (input, hidden), applied before the matrix, if there is one

    @cached_property
    def _halved(self) -> HalvedProduct | None:
        return HalvedProduct(self.matrix) if is_halved(self.matrix) else None

    def logits(self, hidden: Array) -> Array:
        """Logits, (..., vocabulary), of hidden states, (..., hidden)."""
        if self.projection is not None:
            hidden = hidden @ self.projection.T
        halved = self._halved
        result: Array = hidden @ self.matrix.T if halved is None else halved(hidden)
        result += self.bias
        return result

    def backward(self, hidden: Array, d_logits: Array) -> Array:
        """The gradient of the hidden state, given that of its logits."""
        d_hidden: Array = d_logits @ self.matrix
        return d_hidden if self.projection is None else d_hidden @ self.projection


@dataclass(frozen=True)
class Adaptive:
    """The adaptive softmax, as ``model.adaptive`` trains it."""

    head: Softmax  # over the most frequent words and one entry for each tail
    tails: tuple[Softmax, ...]  # over the words of each cluster of rarer words
    rank_of: NDArray[np.int64]  # (vocabulary,) position of each word in the concatenated clusters

    def logits(self, hidden: Array) -> Array:
        """Log-probabilities, (..., vocabulary), of hidden states, (..., hidden)."""
        head = _log_softmax(self.head.logits(hidden))
        common = head.shape[-1] - len(self.tails)
        parts = [head[..., :common]]
        for number, tail in enumerate(self.tails):
            inner = _log_softmax(tail.logits(hidden))
            inner += head[..., common + number, None]
            parts.append(inner)
        result: Array = np.concatenate(parts, axis=-1)[..., self.rank_of]
        return result

    def backward(self, hidden: Array, d_logits: Array) -> Array:
        """The gradient of the hidden state, given that of its logits."""
        ranked = np.empty_like(d_logits)
        ranked[..., self.rank_of] = d_logits
        sizes = [len(tail.bias) for tail in self.tails]
        common = ranked.shape[-1] - sum(sizes)
        first, *rest = np.split(ranked, common + np.cumsum([0, *sizes])[:-1], axis=-1)
        d_hidden: Array = np.zeros_like(hidden)
        sums = []
        for tail, d_tail in zip(self.tails, rest, strict=True):
            sums.append(d_tail.sum(axis=-1, keepdims=True))
            p = np.exp(_log_softmax(tail.logits(hidden)))
            d_hidden += tail.backward(hidden, d_tail - p * sums[-1])
        d_head = np.concatenate([first, *sums], axis=-1)
        p = np.exp(_log_softmax(self.head.logits(hidden)))
        d_head -= p * d_head.sum(axis=-1, keepdims=True)
        d_hidden += self.head.backward(hidden, d_head)
        return d_hidden


def read_softmax(
    reader: WeightReader, vocab_size: int, width: int, *, tied: Array | None
) -> Softmax:
    """Read an exact softmax on top of a layer of ``width`` units; ``tied`` is the embedding."""
    projection = reader.matrix("projection.weight", (None, width), required=False)
    if projection is not None:
        width = projection.shape[0]
    matrix = reader.matrix("output_weight", (vocab_size, width), required=tied is None)
    if matrix is None:  # tied; the embedding itself stays row-major for lookups
        matrix = reader.matrix("embedding.weight", (vocab_size, width))
    return Softmax(matrix, reader.require("output_bias", (vocab_size,)), projection)


def read_adaptive(
    reader: WeightReader, clusters: Sequence[NDArray[np.int64]], width: int
) -> Adaptive:
    """Read an adaptive softmax; ``clusters`` are the word ids of each cluster."""
    entries = len(clusters[0]) + len(clusters) - 1
    weight = reader.matrix("adaptive.weight", (entries, width))
    head = Softmax(weight, reader.require("adaptive.bias", (entries,)), None)
    tails = []
    for number, ids in enumerate(clusters[1:]):
        name = f"adaptive.tails.{number}."
        projection = reader.matrix(name + "projection", (None, width))
        matrix = reader.matrix(name + "weight", (len(ids), projection.shape[0]))
        tails.append(Softmax(matrix, reader.require(name + "bias", (len(ids),)), projection))
    return Adaptive(head, tuple(tails), np.argsort(np.concatenate(clusters)))


def _log_softmax(logits: Array) -> Array:
    """Log-probabilities over the last axis, computed in place."""
    logits -= logits.max(axis=-1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return logits
