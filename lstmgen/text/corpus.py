"""A prepared text: its parts as ids, and its vocabulary."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.vocabulary import Vocabulary

Ids = NDArray[np.uint32]
Progress = Callable[[int, int], None]  # bytes done, total bytes


@dataclass(frozen=True)
class Part:
    """One part of the text, for training, validation or testing."""

    ids: Ids  # 1-D, memory-mapped, <story> first
    tokens: int  # without <story>
    unknown: int  # out-of-vocabulary tokens
    characters: int  # of all tokens
    unknown_characters: int  # of the out-of-vocabulary tokens


@dataclass(frozen=True)
class Corpus:
    """A prepared text."""

    train: Part
    valid: Part | None
    vocabulary: Vocabulary
    line_ends: NDArray[np.int64]  # 1-D, memory-mapped: offset in train.ids after each line end
    file_starts: tuple[int, ...]  # offsets in train.ids
    fingerprint: str
    files: int
    notices: tuple[str, ...] = field(default=())

    def locate(self, position: int) -> tuple[int, int]:
        """The file, numbered from 0, and the line, from 1, of a position in ``train.ids``."""
        file = bisect_right(self.file_starts, position) - 1
        bounds = (self.file_starts[file], position)
        before, ended = np.searchsorted(self.line_ends, bounds, side="right").tolist()
        return file, 1 + ended - before
