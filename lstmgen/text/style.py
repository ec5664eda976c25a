"""Habits of a text that generation follows, learned from the tokens of its training part."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.apostrophes import APOSTROPHES
from lstmgen.text.marks import DOUBLE, FAMILY_OF, OPENERS, QUOTES, SINGLE, is_balanced
from lstmgen.text.sentences import CLOSING_MARKS, SENTENCE_ENDS
from lstmgen.text.spacing import CLOSE, OPEN, Spacing, classify, place_token, split_form

MAX_TOKENS = 2_000_000  # of the text that are read
MIN_BALANCED = 2 / 3  # of the paragraphs with a family of marks, from which it is balanced
MAX_PARAGRAPHS = 3_000  # with single quotation marks or apostrophes, that are read
MAX_LINES = 0.6  # of the lines end with a sentence, up to which a text counts as wrapped
MIN_ABBREVIATION = 3  # times that a word is seen before a period
SURE_STARTS = ("!", "?", "\n", "\n\n", "“")  # tokens after which a sentence begins
MAX_STARTS = 0.1  # fraction of a name's occurrences that are after these
ALWAYS = 0.8  # fraction of its occurrences that are before a period, and of names after that
OPTIONAL = ("apostrophe_stems", "quotation_starts")  # keys of the JSON form


@dataclass(frozen=True)
class TextStyle:
    """Habits of a text.

    Attributes:
        wrapped: whether lines are wrapped by hand, so that a blank line ends a paragraph.
        cased: whether a sentence begins with a capital letter.
        openers: the opening mark of each family that is closed in its paragraph.
        abbreviations: ids of the words after which a period ends no sentence.
        apostrophe_stems: ids of the tokens that an apostrophe follows where no quotation is open,
            as in horses'; None allows any.
        quotation_starts: ids of the tokens that begin a quotation in straight double quotation
            marks, which look the same at both ends; None allows any.
    """

    wrapped: bool = False
    cased: bool = True
    openers: Mapping[str, str] = field(default_factory=lambda: OPENERS)
    abbreviations: tuple[int, ...] = ()
    apostrophe_stems: tuple[int, ...] | None = None
    quotation_starts: tuple[int, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """A value that ``from_json`` reads."""
        stems, starts = self.apostrophe_stems, self.quotation_starts
        return {
            "wrapped": self.wrapped,
            "cased": self.cased,
            "openers": dict(self.openers),
            "abbreviations": list(self.abbreviations),
            "apostrophe_stems": None if stems is None else list(stems),
            "quotation_starts": None if starts is None else list(starts),
        }

    @classmethod
    def from_json(cls, data: Any, *, entries: int) -> "TextStyle":
        """Read a style from untrusted JSON; a ValueError if it is not one."""
        keys = {"wrapped", "cased", "openers", "abbreviations"}
        if not isinstance(data, dict) or set(data) - set(OPTIONAL) != keys:
            raise ValueError("a style has other keys")
        openers, optional = data["openers"], [data.get(name) for name in OPTIONAL]
        valid = (
            isinstance(data["wrapped"], bool)
            and isinstance(data["cased"], bool)
            and isinstance(openers, dict)
            and all(isinstance(m, str) and FAMILY_OF.get(m) == f for f, m in openers.items())
            and _are_ids(data["abbreviations"], entries)
            and all(value is None or _are_ids(value, entries) for value in optional)
        )
        if not valid:
            raise ValueError("a style's value has another type")
        words = tuple(data["abbreviations"])
        stems, starts = (None if value is None else tuple(value) for value in optional)
        return cls(data["wrapped"], data["cased"], openers, words, stems, starts)


def _are_ids(value: Any, entries: int) -> bool:
    return isinstance(value, list) and all(type(i) is int and 0 <= i < entries for i in value)


def learn_style(entries: Sequence[str], ids: NDArray[np.uint32]) -> TextStyle:
    """Learn the style of a text of the tokenizer ``word``.

    Args:
        entries: of the vocabulary; special ones first.
        ids: of the training part.
    """
    ids = ids[:MAX_TOKENS]
    surfaces = [split_form(entry)[0] for entry in entries]
    wrapped = _is_wrapped(surfaces, ids)
    end = "\n\n" if wrapped else "\n"
    paragraph = np.cumsum(_select(surfaces, ids, lambda s: s.startswith(end)) | (ids == 0))
    openers = _openers(surfaces, ids, paragraph)
    single = _single_marks(entries, ids, paragraph)
    if _pairs_single(single):
        openers[SINGLE] = "'"
    lone = {m.previous for marks in single for m in marks if m.role == CLOSE and not m.opened}
    return TextStyle(
        wrapped,
        _is_cased(surfaces, ids),
        openers,
        _abbreviations(surfaces, ids),
        tuple(sorted(i for i in lone if 0 <= i < len(entries))),
        _quotation_starts(surfaces, ids, paragraph) if DOUBLE in openers else None,
    )


def _quotation_starts(
    surfaces: Sequence[str], ids: NDArray[np.uint32], paragraph: NDArray[np.intp]
) -> tuple[int, ...]:
    """The ids after straight double quotation marks that open, the odd ones of a paragraph."""
    places = np.flatnonzero(_select(surfaces, ids, lambda s: FAMILY_OF.get(s) == DOUBLE))
    number = np.arange(len(places))
    begins = np.append(True, np.diff(paragraph[places]) > 0)[: len(places)]
    first = np.maximum.accumulate(np.where(begins, number, 0))
    opening = places[(number - first) % 2 == 0]
    following = np.unique(ids[opening[opening + 1 < len(ids)] + 1])
    return tuple(int(i) for i in following if i < len(surfaces))


def _select(surfaces: Sequence[str], ids: NDArray[np.uint32], test: Any) -> NDArray[np.bool_]:
    """Which tokens have a surface that passes a test; unknown ones do not."""
    table = np.array([*map(bool, map(test, surfaces)), False])
    selected: NDArray[np.bool_] = table[np.minimum(ids, len(surfaces))]
    return selected


def _is_wrapped(surfaces: Sequence[str], ids: NDArray[np.uint32]) -> bool:
    newlines = _select(surfaces, ids, lambda s: s[0] == "\n")
    blank = _select(surfaces, ids, lambda s: s.startswith("\n\n"))
    single = newlines & ~blank
    single[1:] &= ~newlines[:-1]
    single[:-1] &= ~newlines[1:]
    ends = _select(surfaces, ids, lambda s: s[-1] in SENTENCE_ENDS + CLOSING_MARKS)
    lines = int(single[1:].sum())
    if not blank.any() or lines < 2 * int(blank.sum()):
        return False
    return int((single[1:] & ends[:-1]).sum()) <= MAX_LINES * lines


def _is_cased(surfaces: Sequence[str], ids: NDArray[np.uint32]) -> bool:
    """Whether at most half of the words after a period are in lower case."""
    after = ids[1:][_select(surfaces, ids, lambda s: s == ".")[:-1]]
    lower = int(_select(surfaces, after, lambda s: s[0].islower()).sum())
    return lower <= int(_select(surfaces, after, lambda s: s[0].isupper()).sum())


def _openers(
    surfaces: Sequence[str], ids: NDArray[np.uint32], paragraph: NDArray[np.int64]
) -> dict[str, str]:
    """The opening marks of families that are in pairs in most of the paragraphs that have them.

    Args:
        paragraph: its number, for each token.
    """
    is_mark = _select(surfaces, ids, lambda s: FAMILY_OF.get(s) not in (None, SINGLE))
    found: dict[str, dict[int, str]] = {}
    for place, word in zip(paragraph[is_mark].tolist(), ids[is_mark].tolist(), strict=True):
        marks = found.setdefault(FAMILY_OF[surfaces[word]], {})
        marks[place] = marks.get(place, "") + surfaces[word]
    openers = {}
    for family in sorted(found):
        paragraphs = list(found[family].values())
        good = sum(is_balanced(family, marks) for marks in paragraphs)
        first = Counter(marks[0] for marks in paragraphs).most_common(1)[0][0]
        opener = first if family in QUOTES else OPENERS[family]
        if good >= MIN_BALANCED * len(paragraphs) and any(opener in marks for marks in paragraphs):
            openers[family] = opener
    return openers


class _Mark(NamedTuple):
    """An apostrophe or single quotation mark that is a token of its own."""

    surface: str
    role: int  # OPEN or CLOSE
    opened: bool  # whether a quotation was open before it
    previous: int  # the token before it; -1 at the start of a paragraph


def _single_marks(
    entries: Sequence[str], ids: NDArray[np.uint32], paragraph: NDArray[np.int64]
) -> list[list[_Mark]]:
    """The apostrophes and single quotation marks of each paragraph that has some.

    Args:
        paragraph: its number, for each token.
    """
    forms = [split_form(entry) for entry in entries]
    marks = _select([surface for surface, _ in forms], ids, lambda s: s in APOSTROPHES)
    found = []
    for number in np.unique(paragraph[marks])[:MAX_PARAGRAPHS].tolist():
        first, last = np.searchsorted(paragraph, [number, number + 1])
        spacing, previous, inside = Spacing(), -1, []
        for word in ids[first:last].tolist():
            surface, flipped = forms[word] if word < len(forms) else ("x", False)
            opened, newline = bool(spacing.single), surface[0] == "\n"
            spacing = place_token(
                classify(surface), spacing, flipped=flipped, newline=newline
            ).after
            if surface in APOSTROPHES:
                inside.append(_Mark(surface, spacing.previous, opened, previous))
            previous = word
        found.append(inside)
    return found


def _pairs_single(paragraphs: Sequence[Sequence[_Mark]]) -> bool:
    """Whether ' closes what it opens in most of the paragraphs where it opens a quotation."""
    roles = [[mark.role for mark in marks if mark.surface == "'"] for marks in paragraphs]
    opening = [each for each in roles if OPEN in each]
    good = sum(each.count(OPEN) <= each.count(CLOSE) for each in opening)
    return good > 0 and good >= MIN_BALANCED * len(opening)


def _abbreviations(surfaces: Sequence[str], ids: NDArray[np.uint32]) -> tuple[int, ...]:
    """The words nearly always before a period that a name or a lower-case word follows."""
    period = _select(surfaces, ids, lambda s: s == ".")
    word = _select(surfaces, ids, lambda s: s[-1].isalnum())
    lower = _select(surfaces, ids, lambda s: s[0].islower())
    upper = _select(surfaces, ids, lambda s: s[0].isupper())
    size = len(surfaces) + 1
    total = np.bincount(ids, minlength=size)
    start = _select(surfaces, ids, lambda s: s in SURE_STARTS)
    starts = np.bincount(ids[1:][upper[1:] & start[:-1]], minlength=size)
    places = np.flatnonzero(word[:-2] & period[1:-1] & (lower | upper)[2:])
    before, after = ids[places], ids[places + 2]
    name = upper[places] & (starts[after] <= MAX_STARTS * total[after])
    named = lower[places + 2] | name
    seen, names = np.bincount(before, minlength=size), np.bincount(before[named], minlength=size)
    periods = np.bincount(ids[:-1][word[:-1] & period[1:]], minlength=size)
    frequent = (seen >= MIN_ABBREVIATION) & (periods >= ALWAYS * total) & (names >= ALWAYS * seen)
    return tuple(np.flatnonzero(frequent[:-1]).tolist())
