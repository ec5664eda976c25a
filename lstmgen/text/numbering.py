"""From text files to provisional numbers, and from those to ids, one block at a time.

The tokenizer numbers forms in order of appearance. The vocabulary exists only once the
text has been read and its training part counted; then numbers become ids.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.corpus import Ids, Progress
from lstmgen.text.reading import count_control, normalize, read_blocks
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import Vocabulary

MARK = np.iinfo(np.uint32).max  # <story> among provisional numbers


class BoundaryFiles(NamedTuple):
    """Files that receive positions among the numbers, int64."""

    splits: IO[bytes]  # after each line end, and at each MARK
    lines: IO[bytes]  # after each line end


class NumberCounts(NamedTuple):
    """Summary of what ``write_numbers`` wrote."""

    total: int  # numbers
    removed: int  # control characters that were removed
    starts: list[int]  # start of each file among the numbers


class ByteCounter:
    """Progress in bytes over several files."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, size: int) -> None:
        """Add to the count and report it."""
        self.done += size
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)


def write_numbers(
    paths: Iterable[Path],
    tokenizer: Tokenizer,
    file: IO[bytes],
    *,
    lowercase: bool,
    counter: ByteCounter,
    boundaries: BoundaryFiles | None = None,
) -> NumberCounts:
    """Tokenize files to provisional numbers, uint32, with ``MARK`` before each file.

    Args:
        file: receives the numbers.
        counter: counts the bytes read.
        boundaries: receive the positions at which the text can be split.
    """
    total, removed = 0, 0
    starts: list[int] = []
    for path in paths:
        np.array([MARK], dtype=np.uint32).tofile(file)
        if boundaries is not None:
            np.array([total], dtype=np.int64).tofile(boundaries.splits)
        starts.append(total)
        total += 1
        tokenizer.restart()
        for block in read_blocks(path):
            removed += count_control(block)
            text = normalize(block, lowercase=lowercase)
            numbers = tokenizer.encode(text)
            numbers.astype(np.uint32).tofile(file)
            if boundaries is not None:
                line_ends = (_line_ends(tokenizer, text, numbers) + total).astype(np.int64)
                for target in boundaries:
                    line_ends.tofile(target)
            total += len(numbers)
            counter.add(len(block.encode()))
    return NumberCounts(total, removed, starts)


def _line_ends(tokenizer: Tokenizer, text: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    if tokenizer.kind != "whitespace":
        return tokenizer.line_ends(numbers)
    return np.cumsum([len(line.split()) for line in text.split("\n")])[:-1]


class IdTable:
    """Maps provisional numbers to ids; ``sizes`` are those of the last part, as in ``Part``."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        forms = tokenizer.forms()
        self.table = np.array([vocabulary.lookup(form) for form in forms], dtype=np.uint32)
        self.lengths, self.unknown_id = tokenizer.lengths(), vocabulary.unknown_id
        self.sizes: dict[str, int] = {}

    def convert(self, chunks: Iterable[NDArray[np.uint32]]) -> Iterator[Ids]:
        """The ids of one part of the text, ``<story>`` first."""
        self.sizes = dict.fromkeys(("tokens", "unknown", "characters", "unknown_characters"), 0)
        for place, chunk in enumerate(chunks):
            if place == 0 and (not len(chunk) or chunk[0] != MARK):
                yield np.zeros(1, dtype=np.uint32)  # a part that begins inside a file
            is_story = chunk == MARK
            numbers = np.where(is_story, 0, chunk)
            ids = np.where(is_story, 0, self.table[numbers])
            unknown = ~is_story & (ids == self.unknown_id)
            self.sizes["tokens"] += int(len(chunk) - is_story.sum())
            self.sizes["unknown"] += int(unknown.sum())
            self.sizes["characters"] += int(self.lengths[numbers[~is_story]].sum())
            self.sizes["unknown_characters"] += int(self.lengths[numbers[unknown]].sum())
            yield ids.astype(np.uint32)
