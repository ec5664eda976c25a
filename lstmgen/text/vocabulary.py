"""The vocabulary: which forms have an id, and what becomes of the others.

Id 0 is ``<story>``, which opens the text and each file and is never printed.
Where training itself meets words that have no entry (``data.min_count``,
``data.vocabulary_size`` or a vocabulary file left them out), id 1 is ``<unk>``,
a word like any other. Where it does not, there is nothing to learn about
unknown words: one met later is read as ``unknown_id == len(vocabulary)``, which
the models take for the mean of the words seen once, and never predict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.errors import CheckpointError, DataError, printable
from lstmgen.text.contractions import is_possessive
from lstmgen.text.reading import check_readable, count_control, encodable, read_blocks
from lstmgen.text.spacing import in_one_spelling, split_form

STORY = "<story>"
UNKNOWN = "<unk>"


@dataclass(frozen=True)
class Vocabulary:
    """The entries in the order of their ids, and how often training has each.

    Attributes:
        possessive_stems: ids of the words that training has before a possessive 's; None where
            that is not known (checkpoints of lstmgen 0.1).
    """

    entries: tuple[str, ...]
    counts: tuple[int, ...]
    possessive_stems: tuple[int, ...] | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def ids(self) -> dict[str, int]:
        """From entry to id."""
        return {entry: i for i, entry in enumerate(self.entries)}

    @cached_property
    def spellings(self) -> dict[str, int]:
        """From an entry in the simplest typography to the first id that is written so."""
        found: dict[str, int] = {}
        for i, entry in enumerate(self.entries):
            if i not in self.specials:
                found.setdefault(in_one_spelling(entry), i)
        return found

    @property
    def models_unknown(self) -> bool:
        """Whether ``<unk>`` is a word of the model."""
        return len(self.entries) > 1 and self.entries[1] == UNKNOWN

    @property
    def unknown_id(self) -> int:
        """The id under which an unknown word is read."""
        return 1 if self.models_unknown else len(self.entries)

    @property
    def specials(self) -> tuple[int, ...]:
        """Ids that stand for no text and are never printed."""
        return (0, 1) if self.models_unknown else (0,)

    @cached_property
    def seen_once(self) -> tuple[int, ...]:
        """Ids of the words that training has once; of all words where there is none."""
        rare = [i for i, count in enumerate(self.counts) if count == 1 and i not in self.specials]
        return tuple(rare or [i for i in range(len(self)) if i not in self.specials] or [0])

    def lookup(self, form: str) -> int:
        """The id of a form; ``unknown_id`` where it has none."""
        return self.ids.get(form, self.unknown_id)

    def as_json(self) -> dict[str, Any]:
        """What ``from_json`` reads."""
        found: dict[str, Any] = {"entries": list(self.entries), "counts": list(self.counts)}
        if self.possessive_stems is not None:
            found["possessive_stems"] = list(self.possessive_stems)
        return found


def from_json(data: Any, *, source: str) -> Vocabulary:
    """Read a vocabulary that may come from a stranger.

    Raises:
        CheckpointError: where it is not one.
    """

    def refuse(why: str) -> CheckpointError:
        return CheckpointError(f"{source}: the vocabulary {why}")

    if not isinstance(data, dict) or set(data) - {"possessive_stems"} != {"entries", "counts"}:
        raise refuse("must hold entries and counts")
    entries, counts, stems = data["entries"], data["counts"], data.get("possessive_stems")
    if not isinstance(entries, list) or not isinstance(counts, list) or len(entries) != len(counts):
        raise refuse("must hold two lists of one length")
    if not all(isinstance(e, str) and e for e in entries) or len(set(entries)) != len(entries):
        raise refuse("must hold different, non-empty words")
    if not all(type(c) is int and 0 <= c < 2**48 for c in counts) or not any(counts):
        raise refuse("must count in whole numbers, not all of them 0")
    if entries[:1] != [STORY]:
        raise refuse(f"must begin with {STORY}")
    if not all(map(encodable, entries)):
        raise refuse("holds what is not Unicode")
    if any(count_control(e) for e in entries):
        raise refuse("holds control characters")
    if stems is not None:
        if not isinstance(stems, list) or not all(
            type(i) is int and 0 <= i < len(entries) for i in stems
        ):
            raise refuse("must list its possessive stems by id")
        stems = tuple(stems)
    return Vocabulary(tuple(entries), tuple(counts), stems)


def with_stems(vocabulary: Vocabulary, ids: NDArray[np.uint32]) -> Vocabulary:
    """A vocabulary that knows which words stand before a possessive 's in a training text.

    Args:
        ids: of the training text.
    """
    marks = [i for i, entry in enumerate(vocabulary.entries) if is_possessive(split_form(entry)[0])]
    before = np.unique(ids[:-1][np.isin(ids[1:], marks)]) if marks else ids[:0]
    return replace(
        vocabulary, possessive_stems=tuple(int(i) for i in before if i not in vocabulary.specials)
    )


def build_vocabulary(
    counts: Mapping[str, int], *, min_count: int = 1, vocabulary_size: int | None = None
) -> Vocabulary:
    """The vocabulary of a training text, the commonest words first.

    Args:
        counts: how often each form stands in the training text, ``<story>`` among them.
        min_count: forms seen less often are left out.
        vocabulary_size: at most so many entries, the special ones included.
    """
    words = {form: n for form, n in counts.items() if form not in (STORY, UNKNOWN) and n > 0}
    ranked = sorted(words, key=lambda form: (-words[form], form))
    kept = [form for form in ranked if words[form] >= min_count]
    unknown = counts.get(UNKNOWN, 0) + sum(words[form] for form in ranked[len(kept) :])
    if vocabulary_size is not None:
        room = vocabulary_size - 1
        if unknown or len(kept) > room:
            room -= 1
            unknown += sum(words[form] for form in kept[room:])
            kept = kept[:room]
    return _assemble(kept, words, story=counts.get(STORY, 0), unknown=unknown)


def listed_vocabulary(forms: Sequence[str], counts: Mapping[str, int]) -> Vocabulary:
    """The vocabulary that a file lists, with the counts of the training text.

    ``<unk>`` is an entry where the list has it or the text needs it.
    """
    kept = [form for form in dict.fromkeys(forms) if form not in (STORY, UNKNOWN)]
    known = set(kept) | {STORY}
    unknown = sum(n for form, n in counts.items() if form not in known)
    words = {form: counts.get(form, 0) for form in kept}
    always = UNKNOWN in forms
    return _assemble(kept, words, story=counts.get(STORY, 0), unknown=unknown, always=always)


def _assemble(
    kept: Sequence[str], words: Mapping[str, int], *, story: int, unknown: int, always: bool = False
) -> Vocabulary:
    entries, counts = [STORY], [story]
    if unknown or always:
        entries.append(UNKNOWN)
        counts.append(unknown)
    return Vocabulary((*entries, *kept), (*counts, *(words[form] for form in kept)))


def read_list(path: Path) -> list[str]:
    """The entries of a vocabulary file, one a line; ``\\n`` and ``\\t`` stand for themselves.

    Raises:
        DataError: where the file lists nothing.
    """
    check_readable(path, key="data.vocabulary")
    lines = "".join(read_blocks(path)).split("\n")
    forms = [line.replace("\\n", "\n").replace("\\t", "\t") for line in lines if line]
    if not forms:
        raise DataError(f"data.vocabulary = {printable(path)}: lists no word")
    return forms
