"""Which runs of words stand in the training text, and where.

A word here is a token that holds a letter or a digit, as it is written (case
counts). Punctuation and line ends between words do not count and break no run; the
start of a file does. ``order`` lists the places of each word, so that the places
of a run are found from its rarest word.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import Vocabulary

MOST_TOKENS = 5_000_000  # of a text that gets an index
BREAK = 0  # stands between files, and for words without an entry

_AROUND = re.compile(r"^[\W_]+|[\W_]+$")

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Location:
    """Where a run stands."""

    file: str
    line: int  # of its first word, counted from 1


@dataclass(frozen=True)
class CopyIndex:
    """The words of a training text.

    Attributes:
        words: (words,) one id for each way a word is written; ``BREAK`` between files.
        order: places in ``words``, those of word 0 first, then of 1, in reading order.
        offsets: (vocabulary + 1,) where each word's places begin in ``order``.
        canonical: (vocabulary,) the word of each entry; ``BREAK`` for what is none.
        line_starts: for each line end of each file, how many words stand before it.
        file_starts, file_lines: where each file begins in ``words`` and ``line_starts``.
        names: of the files.
    """

    words: NDArray[np.uint32]
    order: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    canonical: NDArray[np.uint32]
    line_starts: NDArray[np.uint32]
    file_starts: NDArray[np.int64]
    file_lines: NDArray[np.int64]
    names: tuple[str, ...]

    @cached_property
    def forms(self) -> dict[int, tuple[int, ...]]:
        """All entries that write a word."""
        forms: dict[int, list[int]] = {}
        for entry, word in enumerate(self.canonical.tolist()):
            if word != BREAK:
                forms.setdefault(word, []).append(entry)
        return {word: tuple(entries) for word, entries in forms.items()}

    def places(self, run: Sequence[int]) -> Places:
        """Where the last word of a run stands, wherever the whole run does, in reading order.

        Args:
            run: words (not entries), one at least.
        """
        counts = [int(self.offsets[word + 1] - self.offsets[word]) for word in run]
        rarest = int(np.argmin(counts))
        begin = int(self.offsets[run[rarest]])
        found = self.order[begin : begin + counts[rarest]].astype(np.int64)
        starts = found - rarest
        starts = starts[(starts >= 0) & (starts + len(run) <= len(self.words))]
        for distance, word in enumerate(run):
            if distance != rarest:
                starts = starts[self.words[starts + distance] == word]
        return starts + len(run) - 1

    def locate(self, place: int) -> Location:
        """The file and line of a place in ``words``."""
        file = int(np.searchsorted(self.file_starts, place, side="right")) - 1
        bounds = [*self.file_lines.tolist(), len(self.line_starts)]
        lines = self.line_starts[bounds[file] : bounds[file + 1]]
        return Location(self.names[file], 1 + int(np.searchsorted(lines, place, side="right")))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays that go to disk."""
        names = np.frombuffer(json.dumps(self.names).encode(), dtype=np.uint8)
        fields = ("words", "order", "offsets", "canonical", "line_starts", "file_starts",
                  "file_lines")  # fmt: skip
        return {name: getattr(self, name) for name in fields} | {"names": names}


def from_arrays(arrays: Mapping[str, NDArray[Any]], *, entries: int) -> CopyIndex:
    """An index from disk, checked so far that no search in it can leave its arrays.

    Raises:
        ValueError: where it is no index of a vocabulary of so many entries.
    """
    kinds = dict.fromkeys(("words", "order", "canonical", "line_starts"), "u4")
    kinds |= dict.fromkeys(("offsets", "file_starts", "file_lines"), "i8") | {"names": "u1"}
    if set(arrays) != set(kinds):
        raise ValueError("other arrays than an index has")
    if any(a.dtype != np.dtype(kinds[name]) or a.ndim != 1 for name, a in arrays.items()):
        raise ValueError("an array of another type")
    parts: dict[str, Any] = dict(arrays)
    try:
        names = json.loads(parts.pop("names").tobytes())
    except RecursionError:
        raise ValueError("names nested too deep") from None
    if not isinstance(names, list):
        raise ValueError("names that are no list")
    index = CopyIndex(**parts, names=tuple(names))
    size, offsets = len(index.words), index.offsets
    sound = (
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
    )
    if not sound:
        raise ValueError("numbers that fit no text")
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
        ids: of its tokens; ``<story>`` breaks runs.
        line_ends: for each line end, how many tokens stand before what follows it.
        file_starts: where each file begins in ``ids``.
        names: of the files, in order.
    """
    canonical = _canonical(vocabulary, kind)
    breaks = np.zeros(len(vocabulary), dtype=bool)
    breaks[list(vocabulary.specials)] = True
    counted = (canonical != BREAK) | breaks
    kept = counted[ids]
    words = canonical[ids[kept]]
    before = np.concatenate([[0], np.cumsum(kept)])  # words before each token
    stories = np.array(file_starts, dtype=np.int64)
    line_starts = before[np.minimum(line_ends, len(ids))]
    order = np.argsort(words, kind="stable")
    sizes = np.bincount(words, minlength=len(vocabulary))
    return CopyIndex(
        words=words.astype(np.uint32),
        order=order.astype(np.uint32),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        canonical=canonical,
        line_starts=line_starts.astype(np.uint32),
        file_starts=before[stories].astype(np.int64),
        file_lines=np.searchsorted(line_ends, stories, side="right").astype(np.int64),
        names=tuple(names[: len(stories)]),
    )


def _canonical(vocabulary: Vocabulary, kind: Kind) -> NDArray[np.uint32]:
    """For each entry the first entry that is written alike, ``BREAK`` for what is no word."""
    first: dict[str, int] = {}
    found = np.zeros(len(vocabulary), dtype=np.uint32)
    for entry, form in enumerate(vocabulary.entries):
        word = bare_word(form, kind)
        if entry not in vocabulary.specials and word:
            found[entry] = first.setdefault(word, entry)
    return found


def bare_word(form: str, kind: Kind) -> str:
    """The word in a vocabulary entry, without what stands around it; empty where there is none.

    A token of ``whitespace`` has its punctuation at its ends.
    """
    if kind == "whitespace":
        return _AROUND.sub("", form)
    surface = surface_of(form, kind)
    return surface if any(map(str.isalnum, surface)) else ""


@dataclass
class RunMeter:
    """Follows a text word by word and knows the run that it is in.

    Attributes:
        words: of the text so far, some thousands of the last ones.
        run: how many of the last words stand together in the training text.
        ends: where they do: the places of the last one.
    """

    index: CopyIndex
    words: list[int] = field(default_factory=list)
    run: int = 0
    ends: Places = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def add(self, entry: int) -> bool:
        """Add one token, by its entry; whether it was a word of the training text."""
        word = int(self.index.canonical[entry])
        if word == BREAK:
            return False
        self.words.append(word)
        if len(self.words) > 2 * REMEMBERED:
            del self.words[:-REMEMBERED]
        after = self.ends + 1
        after = after[after < len(self.index.words)]
        after = after[self.index.words[after] == word]
        if self.run and len(after):
            self.run, self.ends = self.run + 1, after
        else:
            self.run, self.ends = self._search()
        return True

    def break_run(self) -> None:
        """Begin anew, as after a word that the training text cannot have."""
        self.words, self.run = [], 0
        self.ends = np.zeros(0, dtype=np.int64)

    def would_exceed(self, limit: int) -> set[int]:
        """The entries that would make the run longer than ``limit`` words."""
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
        """Where the run stands first; None outside of one."""
        if not self.run:
            return None
        return self.index.locate(int(self.ends[0]) - self.run + 1)

    def _search(self) -> tuple[int, Places]:
        """The longest run that ends with the last word, from the last word backwards."""
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


REMEMBERED = 2000  # words of a text, in which a new run is looked for
