"""The words of a model in the plane, by the vectors with which it reads them."""

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.numpy_engine import Engine
from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import Vocabulary

COMMON = 300  # words


def map_words(
    engine: Engine, vocabulary: Vocabulary, *, kind: Kind, count: int = COMMON
) -> tuple[tuple[int, float, float], ...]:
    """The commonest words on the two principal components of their vectors.

    Each direction has its largest value positive, and both are divided by the largest value of
    all, so that coordinates lie in -1..1.

    Args:
        count: of words; tokens without a letter or digit are left out.

    Returns:
        The id and the coordinates of each word, the commonest first.
    """
    words = [
        i
        for i, entry in enumerate(vocabulary.entries)
        if i not in vocabulary.specials and any(map(str.isalnum, surface_of(entry, kind)))
    ]
    common = sorted(words, key=lambda i: (-vocabulary.counts[i], i))[:count]
    if len(common) < 2:
        return ()
    places = _project(engine.word_vectors(np.array(common)).astype(np.float64))
    return tuple((i, float(x), float(y)) for i, (x, y) in zip(common, places, strict=True))


def _project(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows on their two principal components, (rows, 2), in -1..1."""
    centered = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centered, full_matrices=False)
    places = np.zeros((len(vectors), 2))
    used = min(2, len(sizes))
    places[:, :used] = left[:, :used] * sizes[:used]
    peaks = places[np.abs(places).argmax(axis=0), [0, 1]]
    places *= np.where(peaks < 0, -1.0, 1.0)
    reach = np.abs(places).max()
    return places / reach if reach else places
