"""From text files to provisional numbers, and from those to ids, one block at a time.

The tokenizer numbers forms as they come. Once the whole text has been read and its training
part counted, there is a vocabulary, and numbers become ids.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.corpus import Ids, Progress
from lstmgen.text.reading import count_control, normalise, read_blocks
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import Vocabulary

MARK = np.iinfo(np.uint32).max  # <story> among provisional numbers


class Places(NamedTuple):
    """Files that get places among the numbers, int64."""

    splits: IO[bytes]  # after each line end, and of each MARK
    lines: IO[bytes]  # after each line end


class Written(NamedTuple):
    """What ``write_numbers`` wrote."""

    total: int  # numbers
    removed: int  # control characters that were left out
    starts: list[int]  # where each file begins among the numbers


class ByteCounter:
    """Progress in bytes over several files."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, size: int) -> None:
        """Count some more bytes, and report them."""
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
    places: Places | None = None,
) -> Written:
    """Tokenize files to provisional numbers, ``MARK`` before each file.

    Args:
        file: gets the numbers, uint32.
        counter: counts the bytes read.
        places: get the places where the text can be split.
    """
    total, removed = 0, 0
    starts: list[int] = []
    for path in paths:
        np.array([MARK], dtype=np.uint32).tofile(file)
        if places is not None:
            np.array([total], dtype=np.int64).tofile(places.splits)
        starts.append(total)
        total += 1
        tokenizer.restart()
        for block in read_blocks(path):
            removed += count_control(block)
            text = normalise(block, lowercase=lowercase)
            numbers, line_ends = _encode_lines(tokenizer, text)
            numbers.astype(np.uint32).tofile(file)
            for target in places or ():
                (line_ends + total).astype(np.int64).tofile(target)
            total += len(numbers)
            counter.add(len(block.encode()))
    return Written(total, removed, starts)


def _encode_lines(tokenizer: Tokenizer, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A block's numbers, and the places after each of its line ends."""
    if tokenizer.kind != "whitespace":
        numbers = tokenizer.encode(text)
        return numbers, tokenizer.line_ends(numbers)
    lines = text.split("\n")
    lengths = np.cumsum([len(line.split()) for line in lines])
    return tokenizer.encode(text), lengths[:-1]


class IdTable:
    """Turns provisional numbers into ids, and counts them.

    Attributes:
        sizes: ``tokens``, ``unknown``, ``characters`` and ``unknown_characters`` of the
            pieces turned since ``restart``.
    """

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        forms = tokenizer.forms()
        self.table = np.array([vocabulary.lookup(form) for form in forms], dtype=np.uint32)
        self.lengths, self.unknown_id = tokenizer.lengths(), vocabulary.unknown_id
        self.sizes: dict[str, int] = {}

    def turn(self, pieces: Iterable[NDArray[np.uint32]]) -> Iterator[Ids]:
        """The ids of one part of the text, ``<story>`` first."""
        self.sizes = dict.fromkeys(("tokens", "unknown", "characters", "unknown_characters"), 0)
        first = True
        for piece in pieces:
            if first and (not len(piece) or piece[0] != MARK):
                yield np.zeros(1, dtype=np.uint32)  # a part that begins inside a file
            first = False
            is_story = piece == MARK
            numbers = np.where(is_story, 0, piece)
            ids = np.where(is_story, 0, self.table[numbers])
            unknown = ~is_story & (ids == self.unknown_id)
            self.sizes["tokens"] += int(len(piece) - is_story.sum())
            self.sizes["unknown"] += int(unknown.sum())
            self.sizes["characters"] += int(self.lengths[numbers[~is_story]].sum())
            self.sizes["unknown_characters"] += int(self.lengths[numbers[unknown]].sum())
            yield ids.astype(np.uint32)
