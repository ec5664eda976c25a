"""One continuation: its text so far, and where it ends."""

import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.pieces import Piece
from lstmgen.text.sentences import (
    CLOSING_MARKS,
    PAUSES,
    SENTENCE_ENDS,
    continues_sentence,
    may_end_sentence,
)
from lstmgen.text.spacing import UNSPACED, Detokenizer, is_word, surface_of
from lstmgen.text.vocabulary import STORY

MAX_URGE = 5.0  # nats, at the word limit
MAX_WORDLESS = 200  # tokens without a word after which a sample always ends


@dataclass(frozen=True)
class Endings:
    """How sentences and paragraphs end in a text (``text.style``)."""

    wrapped: bool = False  # lines are wrapped by hand, a blank line ends a paragraph
    cased: bool = True  # a sentence begins with a capital letter
    abbreviations: frozenset[str] = frozenset()  # words after which a period ends no sentence


def is_complete(sample: SampleConfig, words: int) -> bool:
    """Whether a sample has its words, so that it ends with its sentence."""
    return not sample.cuts and words >= sample.words


def is_overdue(sample: SampleConfig, words: int) -> bool:
    """Whether a complete sample's sentence goes on for so long that a pause ends it."""
    return is_complete(sample, words) and words >= sample.words + sample.words // 4


def word_limit(sample: SampleConfig) -> int:
    """The number of words at which a sample is cut."""
    return sample.words if sample.cuts else sample.words + (sample.words + 1) // 2


def ending_urge(sample: SampleConfig, words: int) -> float | None:
    """How much more likely the end of an overdue sentence is made, in nats; None if it is not."""
    if not is_overdue(sample, words):
        return None
    start, limit = sample.words + sample.words // 4, word_limit(sample)
    return MAX_URGE * (words - start + 1) / (limit - start)


def may_end(sample: SampleConfig, words: int) -> bool:
    """Whether a sample may end with its sentence."""
    stops = sample.stop == "sentence" and words >= sample.min_words
    return stops or is_complete(sample, words)


class Surface(NamedTuple):
    """What the text of a token shows about its sentence."""

    is_word: bool  # whether it contains a letter or digit
    end: str  # its last character that is no closing mark; empty if there is none
    word: str  # the token without the marks that it ends with


@lru_cache(maxsize=1 << 16)
def read_surface(surface: str) -> Surface:
    """Read a token's text; cached, since few words make up most of a text."""
    is_word = any(map(str.isalnum, surface))
    end = surface.rstrip(CLOSING_MARKS)[-1:]
    return Surface(is_word, end, surface.rstrip(CLOSING_MARKS + SENTENCE_ENDS))


@dataclass
class Continuation:
    """One continuation during generation."""

    number: int  # of the sample
    sample: SampleConfig  # for ``words``, ``min_words``, ``stop``, ``stop_at`` and ``hard_limit``
    detokenizer: Detokenizer
    typed_space: bool  # the cue ended in the space before the first word
    endings: Endings = Endings()
    words: int = 0  # new tokens that contain a letter or digit
    wordless: int = 0  # tokens since the last of them
    closing: bool = False  # the sentence has ended, except for closing marks
    pausing: bool = False  # the text ends in a comma, a colon or another pause
    last_word: str = ""
    word_ended: bool = True  # whether the next character begins another word
    tail: str = ""  # the end of the text, in which ``stop_at`` may begin

    @property
    def is_due(self) -> bool:
        """Whether the continuation may end with its sentence."""
        return may_end(self.sample, self.words)

    def fork(self) -> "Continuation":
        """An independent copy."""
        return replace(self, detokenizer=copy.copy(self.detokenizer))

    def sentence_ends_before(self, token: str, *, marks_open: bool = False) -> bool:
        """Whether the sentence has ended before a token, due or not; arguments as of ``add``."""
        if not self.closing:
            return False
        text = copy.copy(self.detokenizer).add(token)
        surface = surface_of(token, self.detokenizer.kind)
        return self._sentence_ends(surface, text, marks_open=marks_open)

    @property
    def is_full(self) -> bool:
        """Whether it has reached the number of words at which it is cut."""
        return self.words >= word_limit(self.sample)

    def add(self, token: str, *, marks_open: bool = False) -> Piece:
        """Add a drawn token, or end before it.

        Args:
            marks_open: whether a quotation mark or bracket is open before the token.
        """
        surface = surface_of(token, self.detokenizer.kind)
        text = "" if token == STORY else self.detokenizer.add(token)
        if self._ends_before(token, surface, text, marks_open=marks_open):
            return Piece(self.number, "", ended=True)
        if self.typed_space:
            text, self.typed_space = text.removeprefix(" "), False
        self.begin_with(surface)
        stop_at = self.sample.stop_at if self.words >= self.sample.min_words else ""
        text, found = self._cut(text, stop_at)
        ended = found or self.is_full or self.wordless > MAX_WORDLESS
        return Piece(self.number, text, ended=ended)

    def begin_with(self, surface: str) -> None:
        """Count a token that is in the text already, wherever the continuation would end."""
        shown = read_surface(surface)
        self.words += shown.is_word
        self.wordless = 0 if shown.is_word else self.wordless + 1
        self._follow_sentence(surface, shown)

    def _ends_before(self, token: str, surface: str, text: str, *, marks_open: bool) -> bool:
        if token == STORY:
            return True
        if "\n" in surface:
            at_paragraph = not self.endings.wrapped or surface.startswith("\n\n")
            stops = self.sample.stop == "line" or (self.sample.stop == "paragraph" and at_paragraph)
            if stops and self.words >= max(1, self.sample.min_words):
                return True
            if is_complete(self.sample, self.words) and at_paragraph and not self.pausing:
                return True
        return self.is_due and self._sentence_ends(surface, text, marks_open=marks_open)

    def _sentence_ends(self, surface: str, text: str, *, marks_open: bool) -> bool:
        if not self.closing or marks_open:
            return False
        if text.startswith(" ") or surface[0].isspace():
            overdue = is_overdue(self.sample, self.words)
            return overdue or not (self.endings.cased and continues_sentence(surface))
        # Without a space may follow: closing marks, more end marks, a letter as in "e.g." or "3.5"
        if not is_word(self.detokenizer.kind) or surface in CLOSING_MARKS + SENTENCE_ENDS:
            return False
        return not surface[0].isalnum() or UNSPACED.match(surface) is not None

    def _follow_sentence(self, surface: str, shown: Surface) -> None:
        """Note whether the sentence ends with this token."""
        is_word, end, word = shown
        if is_word:
            inside = self.detokenizer.kind == "character" and not self.word_ended
            self.last_word = self.last_word + word if inside else word
        self.word_ended = not word or word.isspace()
        if end:
            self.pausing = end in PAUSES
        if end == "":  # closing marks only
            return
        abbreviated = surface.endswith(".") and self.last_word in self.endings.abbreviations
        self.closing = not abbreviated and may_end_sentence(end, self.last_word)

    def _cut(self, text: str, stop_at: str) -> tuple[str, bool]:
        """The text up to the end of ``stop_at``, and whether it was found."""
        if not stop_at:
            return text, False
        joined = self.tail + text
        place = joined.find(stop_at)
        if place < 0:
            self.tail = joined[max(0, len(joined) - len(stop_at) + 1) :]
            return text, False
        return joined[len(self.tail) : place + len(stop_at)], True
