"""The stepping engine: a language model one word at a time, for several samples at once."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.cell import Layer, zero_state
from lstmgen.cells.registry import CELLS
from lstmgen.cells.step import Array, State
from lstmgen.generation.outputs import Adaptive, Softmax, take_adaptive, take_softmax
from lstmgen.generation.weights import WeightReader

States = list[State]


class Engine:
    """A model's weights, ready to be stepped.

    Args:
        weights: by the parameter names of the torch model.
        hidden_sizes: one layer each.
        cell: of all layers, a name in ``cells.CELLS``.
        vocab_size: ids 0..vocab_size-1 are words; ``vocab_size`` is read as the
            mean of ``seen_once``.
        clusters: of an adaptive softmax, the ids of each; None is the exact softmax.
        source: what to call the weights in messages.

    Raises:
        CheckpointError: where a weight is missing or of another shape.
    """

    def __init__(
        self,
        weights: Mapping[str, Array],
        *,
        vocab_size: int,
        hidden_sizes: Sequence[int],
        seen_once: Sequence[int],
        cell: str = "lstm",
        clusters: Sequence[NDArray[np.int64]] | None = None,
        source: str = "the model",
    ) -> None:
        self.vocab_size = vocab_size
        take = WeightReader(weights, source)
        self._embedding = take.get("embedding.weight", (vocab_size, None), required=False)
        width = vocab_size if self._embedding is None else self._embedding.shape[1]
        self.layers: list[Layer] = []
        for place, size in enumerate(hidden_sizes):
            self.layers.append(take.layer(f"layers.{place}.", CELLS[cell], width, size))
            width = size
        self.output: Softmax | Adaptive
        if clusters is None:
            self.output = take_softmax(take, vocab_size, width, tied=self._embedding)
        else:
            self.output = take_adaptive(take, clusters, width)
        take.check_nothing_left()
        self.dtype = self.layers[0].weights.weight_hh.dtype
        self._unknown = self._rare_vector(np.asarray(seen_once, dtype=np.int64))

    def zero_states(self, batch: int) -> States:
        """The states before a text begins."""
        return [zero_state(layer, batch) for layer in self.layers]

    def read(self, ids: NDArray[np.int64], states: States) -> States:
        """Read one word in each sample.

        Args:
            ids: (batch,).
            states: after the word before.
        """
        x = self.embed(ids)
        after: States = []
        for (cell, weights), before in zip(self.layers, states, strict=True):
            state, _ = cell.step(weights, x, before)
            after.append(state)
            x = state.hidden
        return after

    def logits(self, states: States) -> Array:
        """(batch, vocabulary) unnormalised log-probabilities of the next word."""
        return self.read_out(states[-1].hidden)

    def read_out(self, hidden: Array) -> Array:
        """The logits, (..., vocabulary), of the top layer's hiddens, (..., hidden)."""
        return self.output.logits(hidden)

    def read_out_backward(self, hidden: Array, d_logits: Array) -> Array:
        """The gradient of the top layer's hiddens, given that of the logits."""
        return self.output.backward(hidden, d_logits)

    def embed(self, ids: NDArray[np.int64]) -> Array:
        """(words, input): what the first layer is given for words."""
        unknown = ids >= self.vocab_size
        x = self._vectors(np.where(unknown, 0, ids))
        if unknown.any():
            x[unknown] = self._unknown
        return x

    def _rare_vector(self, rare: NDArray[np.int64]) -> Array:
        """The mean input of the words seen once."""
        if self._embedding is not None:
            return np.asarray(self._embedding[rare].mean(axis=0))
        mean = np.zeros(self.vocab_size, dtype=self.dtype)
        mean[rare] = 1 / len(rare)
        return mean

    def _vectors(self, ids: NDArray[np.int64]) -> Array:
        if self._embedding is not None:
            return np.asarray(self._embedding[ids])
        x = np.zeros((len(ids), self.vocab_size), dtype=self.dtype)
        x[np.arange(len(ids)), ids] = 1
        return x
