"""The numpy inference engine: a language model one word at a time, for a batch of samples."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array, State
from lstmgen.cells.cell import Layer, zero_state
from lstmgen.cells.registry import CELLS
from lstmgen.generation.numpy_softmax import Adaptive, Softmax, read_adaptive, read_softmax
from lstmgen.generation.weight_reader import WeightReader

States = list[State]


class Engine:
    """A language model for inference.

    Args:
        weights: by the parameter names of the torch model.
        vocab_size: ids below are words; ``vocab_size`` itself is the unknown word, read as the
            mean of ``seen_once``.
        hidden_sizes: of each layer.
        cell: of all layers, a name in ``cells.CELLS``.
        clusters: ids of each cluster of an adaptive softmax; None is the exact softmax.
        source: name of the weights in messages.

    Raises:
        CheckpointError: if a weight is missing, unexpected or has another shape.
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
        reader = WeightReader(weights, source)
        self._embedding = reader.get("embedding.weight", (vocab_size, None), required=False)
        width = vocab_size if self._embedding is None else self._embedding.shape[1]
        self.layers: list[Layer] = []
        for place, size in enumerate(hidden_sizes):
            self.layers.append(reader.layer(f"layers.{place}.", CELLS[cell], width, size))
            width = size
        self.is_tied = clusters is None and "output_weight" not in weights
        self.output: Softmax | Adaptive
        if clusters is None:
            self.output = read_softmax(reader, vocab_size, width, tied=self._embedding)
        else:
            self.output = read_adaptive(reader, clusters, width)
        reader.check_all_used()
        self.dtype = self.layers[0].weights.weight_hh.dtype
        self._unknown = self._rare_vector(np.asarray(seen_once, dtype=np.int64))

    @property
    def has_embedding(self) -> bool:
        """Whether words are read as vectors; one-hot otherwise."""
        return self._embedding is not None

    def zero_states(self, batch: int) -> States:
        """The states before the first word."""
        return [zero_state(layer, batch) for layer in self.layers]

    def read(self, ids: NDArray[np.int64], states: States) -> States:
        """Read one word in each sample, ``ids`` being (batch,), and return the new states."""
        x = self.embed(ids)
        after: States = []
        for (cell, weights), before in zip(self.layers, states, strict=True):
            state, _ = cell.step(weights, x, before)
            after.append(state)
            x = state.hidden
        return after

    def logits(self, states: States) -> Array:
        """Logits of the next word, (batch, vocabulary)."""
        return self.output.logits(states[-1].hidden)

    def embed(self, ids: NDArray[np.int64]) -> Array:
        """The first layer's input, (words, input)."""
        unknown = ids >= self.vocab_size
        x = self._vectors(np.where(unknown, 0, ids))
        if unknown.any():
            x[unknown] = self._unknown
        return x

    def word_vectors(self, ids: NDArray[np.int64]) -> Array:
        """What stands for words where words are compared, (words, size).

        The embedding, or for one-hot inputs the columns of the first layer's weights.
        """
        if self._embedding is not None:
            return self._vectors(ids)
        return np.asarray(self.layers[0].weights.weight_ih[:, ids].T)

    def _rare_vector(self, rare: NDArray[np.int64]) -> Array:
        """The mean input vector of the words seen once."""
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
