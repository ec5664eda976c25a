"""Keeping quotation marks and brackets in pairs, and ending sentences.

What is open is closed before its paragraph ends, and what is not open is not closed. Where the
model wants to end a paragraph in which a mark is open, the probability of the end goes to the mark
that closes it; the end can follow. Where a continuation is long enough and its sentence goes on,
the probability of a comma or another pause goes to the mark that ends the sentence, which becomes
more likely with every word. Where no single
quotation mark is open, an apostrophe stands alone after the words only that have one in the text.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.sampling import Scores
from lstmgen.text.apostrophes import APOSTROPHES as WORD_APOSTROPHES
from lstmgen.text.marks import APOSTROPHES, DOUBLE, FAMILY_OF, STRAIGHT
from lstmgen.text.sentences import ABBREVIATIONS, PAUSES, SENTENCE_ENDS, is_initial
from lstmgen.text.spacing import (
    CLOSE,
    OPEN,
    PLAIN,
    Spacing,
    classify,
    place_token,
    split_form,
)
from lstmgen.text.style import TextStyle
from lstmgen.text.vocabulary import STORY, Vocabulary

MAX_DEPTH = 3  # of marks inside marks
BLANKS = " \t\n"
MIN_EXPECTED = 3.0  # quotations that a word would begin at random, so that it is no accident
MIN_FORM = 0.05  # of a mark's occurrences, from which a form of it is usual

Ids = NDArray[np.intp]


class Open(NamedTuple):
    """What is open in a paragraph after some text."""

    spacing: Spacing = Spacing()
    families: tuple[str, ...] = ()  # of the open marks, the innermost last
    just_opened: bool = False  # whether the last token opened one
    at_line_end: bool = False  # whether it is a line end inside a paragraph
    after_blank: bool = False  # whether it is white space (a no-break space is not)


class Token(NamedTuple):
    """What a token does to what is open."""

    ends: bool  # whether it ends a paragraph
    role: int  # its class for the spacing rule
    flipped: bool  # whether it is an exception to that rule
    mark: str  # its surface, if it is a mark that is kept in pairs
    newline: bool
    blank: bool


@dataclass(frozen=True)
class Rules:
    """What may follow, given what is open, as arrays of ids."""

    forbidden: Ids
    closing: Ids  # those that close the innermost mark
    lone: Ids  # apostrophes that would close nothing


@dataclass(frozen=True)
class Balance:
    """The marks of a vocabulary that are kept in pairs.

    Attributes:
        openers: the opening mark of each family.
        marks: the surfaces of their marks, by id.
        usual: of these, the ids of forms that are usual for their mark.
        ends: ids that end a paragraph.
        line_ends: ids of line ends inside a paragraph.
        sentence_ends: ids of the marks that end a sentence.
        pauses: ids of the marks that separate parts of a sentence.
        apostrophes: ids of the apostrophes that are tokens of their own.
        abbreviations: ids of words after which a period ends no sentence.
        stems: ids that one may follow where it closes nothing; None allows any.
        no_starts: ids that begin no quotation in straight double quotation marks.
    """

    entries: tuple[str, ...]
    openers: Mapping[str, str]
    marks: dict[int, str]
    usual: frozenset[int]
    ends: frozenset[int]
    line_ends: frozenset[int]
    sentence_ends: tuple[int, ...]
    pauses: tuple[int, ...]
    apostrophes: tuple[int, ...] = ()
    stems: frozenset[int] | None = None
    abbreviations: frozenset[int] = frozenset()
    no_starts: frozenset[int] = frozenset()
    _rules: dict[Open, Rules] = field(default_factory=dict, compare=False)
    _tokens: dict[int, Token] = field(default_factory=dict, compare=False)
    _after: dict[tuple[Open, Token], Open] = field(default_factory=dict, compare=False)

    def after(self, before: Open, word: int) -> Open:
        """What is open after one more token; computed once for each state and kind of token."""
        token = self._tokens.get(word)
        if token is None:
            token = self._tokens[word] = self._read_token(word)
        after = self._after.get((before, token))
        if after is None:
            after = self._after[before, token] = self._find_after(before, token)
        return after

    def _read_token(self, word: int) -> Token:
        if word >= len(self.entries):  # an unknown word
            return Token(False, PLAIN, False, "", False, False)
        surface, flipped = split_form(self.entries[word])
        return Token(
            ends=word in self.ends,
            role=classify(surface),
            flipped=flipped,
            mark=surface if word in self.marks else "",
            newline=surface[0] == "\n",
            blank=surface.isspace() and surface[0] in BLANKS,
        )

    def _find_after(self, before: Open, token: Token) -> Open:
        if token.ends:
            return Open()
        placed = place_token(
            token.role, before.spacing, flipped=token.flipped, newline=token.newline
        )
        families, role = before.families, placed.after.previous
        opens = False
        if token.mark:
            family = FAMILY_OF[token.mark]
            opens = role == OPEN if family in STRAIGHT else token.mark == self.openers[family]
            if opens:
                families = (*families, family)
            elif families and families[-1] == family:
                families = families[:-1]
        return Open(placed.after, families, opens, token.newline, token.blank)

    def rules(self, state: Open) -> Rules:
        """What may follow; computed once for each state."""
        rules = self._rules.get(state)
        if rules is None:
            rules = self._rules[state] = self._find_rules(state)
        return rules

    def _find_rules(self, state: Open) -> Rules:
        forbidden, closing = set[int](), []
        for word, surface in self.marks.items():
            after = self.after(state, word)
            family = FAMILY_OF[surface]
            if after.just_opened:
                wrong = family in state.families or len(state.families) >= MAX_DEPTH
            elif state.families[-1:] == (family,):
                wrong = state.just_opened or state.after_blank
                if not wrong and (word in self.usual or family in STRAIGHT):
                    closing.append(word)
            else:
                wrong = family not in APOSTROPHES
            glued = word not in self.usual and state.spacing.previous in (PLAIN, CLOSE)
            if wrong or (glued and family not in STRAIGHT):
                forbidden.add(word)
        if state.families and (closing or state.just_opened or state.after_blank):
            forbidden |= self.ends
            if state.at_line_end:  # a second line end would make a blank line
                forbidden |= self.line_ends
        if state.just_opened and state.families[-1] == DOUBLE:
            forbidden |= self.no_starts
        closers = [i for i in self.apostrophes if self.after(state, i).spacing.previous == CLOSE]
        lone = [] if state.spacing.single else closers
        return Rules(_ids(forbidden), _ids(closing), _ids(lone))

    def apply(
        self, scores: Scores, state: Open, *, last: int | None, must_close: bool, urge: float | None
    ) -> None:
        """Restrict the scores of one text, (vocabulary,), in place.

        Args:
            last: the token before; None at the start.
            must_close: whether nothing but the innermost mark may follow, where one is open.
            urge: to end the sentence, which is then at its next pause at the latest: nats that are
                added to the mark that ends it; None leaves it alone.
        """
        rules = self.rules(state)
        if len(rules.lone) and self.stems is not None and last not in self.stems:
            scores[rules.lone] = -np.inf
        if urge is not None and self.sentence_ends and last not in self.abbreviations:
            pauses, ends = list(self.pauses), list(self.sentence_ends)
            best = ends[int(scores[ends].argmax())]
            if np.isfinite(scores[best]):
                total = np.logaddexp.reduce([scores[best], *scores[pauses]])
                scores[pauses] = -np.inf
                scores[best] = total + urge
        closing = rules.closing
        if len(closing) and np.isfinite(scores[closing].max()):
            best = int(closing[scores[closing].argmax()])
            ends = list(self.ends)
            end = np.logaddexp.reduce(scores[ends]) if ends else -np.inf
            value = np.logaddexp(scores[best], end)
            if must_close:
                scores[:] = -np.inf
            scores[rules.forbidden] = -np.inf
            scores[best] = value
        elif len(rules.forbidden):
            scores[rules.forbidden] = -np.inf

    def must_close(self, state: Open, last: int | None) -> bool:
        """Whether a mark is open at the end of a sentence."""
        return bool(state.families) and last in self.sentence_ends


def find_balance(
    vocabulary: Vocabulary, forbidden: Collection[int] = (), *, pairs: bool = True
) -> Balance:
    """The marks of a vocabulary of the tokenizer ``word``.

    Args:
        forbidden: ids that are never drawn.
        pairs: whether any marks are kept in pairs.
    """
    style = vocabulary.style or TextStyle()
    surfaces = [split_form(entry)[0] for entry in vocabulary.entries]
    signs = {i: s for i, s in enumerate(surfaces) if not s.isalnum()}
    kept = style.openers if pairs else {}
    marks = {i: s for i, s in signs.items() if FAMILY_OF.get(s) in kept}
    drawn = {s for i, s in marks.items() if i not in forbidden}
    openers = {f: opener for f, opener in kept.items() if _has_pair(f, opener, drawn)}
    marks = {i: s for i, s in marks.items() if FAMILY_OF[s] in openers}
    totals: dict[str, int] = {}
    for i, surface in marks.items():
        totals[surface] = totals.get(surface, 0) + vocabulary.counts[i]
    end = "\n\n" if style.wrapped else "\n"
    ends = frozenset(i for i, s in signs.items() if s.startswith(end))
    ends |= {vocabulary.ids[STORY], *vocabulary.tags.values()}
    return Balance(
        vocabulary.entries,
        openers,
        marks,
        frozenset(i for i, s in marks.items() if vocabulary.counts[i] >= MIN_FORM * totals[s]),
        ends,
        frozenset(i for i, s in signs.items() if s[0] == "\n") - ends,
        tuple(i for i in signs if vocabulary.entries[i] in SENTENCE_ENDS),
        tuple(i for i, s in signs.items() if s in PAUSES),
        tuple(i for i, s in signs.items() if s in WORD_APOSTROPHES),
        None if style.apostrophe_stems is None else frozenset(style.apostrophe_stems),
        frozenset(style.abbreviations)
        | {i for i, s in enumerate(surfaces) if s.lower() in ABBREVIATIONS or is_initial(s)},
        find_no_starts(vocabulary, style.quotation_starts, marks),
    )


def find_no_starts(
    vocabulary: Vocabulary, starts: Collection[int] | None, marks: Mapping[int, str]
) -> frozenset[int]:
    """The ids that begin no quotation in straight double quotation marks, and not by accident:
    at random they would have begun ``MIN_EXPECTED`` or more.

    Args:
        starts: ids that begin one in the training text; None if unknown.
        marks: the surfaces of marks, by id.
    """
    if starts is None:
        return frozenset()
    quotations = sum(vocabulary.counts[i] for i, s in marks.items() if FAMILY_OF[s] == DOUBLE) / 2
    least = MIN_EXPECTED * sum(vocabulary.counts) / max(1.0, quotations)
    never = {i for i, count in enumerate(vocabulary.counts) if count >= least}
    return frozenset(never - set(starts) - set(marks) - set(vocabulary.specials))


def _ids(words: Collection[int]) -> Ids:
    return np.fromiter(words, np.intp, len(words))


def _has_pair(family: str, opener: str, marks: Collection[str]) -> bool:
    """Whether marks that can be drawn open and close a family."""
    others = {mark for mark in marks if FAMILY_OF[mark] == family and mark != opener}
    return opener in marks and (bool(others) or family in STRAIGHT)
