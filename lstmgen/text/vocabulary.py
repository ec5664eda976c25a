"""The vocabulary: which forms have an id, and how other forms are read.

Id 0 is ``<story>``, which starts the text and each file and is never printed. If the training
text contains out-of-vocabulary words (because of ``data.min_count``, ``data.vocabulary_size`` or
a vocabulary file), id 1 is ``<unk>``, a word like any other. Otherwise nothing can be learned
about unknown words: they are read as ``unknown_id == len(vocabulary)``, which the models embed as
the mean of the words seen once, and never predict.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.errors import CheckpointError, DataError, encodable, printable
from lstmgen.text.apostrophes import is_possessive
from lstmgen.text.finding import check_readable
from lstmgen.text.reading import read_blocks, remove_control
from lstmgen.text.spacing import simplify_spelling, split_form
from lstmgen.text.style import TextStyle
from lstmgen.text.tags import is_tag, tag_name

STORY = "<story>"
UNKNOWN = "<unk>"
MIN_LISTED = 0.05  # of a text's words that a vocabulary file must have
OPTIONAL = {"possessive_stems", "style"}  # keys of its JSON form


@dataclass(frozen=True)
class Vocabulary:
    """The entries in the order of their ids, and their training counts."""

    entries: tuple[str, ...]
    counts: tuple[int, ...]
    # Ids of the words that precede a possessive 's; None if unknown (checkpoints of lstmgen 0.1).
    possessive_stems: tuple[int, ...] | None = field(default=None, compare=False)
    style: TextStyle | None = field(default=None, compare=False)  # of the text; None if unknown

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def ids(self) -> dict[str, int]:
        """From entry to id."""
        return {entry: i for i, entry in enumerate(self.entries)}

    @cached_property
    def spellings(self) -> dict[str, int]:
        """From an entry in the simplest typography to the first such id."""
        ids: dict[str, int] = {}
        for i, entry in enumerate(self.entries):
            if i not in self.specials:
                ids.setdefault(simplify_spelling(entry), i)
        return ids

    @property
    def models_unknown(self) -> bool:
        """Whether ``<unk>`` has an id."""
        return len(self.entries) > 1 and self.entries[1] == UNKNOWN

    @property
    def unknown_id(self) -> int:
        """The id of unknown words."""
        return 1 if self.models_unknown else len(self.entries)

    @cached_property
    def tags(self) -> dict[str, int]:
        """From the name of a tag to its id; empty without ``data.tags``."""
        names = enumerate(map(tag_name, self.entries))
        return {name: i for i, name in names if name is not None}

    @cached_property
    def specials(self) -> tuple[int, ...]:
        """Ids that are never printed: of ``<story>``, ``<unk>`` and the tags."""
        return ((0, 1) if self.models_unknown else (0,)) + tuple(self.tags.values())

    @cached_property
    def seen_once(self) -> tuple[int, ...]:
        """Ids of the words with a training count of 1; of all words if there are none."""
        rare = [i for i, count in enumerate(self.counts) if count == 1 and i not in self.specials]
        return tuple(rare or [i for i in range(len(self)) if i not in self.specials] or [0])

    def lookup(self, form: str) -> int:
        """The id of a form, else ``unknown_id``."""
        return self.ids.get(form, self.unknown_id)

    def as_json(self) -> dict[str, Any]:
        """A value that ``from_json`` reads."""
        value: dict[str, Any] = {"entries": list(self.entries), "counts": list(self.counts)}
        if self.possessive_stems is not None:
            value["possessive_stems"] = list(self.possessive_stems)
        if self.style is not None:
            value["style"] = self.style.as_json()
        return value


def from_json(data: Any, *, source: str) -> Vocabulary:
    """Read a vocabulary from untrusted JSON.

    Raises:
        CheckpointError: the value is not a valid vocabulary.
    """

    def error(problem: str) -> CheckpointError:
        return CheckpointError(f"{source}: the vocabulary {problem}")

    if not isinstance(data, dict) or set(data) - OPTIONAL != {"entries", "counts"}:
        raise error("must hold entries and counts")
    entries, counts, stems = data["entries"], data["counts"], data.get("possessive_stems")
    if not isinstance(entries, list) or not isinstance(counts, list) or len(entries) != len(counts):
        raise error("must hold two lists of one length")
    if not all(isinstance(e, str) and e for e in entries) or len(set(entries)) != len(entries):
        raise error("must hold different, non-empty words")
    if not all(type(c) is int and 0 <= c < 2**48 for c in counts) or not any(counts):
        raise error("must count in integers, not all of them 0")
    if entries[:1] != [STORY]:
        raise error(f"must begin with {STORY}")
    characters = "".join(entries)
    if not encodable(characters):
        raise error("has entries that are not Unicode")
    if remove_control(characters) != characters:
        raise error("holds control characters")
    if stems is not None:
        if not isinstance(stems, list) or not all(
            type(i) is int and 0 <= i < len(entries) for i in stems
        ):
            raise error("must list its possessive stems by id")
        stems = tuple(stems)
    try:
        style = (
            TextStyle.from_json(data["style"], entries=len(entries)) if "style" in data else None
        )
    except ValueError as problem:
        raise error(f"has no style of a text ({problem})") from None
    return Vocabulary(tuple(entries), tuple(counts), stems, style)


def with_stems(vocabulary: Vocabulary, ids: NDArray[np.uint32]) -> Vocabulary:
    """Add the possessive stems, from the ids of the training text."""
    marks = [i for i, entry in enumerate(vocabulary.entries) if is_possessive(split_form(entry)[0])]
    before = np.unique(ids[:-1][np.isin(ids[1:], marks)]) if marks else ids[:0]
    return replace(
        vocabulary, possessive_stems=tuple(int(i) for i in before if i not in vocabulary.specials)
    )


def build_vocabulary(
    counts: Mapping[str, int], *, min_count: int = 1, vocabulary_size: int | None = None
) -> Vocabulary:
    """The vocabulary of a training text, most frequent words first, after the tags.

    Args:
        counts: count of each form in the training text, ``<story>`` included.
        min_count: forms seen less often are left out.
        vocabulary_size: maximum number of entries, special ones included.
    """
    words = {form: n for form, n in counts.items() if form not in (STORY, UNKNOWN) and n > 0}
    ranked = sorted(words, key=lambda form: (not is_tag(form), -words[form], form))
    frequent = [form for form in ranked if words[form] >= min_count or is_tag(form)]
    unknown = counts.get(UNKNOWN, 0) + sum(words[form] for form in ranked[len(frequent) :])
    if vocabulary_size is not None:
        room = vocabulary_size - 1
        if unknown or len(frequent) > room:
            room -= 1
            unknown += sum(words[form] for form in frequent[room:])
            frequent = frequent[:room]
    selected = {form: words[form] for form in frequent}
    return _assemble(selected, story=counts.get(STORY, 0), unknown=unknown)


def listed_vocabulary(forms: Sequence[str], counts: Mapping[str, int]) -> Vocabulary:
    """A vocabulary of the listed forms, with the counts of the training text, and its tags.

    ``<unk>`` becomes an entry if it is listed or the text has other forms.
    """
    words = {form: counts.get(form, 0) for form in forms if form not in (STORY, UNKNOWN)}
    words |= {form: n for form, n in counts.items() if is_tag(form)}
    unknown = sum(n for form, n in counts.items() if form not in words and form != STORY)
    always = UNKNOWN in forms
    return _assemble(words, story=counts.get(STORY, 0), unknown=unknown, always=always)


def _assemble(
    words: Mapping[str, int], *, story: int, unknown: int, always: bool = False
) -> Vocabulary:
    specials = {STORY: story} | ({UNKNOWN: unknown} if unknown or always else {})
    return Vocabulary((*specials, *words), (*specials.values(), *words.values()))


def read_list(path: Path) -> list[str]:
    """The entries of a vocabulary file, one per line, with ``\\n`` and ``\\t`` as escapes.

    Raises:
        DataError: the file is unreadable or has no entries.
    """
    check_readable(path, key="data.vocabulary")
    lines = "".join(read_blocks(path)).split("\n")
    forms = [line.replace("\\n", "\n").replace("\\t", "\t") for line in lines if line]
    if not forms:
        raise DataError(f"data.vocabulary = {printable(path)}: has no words")
    return forms


def check_listed(path: Path, forms: Sequence[str], counts: Mapping[str, int]) -> str:
    """Check that a vocabulary file has words of the training text.

    Args:
        forms: its entries, normalized as the text.
        counts: count of each form in the training text.

    Returns:
        A notice about entries that never occur; empty if all do.

    Raises:
        DataError: if it has almost no word of the text; names the line and the likely reason.
    """
    words = {
        form: n
        for form, n in counts.items()
        if any(map(str.isalnum, form)) and form != STORY and not is_tag(form)
    }
    listed = set(forms)
    covered = sum(n for form, n in words.items() if form in listed)
    if words and covered < MIN_LISTED * sum(words.values()):
        number, line, why = _find_misfit(path, words)
        raise DataError(
            f"data.vocabulary = {printable(path)}: line {number}: {line[:60]!r} {why}; the entries "
            f"are {covered / sum(words.values()):.0%} of the text's words. Write one entry a line "
            "as it stands in the text, and nothing else"
        )
    unused = [form for form in forms if not counts.get(form) and form not in (STORY, UNKNOWN)]
    if not unused:
        return ""
    names = ", ".join(repr(form) for form in unused[:5]) + ", ..." * (len(unused) > 5)
    return (
        f"data.vocabulary = {printable(path)}: {len(unused):,} of {len(forms):,} entries never "
        f"occur in the training text ({names})"
    )


def _find_misfit(path: Path, words: Mapping[str, int]) -> tuple[int, str, str]:
    """The first line of a vocabulary file that is no word of a text, its number, and why."""
    cases = {word.casefold() for word in words}
    lines = list(enumerate("".join(read_blocks(path)).split("\n"), start=1))
    odd = [(n, line) for n, line in lines if line and line not in words]
    number, line = next(((n, s) for n, s in odd if any(map(str.isalnum, s))), odd[0])
    if line.lstrip()[:1] in ("{", "["):
        return number, line, "looks like JSON"
    if line.strip() != line:
        return number, line, "has blanks at its ends"
    if re.search(r"[\s,;:][-+]?\d[\d.e+-]*$", line):
        return number, line, "has a count or a score after the word"
    if line.casefold() in cases:
        return number, line, "stands in the text in another letter case"
    return number, line, "does not occur in the training text"
