"""Text to tokens and back, without loss.

``word``: a token is a word, the end of a contraction, a number, a punctuation
mark or white space. Whether one space stands before it follows from its
neighbours by a fixed rule (below), so the space needs no token. Where a text
departs from the rule, the token takes another form: its surface followed by
``¬`` ("not as the rule says"). So ``detokenize(tokenize(text)) == normalise(text)``
for any text, and on English prose about one entry in a hundred is such a form.

The rule. No space stands
- before white space, closing marks (. , ; : ! ? ) ...), the end of a contraction
  ('s, 't, 'll), joining marks (- / and dashes) and characters of scripts that are
  written without spaces;
- after white space, opening marks, joining marks, such characters, and at the start;
- double quotes, straight or curly, open and close by turns within a line; so does
  the straight single quote. One that opens has no space after it, one that closes
  none before it.
Everywhere else one space stands. All other white space is a token: a line end,
an empty line (two line ends), a run of spaces or tabs.

``whitespace``: tokens are what white space divides; joined with single spaces.
``character``: every character is a token.
"""

import re
import unicodedata
from array import array
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.spacing import (
    CLOSE,
    DOUBLE,
    FLIPPED,
    OPEN,
    PLAIN,
    SINGLE,
    UNSPACED,
    Kind,
    Spacing,
    classify,
)

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
        if self.kind != "word" or not cut:
            return numbers * 2
        described = np.frombuffer(self._classes, dtype=np.int8)[numbers]
        spaced = described & 16 != 0
        newline = described & 32 != 0
        numbers = 2 * numbers + (spaced != self._rule(described & 15, newline))
        return numbers

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
        return _pattern_for(text).findall(text)

    def _describe(self, piece: str) -> int:
        """The class of a piece, plus 16 where a space leads, 32 for a line end."""
        if self.kind != "word":
            return 32 * (piece == "\n")
        spaced = len(piece) > 1 and piece[0] == " " and not piece[1].isspace()
        return classify(piece[1:] if spaced else piece) + 16 * spaced + 32 * (piece[0] == "\n")

    def _rule(self, classes: NDArray[np.int8], newline: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """``space_before`` for a whole block, going on from the block before."""
        classes = classes.copy()
        ends = []
        for quote, carried in ((DOUBLE, self._spacing.double), (SINGLE, self._spacing.single)):
            is_quote = classes == quote
            seen = np.cumsum(is_quote)
            # Quotes seen before the line began; -carried in the line begun in the last block.
            before = np.maximum.accumulate(np.where(newline, seen, -int(carried)))
            closes = (seen - is_quote - before) % 2 == 1
            classes[is_quote & closes] = CLOSE
            classes[is_quote & ~closes] = OPEN
            ends.append(bool((seen[-1] - before[-1]) % 2))
        previous = np.concatenate(([self._spacing.previous], classes[:-1]))
        self._spacing = Spacing(int(classes[-1]), *ends)
        after_text = (previous == PLAIN) | (previous == CLOSE)
        result: NDArray[np.bool_] = after_text & ((classes == PLAIN) | (classes == OPEN))
        return result


def _pattern_for(text: str) -> re.Pattern[str]:
    """The pattern of word pieces, no more general than this text needs."""
    if text.isascii():
        return _pattern("", unspaced=False)
    characters = set(text)
    marks = sorted(c for c in characters if unicodedata.category(c)[0] == "M" or c in _JOINERS)
    return _pattern("".join(marks), unspaced=any(map(UNSPACED.match, characters)))


@lru_cache(maxsize=64)
def _pattern(marks: str, *, unspaced: bool) -> re.Pattern[str]:
    # Marks and joiners belong to the character before them; ``\w`` knows none of them.
    mark = f"[{re.escape(marks)}]{{0,16}}" if marks else ""
    letter = r"[^\W_]" if not unspaced else rf"(?!{UNSPACED.pattern})[^\W_]"
    word = f"(?:{letter}{mark}){{1,200}}" if mark or unspaced else r"[^\W_]{1,200}"
    joined = rf"(?:(?<=\u200d)(?!{FLIPPED})[^\w\s]{mark})*" if "\u200d" in marks else ""
    token = "|".join(
        (
            r"\d{1,100}(?:[.,:]\d{1,100}){1,20}",  # 3.14  1,000  12:30
            word,
            rf"(?<=[^\W_])['’]{word}",  # the end of a contraction
            r"\.{2,8}|-{2,8}",
            rf"[^\w\s]{mark}{joined}",
            rf"\S{mark}",
        )
    )
    return re.compile(rf"(?:(?<!\s) )?(?:{token})|\n\n|\n| {{1,8}}|\t{{1,8}}|\s")
