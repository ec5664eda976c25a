"""A text as a stream of tokens with their ids and lines, read in bounded memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import DataConfig
from lstmgen.text.numbering import ByteCounter, NumberCounts, line_ends, read_pieces
from lstmgen.text.spacing import surface_of
from lstmgen.text.tags import tag_entry
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import STORY, Vocabulary


@dataclass(frozen=True)
class Tokens:
    """Consecutive tokens of a text.

    Attributes:
        ids, lines, files: (tokens,) with lines from 1 and files from 0. ``<story>`` is on the line
            of the token before it, which it ends; a tag is on the line after it.
        surfaces: as in the text.
        unknown: (tokens,) whether each is missing from the vocabulary.
    """

    ids: NDArray[np.int64]
    surfaces: list[str]
    unknown: NDArray[np.bool_]
    lines: NDArray[np.int64]
    files: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.surfaces)

    def cut(self, start: int, stop: int | None = None) -> "Tokens":
        """Some of the tokens."""
        part = slice(start, stop)
        return Tokens(
            self.ids[part], self.surfaces[part], self.unknown[part], self.lines[part],
            self.files[part],
        )  # fmt: skip


@dataclass
class LineCounts:
    """The number of lines of each file, by its number, once it has been read to its end."""

    lines: dict[int, int] = field(default_factory=dict)


def join_tokens(parts: Sequence[Tokens]) -> Tokens:
    """Several parts as one; at least one."""
    if len(parts) == 1:
        return parts[0]
    return Tokens(
        ids=np.concatenate([part.ids for part in parts]),
        surfaces=[surface for part in parts for surface in part.surfaces],
        unknown=np.concatenate([part.unknown for part in parts]),
        lines=np.concatenate([part.lines for part in parts]),
        files=np.concatenate([part.files for part in parts]),
    )


def read_tokens(
    paths: Iterable[Path],
    vocabulary: Vocabulary,
    *,
    data: DataConfig,
    counts: LineCounts,
    tags: Sequence[str] = (),
) -> Iterator[Tokens]:
    """The tokens of files, with the ids that ``in_memory.encode_files`` gives them.

    Args:
        data: how the files are read.
        counts: receives the number of lines of each file.
        tags: of the files; none without ``data.tags``.

    Raises:
        DataError: if a file cannot be read.
    """
    table, end = _Table(vocabulary, Tokenizer(data.tokenizer)), (0, 1)
    for file, path in enumerate(paths):
        line, text = 1, ""
        for piece in read_pieces(path, data, NumberCounts(), ByteCounter(None, 0)):
            line += piece.lines
            if piece.begins:
                table.tokenizer.restart()
                yield special_token(vocabulary, STORY, end)
                if tags:
                    end = (file, line)
                    yield special_token(vocabulary, tag_entry(tags[file]), end)
            tokens = table.convert(piece.text, (file, line))
            line, text = line + piece.text.count("\n"), piece.text or text
            if len(tokens):
                end = (file, int(tokens.lines[-1]))
                yield tokens
        counts.lines[file] = line - (not text or text.endswith("\n"))


def token_windows(parts: Iterable[Tokens], size: int) -> Iterator[Tokens]:
    """Cut a stream into windows of ``size`` tokens and the one before them.

    Every token but the first is after the first place of exactly one window.
    """
    waiting: list[Tokens] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        if count <= size:
            continue
        tokens, start = join_tokens(waiting), 0
        while start + size < len(tokens):
            yield tokens.cut(start, start + size + 1)
            start += size
        waiting = [tokens.cut(start)]
        count = len(waiting[0])
    if count > 1:
        yield join_tokens(waiting)


def cut_stream(parts: Iterable[Tokens], *, skip: int, limit: int) -> Iterator[Tokens]:
    """At most ``limit`` tokens after the first ``skip``."""
    place = 0
    for part in parts:
        start, stop = max(0, skip - place), min(len(part), skip + limit - place)
        place += len(part)
        if start < stop:
            yield part.cut(start, stop)
        if place > skip + limit:  # at the very end, the lines of the file are still counted
            return


class _Table:
    """Maps the numbers of a tokenizer to ids and surfaces; it grows with the tokenizer."""

    def __init__(self, vocabulary: Vocabulary, tokenizer: Tokenizer) -> None:
        self.vocabulary, self.tokenizer = vocabulary, tokenizer
        self.ids = np.zeros(0, dtype=np.int64)
        self.surfaces = np.zeros(0, dtype=object)

    def convert(self, text: str, place: tuple[int, int]) -> Tokens:
        """The tokens of a normalized piece that begins at a place, a file and a line."""
        numbers = self.tokenizer.encode(text)
        if len(numbers) and int(numbers.max()) >= len(self.ids):
            self._grow()
        ids, (file, line) = self.ids[numbers], place
        ends = line_ends(self.tokenizer, text, numbers)
        passed = np.searchsorted(ends, np.arange(len(numbers)), side="right")
        return Tokens(
            ids=ids,
            surfaces=self.surfaces[numbers].tolist(),
            unknown=ids == self.vocabulary.unknown_id,
            lines=line + passed.astype(np.int64),
            files=np.full(len(numbers), file, dtype=np.int64),
        )

    def _grow(self) -> None:
        new = self.tokenizer.forms()[len(self.ids) :]
        ids = np.array([self.vocabulary.lookup(form) for form in new], dtype=np.int64)
        self.ids = np.concatenate([self.ids, ids])
        surfaces = np.array([surface_of(form, self.tokenizer.kind) for form in new], dtype=object)
        self.surfaces = np.concatenate([self.surfaces, surfaces])


def special_token(vocabulary: Vocabulary, entry: str, place: tuple[int, int]) -> Tokens:
    """``<story>`` or a tag at a place, a file and a line."""
    file, line = (np.array([number], dtype=np.int64) for number in place)
    return Tokens(
        ids=np.array([vocabulary.lookup(entry)], dtype=np.int64),
        surfaces=[entry],
        unknown=np.zeros(1, dtype=bool),
        lines=line,
        files=file,
    )
