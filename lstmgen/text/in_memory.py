"""Texts that are encoded in memory, with an existing vocabulary or none."""

import io
from typing import Any

import numpy as np

from lstmgen.config.schema import DataConfig
from lstmgen.errors import DataError
from lstmgen.text.corpus import Part
from lstmgen.text.finding import find_files
from lstmgen.text.numbering import MARK, ByteCounter, IdTable, write_numbers
from lstmgen.text.tags import file_tags
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import STORY, Vocabulary


def encode_files(
    sources: str | list[str], vocabulary: Vocabulary, *, data: DataConfig, key: str
) -> Part:
    """Encode a text in memory with an existing vocabulary (for ``evaluate --text``)."""
    paths = find_files(sources, key=key).files
    tokenizer, file = Tokenizer(data.tokenizer), io.BytesIO()
    tags = file_tags(paths, known=vocabulary.tags) if data.tags else []
    written = write_numbers(
        paths, tokenizer, file, data=data, counter=ByteCounter(None, 0), tags=tags
    )
    if not written.tokens:
        raise DataError(f"{key}: the text is empty")
    numbers = np.frombuffer(file.getbuffer(), dtype=np.uint32)
    table = IdTable(tokenizer, vocabulary)
    ids = np.concatenate(list(table.convert([numbers])))
    return Part(ids=ids, **table.sizes)


def read_last_forms(
    sources: str | list[str], tokens: int, *, data: DataConfig, key: str
) -> list[str]:
    """The forms of the last tokens of a text, ``<story>`` where a document begins."""
    paths = find_files(sources, key=key).files
    tokenizer, last = Tokenizer(data.tokenizer), _LastBytes(4 * tokens)
    write_numbers(paths, tokenizer, last, data=data, counter=ByteCounter(None, 0))
    forms = tokenizer.forms()
    numbers = np.frombuffer(last.last(), dtype=np.uint32)
    return [STORY if number == MARK else forms[number] for number in numbers.tolist()]


class _LastBytes(io.BytesIO):
    """A file that keeps the last bytes written, at most twice as many as asked for."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def write(self, data: Any) -> int:
        written = super().write(data)
        if self.tell() > 2 * self.size:
            last = self.last()
            self.seek(0)
            self.truncate()
            super().write(last)
        return written

    def last(self) -> bytes:
        """The bytes asked for."""
        return self.getvalue()[-self.size :]
