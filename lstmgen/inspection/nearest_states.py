"""The places of a text at which a model's state is nearest to given states."""

import heapq
from dataclasses import dataclass, field

import numpy as np

from lstmgen.cells.building_blocks import Array
from lstmgen.generation.numpy_engine import Engine
from lstmgen.inspection.text_reading import Positions, read_text
from lstmgen.windows.window import Ids

SAME_CONTEXT = 6  # last words by which two places are the same context
NONE = -1  # a position where a text has too few contexts


@dataclass(frozen=True)
class NearestContexts:
    """The nearest places of each query, the nearest first.

    Attributes:
        positions: (queries, count) of the word that followed each context in the text, or
            ``NONE``.
        similarities: (queries, count) cosine similarities; -1 for a missing position.
    """

    positions: Positions
    similarities: Array


def nearest_contexts(
    engine: Engine, train_ids: Ids, queries: Array, *, count: int = 3
) -> NearestContexts:
    """Find the places of a text at which the top hidden state is nearest to each query.

    The measure is cosine similarity: the output layer compares directions, and the length of a
    state makes its prediction more or less confident. The text is read in order with carried
    state, in parallel lanes. Places with the same last ``SAME_CONTEXT`` words count once, the
    nearest of them. The state after the last word is left out, since no word followed.

    Memory does not grow with the text: only the best places of each query are kept.

    Args:
        train_ids: (words,) of the text.
        queries: (queries, hidden) states of the top layer.
        count: places for each query.
    """
    directions = _normalize(queries)
    best = [_Best(count) for _ in queries]
    for positions, hidden in read_text(engine, train_ids[:-1]):
        similarities = directions @ _normalize(hidden).T
        for row, found in zip(similarities, best, strict=True):
            found.add(row, positions + 1, train_ids)
    return NearestContexts(
        positions=np.array([found.column(1, NONE) for found in best], dtype=np.int64),
        similarities=np.array([found.column(0, -1.0) for found in best]),
    )


@dataclass
class _Best:
    """The nearest places so far: the similarity and position of each context."""

    count: int
    places: list[tuple[float, int]] = field(default_factory=list)  # the nearest first

    def add(self, similarities: Array, positions: Positions, ids: Ids) -> None:
        """Merge further places, (places,) each, with those so far."""
        full = len(self.places) == self.count
        better = similarities >= self.places[-1][0] if full else np.isfinite(similarities)
        pairs = zip(similarities[better].tolist(), positions[better].tolist(), strict=True)
        heap = [(-similarity, position) for similarity, position in pairs]
        heap += [(-similarity, position) for similarity, position in self.places]
        heapq.heapify(heap)
        found: dict[bytes, tuple[float, int]] = {}
        while heap and len(found) < self.count:
            opposite, position = heapq.heappop(heap)
            context = ids[max(0, position - SAME_CONTEXT) : position].tobytes()
            found.setdefault(context, (-opposite, position))
        self.places = list(found.values())

    def column(self, index: int, missing: float) -> list[float]:
        """The similarities (0) or positions (1), filled up to ``count``."""
        values = [place[index] for place in self.places]
        return values + [missing] * (self.count - len(values))


def _normalize(vectors: Array) -> Array:
    """Vectors of length 1, (vectors, size); zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Array = vectors / np.maximum(lengths, np.finfo(vectors.dtype).tiny)
    return result
