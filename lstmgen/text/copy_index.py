"""Which word sequences occur in the training text, and where.

A word here is a token that contains a letter or a digit, as it is written (case matters).
Punctuation and line ends between words are skipped; the start of a file breaks a sequence.
``order`` lists the positions of each word, so a sequence is found from its rarest word.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import Vocabulary

MAX_TOKENS = 5_000_000  # longer texts get no index
BREAK = 0  # separates files; also the word of entries that are not words
HISTORY = 2000  # last words of a text that are searched for a longer copied sequence

_NON_WORD_EDGES = re.compile(r"^[\W_]+|[\W_]+$")

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Location:
    """A place in the training files."""

    file: str
    line: int  # of the sequence's first word, counted from 1


@dataclass(frozen=True)
class CopyIndex:
    """The words of a training text, and their positions."""

    words: NDArray[np.uint32]  # (words,) one id per spelling; BREAK between files
    order: NDArray[np.uint32]  # positions in words, grouped by word id, ascending in each group
    offsets: NDArray[np.int64]  # (vocabulary + 1,) start of each word's group in order
    canonical: NDArray[np.uint32]  # (vocabulary,) word id of each entry, or BREAK
    line_starts: NDArray[np.uint32]  # for each line end of each file, the number of words before
    file_starts: NDArray[np.int64]  # start of each file in words
    file_lines: NDArray[np.int64]  # start of each file in line_starts
    names: tuple[str, ...]  # of the files

    @cached_property
    def forms(self) -> dict[int, tuple[int, ...]]:
        """The vocabulary entries of each word."""
        forms: dict[int, list[int]] = {}
        for entry, word in enumerate(self.canonical.tolist()):
            if word != BREAK:
                forms.setdefault(word, []).append(entry)
        return {word: tuple(entries) for word, entries in forms.items()}

    def places(self, run: Sequence[int]) -> Positions:
        """Positions of the last word of each occurrence of a sequence, ascending.

        Args:
            run: word ids (not entries), at least one.
        """
        counts = [int(self.offsets[word + 1] - self.offsets[word]) for word in run]
        rarest = int(np.argmin(counts))
        begin = int(self.offsets[run[rarest]])
        starts = self.order[begin : begin + counts[rarest]].astype(np.int64) - rarest
        starts = starts[(starts >= 0) & (starts + len(run) <= len(self.words))]
        for distance, word in enumerate(run):
            if distance != rarest:
                starts = starts[self.words[starts + distance] == word]
        return starts + len(run) - 1

    def locate(self, position: int) -> Location:
        """The file and line of a position in ``words``."""
        file = int(np.searchsorted(self.file_starts, position, side="right")) - 1
        bounds = [*self.file_lines.tolist(), len(self.line_starts)]
        lines = self.line_starts[bounds[file] : bounds[file + 1]]
        return Location(self.names[file], 1 + int(np.searchsorted(lines, position, side="right")))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The index as arrays that can be saved."""
        names = np.frombuffer(json.dumps(self.names).encode(), dtype=np.uint8)
        return {part.name: getattr(self, part.name) for part in fields(self)} | {"names": names}


def from_arrays(arrays: Mapping[str, NDArray[Any]], *, entries: int) -> CopyIndex:
    """Rebuild an index from untrusted arrays, checked so that no search leaves their bounds.

    Raises:
        ValueError: the arrays are not an index of a vocabulary with ``entries`` entries.
    """
    dtypes = dict.fromkeys(("words", "order", "canonical", "line_starts"), "u4")
    dtypes |= dict.fromkeys(("offsets", "file_starts", "file_lines"), "i8") | {"names": "u1"}
    if set(arrays) != set(dtypes):
        raise ValueError("other arrays than an index has")
    if any(a.dtype != np.dtype(dtypes[name]) or a.ndim != 1 for name, a in arrays.items()):
        raise ValueError("an array of another type")
    parts: dict[str, Any] = dict(arrays)
    try:
        names = json.loads(parts.pop("names").tobytes())
    except RecursionError:
        raise ValueError("names nested too deeply") from None
    if not isinstance(names, list):
        raise ValueError("names are not a list")
    index = CopyIndex(**parts, names=tuple(names))
    size, offsets = len(index.words), index.offsets
    valid = (
        size > 0
        and len(index.order) == size
        and int(index.order.max()) < size
        and len(offsets) == entries + 1
        and int(offsets[0]) == 0
        and int(offsets[-1]) == size
        and bool((np.diff(offsets) >= 0).all())
        and len(index.canonical) == entries
        and int(index.canonical.max()) < entries
        and int(index.words.max()) < entries
        and all(isinstance(name, str) for name in names)
        and len(names) == len(index.file_starts) == len(index.file_lines) > 0
        and int(index.file_starts[0]) == int(index.file_lines[0]) == 0
        and bool((np.diff(index.file_starts) >= 0).all())
        and bool((np.diff(index.file_lines) >= 0).all())
        and int(index.file_lines[-1]) <= len(index.line_starts)
        and bool((index.line_starts[1:] >= index.line_starts[:-1]).all())
        and bool((index.line_starts <= size).all())
    )
    if not valid:
        raise ValueError("the arrays do not describe a text")
    return index


def build_copy_index(
    ids: NDArray[np.uint32],
    line_ends: NDArray[np.int64],
    vocabulary: Vocabulary,
    *,
    kind: Kind,
    file_starts: Sequence[int],
    names: Sequence[str],
) -> CopyIndex:
    """Index a training text.

    Args:
        ids: token ids; ``<story>`` and ``<unk>`` break a sequence.
        line_ends: for each line end, the number of tokens up to and including it.
        file_starts: start of each file in ``ids``.
        names: of the files, in order.
    """
    canonical = np.zeros(len(vocabulary), dtype=np.uint32)  # the first entry of each spelling
    first: dict[str, int] = {}
    for entry, form in enumerate(vocabulary.entries):
        word = bare_word(form, kind)
        if entry not in vocabulary.specials and word:
            canonical[entry] = first.setdefault(word, entry)
    counted = canonical != BREAK
    counted[list(vocabulary.specials)] = True
    mask = counted[ids]
    words = canonical[ids[mask]]
    before = np.concatenate([[0], np.cumsum(mask)])  # words before each token
    starts = np.array(file_starts, dtype=np.int64)
    sizes = np.bincount(words, minlength=len(vocabulary))
    return CopyIndex(
        words=words.astype(np.uint32),
        order=np.argsort(words, kind="stable").astype(np.uint32),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        canonical=canonical,
        line_starts=before[np.minimum(line_ends, len(ids))].astype(np.uint32),
        file_starts=before[starts].astype(np.int64),
        file_lines=np.searchsorted(line_ends, starts, side="right").astype(np.int64),
        names=tuple(names[: len(starts)]),
    )


def bare_word(form: str, kind: Kind) -> str:
    """The word in a vocabulary entry without the marks around it; empty if there is no word.

    Tokens of ``whitespace`` have punctuation attached.
    """
    if kind == "whitespace":
        return _NON_WORD_EDGES.sub("", form)
    surface = surface_of(form, kind)
    return surface if any(map(str.isalnum, surface)) else ""


@dataclass
class RunMeter:
    """Follows a text word by word and measures the copied sequence that it is in."""

    index: CopyIndex
    words: list[int] = field(default_factory=list)  # the last words of the text
    run: int = 0  # length of the longest suffix of words that occurs in the training text
    # Positions of the suffix's last word.
    ends: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def add(self, entry: int) -> bool:
        """Add a token by its entry; return whether it is a word of the training text."""
        word = int(self.index.canonical[entry])
        if word == BREAK:
            return False
        self.words.append(word)
        if len(self.words) > 2 * HISTORY:
            del self.words[:-HISTORY]
        after = self.ends + 1
        after = after[after < len(self.index.words)]
        after = after[self.index.words[after] == word]
        if self.run and len(after):
            self.run, self.ends = self.run + 1, after
        else:
            self.run, self.ends = self._search()
        return True

    def break_run(self) -> None:
        """Reset, as after a word that the training text cannot contain."""
        self.words, self.run = [], 0
        self.ends = np.zeros(0, dtype=np.int64)

    def would_exceed(self, limit: int) -> set[int]:
        """The entries that would make the copied sequence longer than ``limit`` tokens."""
        if self.run < limit:
            return set()
        if limit:
            end = int(self.ends[0])
            ends = self.index.places(self.index.words[end - limit + 1 : end + 1].tolist())
            following = self.index.words[ends[ends + 1 < len(self.index.words)] + 1]
        else:  # no word of the training text at all
            following = self.index.words
        words = np.unique(following).tolist()
        return {entry for word in words for entry in self.index.forms.get(word, ())}

    def location(self) -> Location | None:
        """Where the copied sequence first occurs; None outside of one."""
        return self.index.locate(int(self.ends[0]) - self.run + 1) if self.run else None

    def _search(self) -> tuple[int, Positions]:
        """The longest sequence that ends with the last word, extended backwards."""
        words = self.index.words
        ends = self.index.places(self.words[-1:])
        run = 1 if len(ends) else 0
        while run and run < len(self.words):
            longer = ends[ends >= run]
            longer = longer[words[longer - run] == self.words[-1 - run]]
            if not len(longer):
                break
            run, ends = run + 1, longer
        return run, ends
