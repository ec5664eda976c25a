"""From text files to provisional numbers, and from those to ids, one block at a time.

The tokenizer numbers forms in order of appearance. The vocabulary exists only once the
text has been read and its training part counted; then numbers become ids.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import DataConfig
from lstmgen.text.corpus import Ids, Progress
from lstmgen.text.documents import (
    ENDOFTEXT,
    Piece,
    cut_body,
    find_bodies,
    has_gutenberg_mark,
    split_documents,
)
from lstmgen.text.reading import count_control, find_misread, normalize, read_blocks
from lstmgen.text.tags import is_tag, tag_entry
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import Vocabulary

MARK = np.iinfo(np.uint32).max  # <story> among provisional numbers


class BoundaryFiles(NamedTuple):
    """Files that receive positions among the numbers, int64."""

    splits: IO[bytes]  # after each line end, and at each MARK
    lines: IO[bytes]  # after each line end


@dataclass
class NumberCounts:
    """Summary of what ``write_numbers`` wrote."""

    total: int = 0  # numbers, with a MARK for each document, and its tag
    documents: int = 0
    tagged: int = 0  # documents with a tag
    tags: list[int] = field(default_factory=list)  # of each file, as numbers, with data.tags
    starts: list[int] = field(default_factory=list)  # of each file among the numbers
    removed: int = 0  # control characters
    misread: int = 0  # characters that Windows-1252 leaves when it is read as Latin-1
    misread_word: str = ""  # the first word with one
    gutenberg: bool = False  # whether marks of Project Gutenberg stand in the text
    endoftext: int = 0  # how often the usual marker of documents does

    @property
    def tokens(self) -> int:
        """Numbers that stand for a part of the text."""
        return self.total - self.documents - self.tagged

    def tag_at(self, position: int) -> int | None:
        """The tag of the file to which a position belongs, if there are tags."""
        return self.tags[bisect_left(self.starts, position) - 1] if self.tags else None

    def add(self, block: str) -> None:
        """Count what a block has, before it is normalized."""
        self.removed += count_control(block)
        count, word = find_misread(block)
        self.misread += count
        self.misread_word = self.misread_word or word
        self.gutenberg = self.gutenberg or has_gutenberg_mark(block)
        self.endoftext += block.count(ENDOFTEXT)


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
    data: DataConfig,
    counter: ByteCounter,
    boundaries: BoundaryFiles | None = None,
    tags: Sequence[str] = (),
) -> NumberCounts:
    """Tokenize files to provisional numbers, uint32, with ``MARK`` before each document.

    With ``tags`` the tag of its file follows each ``MARK``.

    Args:
        file: receives the numbers.
        data: how the files are read.
        counter: counts the bytes read.
        boundaries: receive the positions at which the text can be split.
        tags: of the files; none without ``data.tags``.
    """
    counts = NumberCounts()
    splits_at_lines = data.documents == "file"
    counts.tags += [tokenizer.number_of(tag_entry(tag)) for tag in tags]
    for number, path in enumerate(paths):
        opening = np.array([MARK, *counts.tags[number : number + 1]], dtype=np.uint32)
        counts.starts.append(counts.total)
        for piece in read_pieces(path, data, counts, counter):
            lines = np.zeros(piece.lines, dtype=np.int64)  # dropped, but counted
            if piece.begins:
                file.write(opening.tobytes())
                if boundaries is not None:
                    boundaries.splits.write(np.array([counts.total], dtype=np.int64).tobytes())
                counts.total += len(opening)
                counts.documents += 1
                counts.tagged += len(opening) - 1
                tokenizer.restart()
            numbers = tokenizer.encode(piece.text)
            file.write(numbers.astype(np.uint32).tobytes())
            if boundaries is not None:
                ends = line_ends(tokenizer, piece.text, numbers)
                positions = (np.concatenate([lines, ends]) + counts.total).astype(np.int64)
                boundaries.lines.write(positions.tobytes())
                if splits_at_lines:
                    boundaries.splits.write(positions.tobytes())
            counts.total += len(numbers)
    return counts


def read_pieces(
    path: Path, data: DataConfig, counts: NumberCounts, counter: ByteCounter
) -> Iterator[Piece]:
    """The documents of a file, normalized, in pieces of bounded size."""

    def normalized(*, count: bool) -> Iterator[str]:
        for block in read_blocks(path, encoding=data.encoding):
            if count:
                counts.add(block)
                counter.add(len(block.encode()))
            yield normalize(block, lowercase=data.lowercase)

    rule = normalize(data.documents, lowercase=data.lowercase)
    if not data.strip_gutenberg:
        yield from split_documents(normalized(count=True), rule)
        return
    lines = 0
    for body in find_bodies(normalized(count=True)):
        dropped = body.lines - lines
        for piece in split_documents(cut_body(normalized(count=False), body), rule):
            shifted = piece._replace(lines=piece.lines + dropped)
            lines, dropped = lines + shifted.lines + shifted.text.count("\n"), 0
            yield shifted


def line_ends(tokenizer: Tokenizer, text: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The position after each line end of a piece among its numbers."""
    if tokenizer.kind != "whitespace":
        return tokenizer.line_ends(numbers)
    return np.cumsum([len(line.split()) for line in text.split("\n")])[:-1]


class IdTable:
    """Maps provisional numbers to ids; ``sizes`` are those of the last part, as in ``Part``."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        forms = tokenizer.forms()
        self.table = np.array([vocabulary.lookup(form) for form in forms], dtype=np.uint32)
        self.lengths, self.unknown_id = tokenizer.lengths(), vocabulary.unknown_id
        self.tags = np.array([is_tag(form) for form in forms], dtype=bool)
        self.sizes: dict[str, int] = {}

    def convert(
        self, chunks: Iterable[NDArray[np.uint32]], *, tag: int | None = None
    ) -> Iterator[Ids]:
        """The ids of one part of the text, ``<story>`` first.

        Args:
            tag: the number of the tag in whose document the part begins, if it has one.
        """
        self.sizes = dict.fromkeys(("tokens", "unknown", "characters", "unknown_characters"), 0)
        for place, chunk in enumerate(chunks):
            if place == 0 and (not len(chunk) or chunk[0] != MARK):
                tagged = tag is not None and not (len(chunk) and chunk[0] == tag)
                opening = [0, self.table[tag]] if tagged else [0]
                yield np.array(opening, dtype=np.uint32)  # a part that begins inside a file
            is_story = chunk == MARK
            numbers = np.where(is_story, 0, chunk)
            ids = np.where(is_story, 0, self.table[numbers])
            is_text = ~is_story & ~self.tags[numbers]
            unknown = is_text & (ids == self.unknown_id)
            self.sizes["tokens"] += int(is_text.sum())
            self.sizes["unknown"] += int(unknown.sum())
            self.sizes["characters"] += int(self.lengths[numbers[is_text]].sum())
            self.sizes["unknown_characters"] += int(self.lengths[numbers[unknown]].sum())
            yield ids.astype(np.uint32)
