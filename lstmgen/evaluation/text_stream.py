"""The text to evaluate as a stream of tokens with their lines, in bounded memory.

``scored_text.find_part`` gives the same ids at once.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstmgen.errors import CheckpointError, DataError
from lstmgen.evaluation.scored_text import (
    NAME_A_TEXT,
    NAMES,
    Split,
    find_corpus,
    find_test,
    run_data,
    split_part,
)
from lstmgen.generation.load import LoadedCheckpoint
from lstmgen.text.corpus import Part
from lstmgen.text.finding import find_files, short_names
from lstmgen.text.standard_input import save_stdin
from lstmgen.text.tags import file_tags
from lstmgen.text.token_stream import (
    LineCounts,
    Tokens,
    cut_stream,
    join_tokens,
    read_tokens,
    special_token,
)
from lstmgen.text.vocabulary import STORY, Vocabulary


@dataclass(frozen=True)
class TextStream:
    """A text to score.

    Attributes:
        name: of the text.
        files: the names of its files.
        tokens: ``<story>`` first, which is not scored.
        counts: the lines of each file that has been read to its end.
        inside: whether the text begins inside its first file.
    """

    name: str
    files: tuple[str, ...]
    tokens: Iterator[Tokens]
    counts: LineCounts
    inside: bool = False


@contextmanager
def open_text(loaded: LoadedCheckpoint, *, text: str | None, split: Split) -> Iterator[TextStream]:
    """Open the text that ``scored_text.find_part`` encodes; arguments and errors as there."""
    if text == "-":
        with tempfile.TemporaryDirectory() as folder:
            path = str(save_stdin(Path(folder)))
            stream = _open_files(path, loaded, key="--text", name="standard input")
            yield TextStream(stream.name, ("-",), stream.tokens, stream.counts)
    elif text is not None:
        yield _open_files(text, loaded, key="--text", name=text)
    elif split == "test":
        yield _open_files(find_test(loaded), loaded, key="data.test", name=NAMES[split])
    else:
        yield _open_split(loaded, split)


def _open_files(
    sources: str | list[str], loaded: LoadedCheckpoint, *, key: str, name: str
) -> TextStream:
    data, vocabulary, counts = loaded.config.data, loaded.vocabulary, LineCounts()
    paths = find_files(sources, key=key).files
    tags = file_tags(paths, known=vocabulary.tags) if data.tags else []
    tokens = read_tokens(paths, vocabulary, data=data, counts=counts, tags=tags)
    files = tuple(map(str, paths))
    return TextStream(name, files, _check_text(tokens, vocabulary, key=key), counts)


def _open_split(loaded: LoadedCheckpoint, split: Split) -> TextStream:
    """The part of a run's own text for training or validation."""
    corpus, data, counts = find_corpus(loaded), run_data(loaded), LineCounts()
    part = split_part(corpus, split)
    paths = find_files(data.train or "", key="data.train").files
    tags = file_tags(paths) if data.tags else []
    skip = 0
    if split == "valid" and data.valid is not None:
        paths = find_files(data.valid, key="data.valid").files
        tags = file_tags(paths, known=tags) if data.tags else []
    elif split == "valid":
        skip = len(corpus.train.ids)
    read = read_tokens(paths, loaded.vocabulary, data=data, counts=counts, tags=tags)
    tokens = cut_stream(read, skip=skip, limit=len(part.ids))
    if skip:
        tokens = _open_inside(tokens, part, loaded.vocabulary)
    files, compared = tuple(short_names(paths)), _compare(tokens, part)
    return TextStream(NAMES[split], files, compared, counts, inside=skip > 0)


def _check_text(tokens: Iterator[Tokens], vocabulary: Vocabulary, *, key: str) -> Iterator[Tokens]:
    """Raise a DataError if a text has ended without a token."""
    openings, empty = [vocabulary.ids[STORY], *vocabulary.tags.values()], True
    for part in tokens:
        empty = empty and bool(np.isin(part.ids, openings).all())
        yield part
    if empty:
        raise DataError(f"{key}: the text is empty")


def _open_inside(tokens: Iterator[Tokens], part: Part, vocabulary: Vocabulary) -> Iterator[Tokens]:
    """Add ``<story>``, and the tag if there is one, before a part that begins inside a file."""
    for number, found in enumerate(tokens):
        if number == 0 and found.ids[0] != vocabulary.ids[STORY]:
            place = (int(found.files[0]), int(found.lines[0]))
            second, tags = int(part.ids[1]), vocabulary.tags.values()
            opening = [0, second] if second in tags and found.ids[0] != second else [0]
            entries = [vocabulary.entries[i] for i in opening]
            added = [special_token(vocabulary, entry, place) for entry in entries]
            yield join_tokens([*added, found])
        else:
            yield found


def _compare(tokens: Iterator[Tokens], part: Part) -> Iterator[Tokens]:
    """Check that a stream has the ids of a prepared part."""
    place = 0
    for found in tokens:
        found = found.cut(0, max(0, len(part.ids) - place))
        if not (part.ids[place : place + len(found)] == found.ids).all():
            break
        place += len(found)
        yield found
    if place != len(part.ids):
        raise CheckpointError(f"the run's text was changed while it was read. {NAME_A_TEXT}")
