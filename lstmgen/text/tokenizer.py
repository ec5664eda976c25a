"""Text to tokens and back, without loss.

``word``: a token is a word, a number, a punctuation mark or white space. A contraction is one
word (don't, I'll, o'clock), but a possessive 's is a token of its own, and so is the elided word
of French, Italian and Catalan (l', d', qu'), each on the side where it belongs. Whether one
space stands before a token follows from its neighbours by a fixed rule (``text.spacing``), so
the space needs no token. Where a text departs from the rule, the token takes another form: its
surface followed by ``¬`` ("not as the rule says"). So ``detokenize(tokenize(text)) ==
normalise(text)`` for any text, and on English prose about one entry in a hundred is such a form.

``word_v1``: as lstmgen 0.1 cut words, for its checkpoints: contractions before the apostrophe,
all double quotes open and close by turns.

``whitespace``: tokens are what white space divides; joined with single spaces.
``character``: every character is a token.
"""

import re
import unicodedata
from array import array
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.contractions import contraction_patterns
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

VERSION = 2  # of the rules of ``word``; version 1 is ``word_v1``

# Zero-width joiners and skin tones: not marks to Unicode, yet part of what they follow.
_JOINERS = frozenset("\u200c\u200d\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def tokenize(
    text: str,
    *,
    kind: Kind = "word",
    spacing: Spacing = Spacing(),  # noqa: B008 (a tuple)
) -> list[str]:
    """The tokens of a normalised text, behind another one where ``spacing`` says so."""
    tokenizer = Tokenizer(kind)
    tokenizer.restart(spacing)
    numbers = tokenizer.encode(text)
    forms = tokenizer.forms()
    return [forms[number] for number in numbers]


class Tokenizer:
    """Cuts a long text block by block and numbers the tokens as it meets them.

    The numbers are provisional: the vocabulary is made from their counts and
    gives each its id. Work per token is one look-up of the piece of text that
    it is (its space included); the rule runs over whole blocks in numpy. Number
    ``2 * piece + flipped`` stands for that piece, by the rule or against it.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._pieces: dict[str, int] = {}
        self._classes = array("b")  # one description a piece
        self._newlines = array("b")  # line ends in a piece, two in an empty line
        self._spacing = Spacing()

    def restart(self, spacing: Spacing = Spacing()) -> None:  # noqa: B008 (a tuple)
        """Forget the text before: a new file begins, or goes on where another one stood."""
        self._spacing = spacing

    def encode(self, text: str) -> NDArray[np.int64]:
        """The provisional numbers of a normalised block's tokens."""
        cut = self._cut(text)
        known = self._pieces
        for piece in cut:
            if piece not in known:
                known[piece] = len(known)
                self._classes.append(self._describe(piece))
                self._newlines.append(piece.count("\n"))
        numbers: NDArray[np.int64]
        numbers = np.fromiter(map(known.__getitem__, cut), dtype=np.int64, count=len(cut))
        if not is_word(self.kind) or not cut:
            return numbers * 2
        described = np.frombuffer(self._classes, dtype=np.int8)[numbers]
        spaced = described & 16 != 0
        newline = described & 32 != 0
        return 2 * numbers + self._flipped(described & 15, spaced, newline)

    def line_ends(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place after each line end among these numbers, twice after an empty line."""
        if not len(numbers):
            return numbers
        counts = np.frombuffer(self._newlines, dtype=np.int8)[numbers // 2]
        return np.repeat(np.arange(1, len(numbers) + 1), counts)

    def forms(self) -> list[str]:
        """The form of every provisional number; two may share one."""
        listed = []
        for piece, described in zip(self._pieces, self._classes, strict=True):
            surface = piece[1:] if described & 16 else piece
            listed += [surface, surface + FLIPPED]
        return listed

    def lengths(self) -> NDArray[np.int64]:
        """Characters of text that stand for every provisional number."""
        extra = 1 if self.kind == "whitespace" else 0
        return np.repeat([len(piece) + extra for piece in self._pieces], 2)

    def _cut(self, text: str) -> list[str]:
        if self.kind == "whitespace":
            return text.split()
        if self.kind == "character":
            return list(text)
        return _pattern_for(text, self.kind).findall(text)

    def _describe(self, piece: str) -> int:
        """The class of a piece, plus 16 where a space leads, 32 for a line end."""
        if not is_word(self.kind):
            return 32 * (piece == "\n")
        spaced = len(piece) > 1 and piece[0] == " " and not piece[1].isspace()
        return (
            classify(piece[1:] if spaced else piece, self.kind)
            + 16 * spaced
            + 32 * (piece[0] == "\n")
        )

    def _flipped(
        self, classes: NDArray[np.int8], spaced: NDArray[np.bool_], newline: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """``place_token`` for a whole block, going on from the block before."""
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
            placed = place_token(quote, spacing, space=space, kind=self.kind)
            spacing = placed.after
            roles[place] = spacing.previous
            flips.append(placed.flipped)
        before = np.concatenate(([self._spacing.previous], roles[:-1]))
        after_text = (before == PLAIN) | (before == CLOSE)
        flipped: NDArray[np.bool_]
        flipped = spaced != (after_text & ((roles == PLAIN) | (roles == OPEN)))
        flipped[quotes] = flips
        carried = spacing if lines[-1] == line else Spacing()
        self._spacing = carried._replace(previous=int(roles[-1]))
        return flipped


def _pattern_for(text: str, kind: Kind) -> re.Pattern[str]:
    """The pattern of word pieces, no more general than this text needs."""
    old = kind == "word_v1"
    if text.isascii():
        return _pattern("", unspaced=False, old=old)
    characters = set(text)
    marks = sorted(c for c in characters if unicodedata.category(c)[0] == "M" or c in _JOINERS)
    return _pattern("".join(marks), unspaced=any(map(UNSPACED.match, characters)), old=old)


@lru_cache(maxsize=64)
def _pattern(marks: str, *, unspaced: bool, old: bool) -> re.Pattern[str]:
    # Marks and joiners belong to the character before them; ``\w`` knows none of them.
    mark = f"[{re.escape(marks)}]{{0,16}}" if marks else ""
    letter = r"[^\W_]" if not unspaced else rf"(?!{UNSPACED.pattern})[^\W_]"
    word = f"(?:{letter}{mark}){{1,200}}" if mark or unspaced else r"[^\W_]{1,200}"
    joined = rf"(?:(?<=\u200d)(?!{FLIPPED})[^\w\s]{mark})*" if "\u200d" in marks else ""
    token = "|".join(
        (
            r"\d{1,100}(?:[.,:]\d{1,100}){1,20}",  # 3.14  1,000  12:30
            *((word, rf"(?<=[^\W_])['’]{word}") if old else contraction_patterns(word)),
            r"\.{2,8}|-{2,8}",
            rf"[^\w\s]{mark}{joined}",
            rf"\S{mark}",
        )
    )
    return re.compile(rf"(?:(?<!\s) )?(?:{token})|\n\n|\n| {{1,8}}|\t{{1,8}}|\s")
