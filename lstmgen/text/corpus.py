"""A prepared text: its parts as ids, and its vocabulary."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.vocabulary import Vocabulary

Ids = NDArray[np.uint32]
Progress = Callable[[int, int], None]  # bytes done, total bytes


@dataclass(frozen=True)
class Part:
    """One part of the text: its ids, ``<story>`` first, and its size.

    Attributes:
        ids: memory-mapped, 1-D.
        tokens: all tokens, ``<story>`` not counted.
        unknown: tokens without an entry of their own.
        characters: of the text, all tokens.
        unknown_characters: of the tokens that are unknown.
    """

    ids: Ids
    tokens: int
    unknown: int
    characters: int
    unknown_characters: int


@dataclass(frozen=True)
class Corpus:
    """A prepared text.

    Attributes:
        line_ends: of the training part: the place behind each line end in ``train.ids``,
            memory-mapped, 1-D.
        file_starts: where each file of the training part begins in ``train.ids``.
    """

    train: Part
    valid: Part | None
    vocabulary: Vocabulary
    line_ends: NDArray[np.int64]
    file_starts: tuple[int, ...]
    fingerprint: str
    files: int
    notices: tuple[str, ...] = field(default=())
