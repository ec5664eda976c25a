"""Lossless tokenization.

``word``: a token is a word, a number, a punctuation mark or white space. A contraction is one
word (don't, I'll, o'clock), but a possessive 's and the elided words of French, Italian and
Catalan (l', d', qu') are separate tokens. Whether a token is preceded by a space follows from its
neighbors by a fixed rule (``text.spacing``), so spaces need no tokens. Where a text breaks the
rule, the token takes another form: its surface followed by ``¬`` ("not"). So
``detokenize(tokenize(text)) == normalize(text)`` for any text, and on English prose about one
vocabulary entry in a hundred is such a form.

``word_v1``: the rules of lstmgen 0.1, for its checkpoints: contractions are split before the
apostrophe, all double quotes open and close alternately.

``whitespace``: tokens are separated by white space, and joined with single spaces.
``character``: every character is a token.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.apostrophes import contraction_patterns
from lstmgen.text.spacing import (
    CLOSE,
    DOUBLE,
    FLIPPED,
    OPEN,
    PLAIN,
    UNSPACED,
    Kind,
    Spacing,
    classify,
    is_word,
    place_token,
)

VERSION = 3  # of the rules of ``word``; version 1 is ``word_v1``, 2 reads flags as two tokens
FINGERPRINT = 2  # the version in fingerprints of texts, the same for texts without flags
_FLAG_PART = "\U0001f1e6-\U0001f1ff"  # regional indicators, two for a flag
_FLAG = f"[{_FLAG_PART}]{{2}}|\U0001f3f4[\U000e0020-\U000e007e]{{1,32}}\U000e007f"

# Zero-width joiners and skin tones: not marks in Unicode, but part of the preceding character.
_JOINERS = frozenset("\u200c\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def tokenize(
    text: str,
    *,
    kind: Kind = "word",
    spacing: Spacing = Spacing(),  # noqa: B008 (a tuple)
) -> list[str]:
    """The tokens of a normalized text, after another text if ``spacing`` is given."""
    tokenizer = Tokenizer(kind)
    tokenizer.restart(spacing)
    numbers = tokenizer.encode(text)
    forms = tokenizer.forms()
    return [forms[number] for number in numbers]


class Tokenizer:
    """Splits a long text block by block and numbers the tokens in order of appearance.

    The numbers are provisional: the vocabulary is built from their counts and assigns ids. A
    piece is a token with the space before it; its number is ``2 * piece + flipped``. Each token
    costs one dictionary lookup; the spacing rule runs on a block at a time in numpy.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._pieces: dict[str, int] = {}
        self._classes = array("b")  # of each piece: class, plus 16 for a space, 32 for a line end
        self._newlines = array("b")  # line ends in each piece, two in an empty line
        self._spacing = Spacing()

    def restart(self, spacing: Spacing = Spacing()) -> None:  # noqa: B008 (a tuple)
        """Start a new file, or resume after a text with the given state."""
        self._spacing = spacing

    def encode(self, text: str) -> NDArray[np.int64]:
        """The provisional numbers of a normalized block's tokens."""
        pieces = self._split(text)
        known = self._pieces
        for piece in pieces:
            if piece not in known:
                known[piece] = len(known)
                self._classes.append(self._classify(piece))
                self._newlines.append(piece.count("\n"))
        numbers: NDArray[np.int64]
        numbers = np.fromiter(map(known.__getitem__, pieces), dtype=np.int64, count=len(pieces))
        if not is_word(self.kind) or not pieces:
            return numbers * 2
        classes = np.frombuffer(self._classes, dtype=np.int8)[numbers]
        return 2 * numbers + self._flipped(classes & 15, classes & 16 != 0, classes & 32 != 0)

    def number_of(self, form: str) -> int:
        """The provisional number of a form that is not read from a text, such as a tag."""
        if form not in self._pieces:
            self._pieces[form] = len(self._pieces)
            self._classes.append(PLAIN)
            self._newlines.append(0)
        return 2 * self._pieces[form]

    def line_ends(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position after each line end among these numbers, twice after an empty line."""
        if not len(numbers):
            return numbers
        counts = np.frombuffer(self._newlines, dtype=np.int8)[numbers // 2]
        return np.repeat(np.arange(1, len(numbers) + 1), counts)

    def forms(self) -> list[str]:
        """The form of every provisional number; not necessarily distinct."""
        forms = []
        for piece, described in zip(self._pieces, self._classes, strict=True):
            surface = piece[1:] if described & 16 else piece
            forms += [surface, surface + FLIPPED]
        return forms

    def lengths(self) -> NDArray[np.int64]:
        """Characters of text per provisional number."""
        extra = 1 if self.kind == "whitespace" else 0
        return np.repeat([len(piece) + extra for piece in self._pieces], 2)

    def _split(self, text: str) -> list[str]:
        if self.kind == "whitespace":
            return text.split()
        if self.kind == "character":
            return list(text)
        return _pattern_for(text, self.kind).findall(text)

    def _classify(self, piece: str) -> int:
        newline = piece[0] == "\n"
        if not is_word(self.kind):
            return 32 * newline
        spaced = len(piece) > 1 and piece[0] == " " and not piece[1].isspace()
        return classify(piece[spaced:], self.kind) + 16 * spaced + 32 * newline

    def _flipped(
        self, classes: NDArray[np.int8], spaced: NDArray[np.bool_], newline: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which tokens of a block are exceptions to the rule: a vectorized ``place_token``."""
        roles = classes.astype(np.int8)
        quotes = np.flatnonzero(roles >= DOUBLE)
        lines = np.cumsum(newline)
        flips = []
        spacing, line = self._spacing, 0
        for place, quote, space, at in zip(
            quotes.tolist(), roles[quotes].tolist(), spaced[quotes].tolist(),
            lines[quotes].tolist(), strict=True,
        ):  # fmt: skip
            previous = int(roles[place - 1]) if place else spacing.previous
            if at != line:
                spacing, line = Spacing(), at
            spacing = spacing._replace(previous=previous)
            placement = place_token(quote, spacing, space=space, kind=self.kind)
            spacing = placement.after
            roles[place] = spacing.previous
            flips.append(placement.flipped)
        before = np.concatenate(([self._spacing.previous], roles[:-1]))
        after_text = (before == PLAIN) | (before == CLOSE)
        flipped: NDArray[np.bool_]
        flipped = spaced != (after_text & ((roles == PLAIN) | (roles == OPEN)))
        flipped[quotes] = flips
        if lines[-1] != line:
            spacing = Spacing()
        self._spacing = spacing._replace(previous=int(roles[-1]))
        return flipped


def ecmascript_pattern(kind: Kind) -> str:
    """The regular expression of pieces for JavaScript (flags ``gu``); empty if it needs none.

    It is general, so it splits every text as ``Tokenizer`` does.
    """
    if not is_word(kind):
        return ""
    old = kind == "word_v1"
    python = _pattern_source(_ANY_MARK, unspaced=True, old=old, flags=not old)
    python = re.sub(r"\(\?i:((?:[^()]|\([^()]*\))*)\)", lambda m: _any_case(m[1]), python)
    for ours, theirs in _ECMASCRIPT.items():
        python = python.replace(ours, theirs)
    return python


_ANY_MARK = r"\p{M}\u200c\u200d\u{1f3fb}-\u{1f3ff}"
_ECMASCRIPT = {
    r"[^\W_]": r"[\p{L}\p{N}]",
    r"[^\W\d_]": r"[\p{L}\p{Nl}\p{No}]",
    r"[^\w\s]": r"[^\p{L}\p{N}_\s]",
    r"\d": r"\p{Nd}",
}


def _any_case(pattern: str) -> str:
    """A part of a pattern, with each letter in both cases."""
    result, in_class = [], False
    for character in pattern:
        in_class = character == "[" or (in_class and character != "]")
        both = "".join(dict.fromkeys(character.lower() + character.upper()))
        letter = len(both) == 2
        result.append(character if not letter else both if in_class else f"[{both}]")
    return "(?:" + "".join(result) + ")"


def has_flag_parts(entries: Iterable[str]) -> bool:
    """Whether a vocabulary has the halves of flags, as version 2 of the rules made them."""
    return any(re.match(f"[{_FLAG_PART}\U000e0020-\U000e007f]", entry) for entry in entries)


def _pattern_for(text: str, kind: Kind) -> re.Pattern[str]:
    """The pattern of word pieces, as simple as this text allows."""
    old = kind == "word_v1"
    if text.isascii():
        return _pattern("", unspaced=False, old=old)
    characters = set(text)
    flags = any(c == "\U0001f3f4" or "\U0001f1e6" <= c <= "\U0001f1ff" for c in characters)
    marks = sorted(c for c in characters if unicodedata.category(c)[0] == "M" or c in _JOINERS)
    return _pattern("".join(marks), unspaced=any(map(UNSPACED.match, characters)), old=old,
                    flags=flags and not old)  # fmt: skip


@lru_cache(maxsize=64)
def _pattern(marks: str, *, unspaced: bool, old: bool, flags: bool = False) -> re.Pattern[str]:
    return re.compile(_pattern_source(re.escape(marks), unspaced=unspaced, old=old, flags=flags))


def _pattern_source(marks: str, *, unspaced: bool, old: bool, flags: bool) -> str:
    """The pattern of pieces; ``marks`` is the inside of a character class."""
    # Marks and joiners belong to the character before them; ``\w`` matches none of them.
    mark = f"[{marks}]{{0,16}}" if marks else ""
    letter = r"[^\W_]" if not unspaced else rf"(?!{UNSPACED.pattern})[^\W_]"
    word = f"(?:{letter}{mark}){{1,200}}" if mark or unspaced else r"[^\W_]{1,200}"
    joins = "\u200d" in marks or marks == _ANY_MARK
    joined = rf"(?:(?<=\u200d)(?!{FLIPPED})[^\w\s]{mark})*" if joins else ""
    token = "|".join(
        (
            *([_FLAG] if flags else []),
            r"\d{1,100}(?:[.,:]\d{1,100}){1,20}",  # 3.14  1,000  12:30
            *((word, rf"(?<=[^\W_])['’]{word}") if old else contraction_patterns(word)),
            r"\.{2,8}|-{2,8}",
            rf"[^\w\s]{mark}{joined}",
            rf"\S{mark}",
        )
    )
    return rf"(?:(?<!\s) )?(?:{token})|\n\n|\n| {{1,8}}|\t{{1,8}}|\s"
