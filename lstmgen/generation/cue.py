"""Cues as ids, block by block, so memory does not grow with their length."""

from collections.abc import Iterator
from typing import Literal

from lstmgen.config.schema import Lowercase
from lstmgen.errors import UsageError
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import (
    OPEN,
    Detokenizer,
    Kind,
    classify,
    is_word,
    place_token,
    simplify_spelling,
    surface_of,
)
from lstmgen.text.style import TextStyle
from lstmgen.text.tokenizer import Tokenizer, tokenize
from lstmgen.text.vocabulary import STORY, Vocabulary

Unknown = Literal["nearest", "unk", "skip", "error"]

MAX_SEARCHES = 100  # unknown words of a cue whose nearest spelling is searched
MAX_EDITS, LONG_WORD = 2, 5  # edits between near words; letters from which two are allowed
ENDINGS = ("s", "es", "ed", "d", "ing", "er", "est", "ly", "ness")
LONGEST_ENDING, MIN_STEM = 4, 3  # letters
TYPED_QUOTES = {'"': "“”„«»", "'": "‘’‚‹›"}  # and what a text may have for them


class Cue:
    """Encodes a cue and records what unknown words were replaced by.

    Text is read as the tokenizer reads a training text, but for a single space at the end, which
    is part of the word that follows. A word whose spacing form is unknown is read as its plain
    form, typed quotation marks, apostrophes, dashes and dots as those of the vocabulary; unknown
    white space is skipped.

    Args:
        oov: for an unknown word, read the nearest entry in case or spelling (``<unk>`` if
            there is none), read ``<unk>``, skip it, or raise.

    Attributes:
        replacements: what each unknown word was read as; None is ``<unk>``, "" is skipped.
        detokenizer: spaces the words that follow.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, kind: Kind, lowercase: Lowercase, oov: Unknown = "nearest"
    ) -> None:
        self.vocabulary, self.kind, self.lowercase, self.oov = vocabulary, kind, lowercase, oov
        self.replacements: dict[str, str | None] = {}
        self.detokenizer = Detokenizer(kind)
        self.trailing = ""  # white space that may be the cue's end, and is not read yet
        self.ends_in_space = False  # whether it ends in the space before the next word
        self._after_word = False  # whether a word stands before that
        self._tokenizer = Tokenizer(kind)

    def ids_of(self, block: str) -> Iterator[int]:
        """The ids of the next block, which begins and ends between words (``read_blocks``)."""
        text = self.trailing + normalize(block, lowercase=self.lowercase)
        stripped = text if self.kind == "character" else text.rstrip(" \t")
        self.trailing = text[len(stripped) :]
        self._after_word = self._after_word if not stripped else not stripped[-1].isspace()
        return self._read(stripped)

    def finish(self) -> Iterator[int]:
        """The ids of white space at the end of the cue."""
        trailing, self.trailing = self.trailing, ""
        if self.kind == "whitespace" or (trailing == " " and self._after_word):
            self.ends_in_space = bool(trailing)
            return iter(())
        return self._read(trailing)

    def _read(self, text: str) -> Iterator[int]:
        numbers = self._tokenizer.encode(text)
        forms = self._tokenizer.forms()
        tokens = [forms[number] for number in numbers]
        surfaces = [surface_of(token, self.kind) for token in tokens]
        if self.oov == "error":
            unknown = [
                surface
                for token, surface in zip(tokens, surfaces, strict=True)
                if find_entry(token, surface, self.vocabulary) is None
                and not (surface in TYPED_QUOTES or surface.isspace())
            ]
            if unknown:
                names = ", ".join(dict.fromkeys(unknown))
                raise UsageError(
                    f"--oov error: the cue has words that the model does not know: {names}. "
                    "Use other words, or --oov nearest, unk or skip"
                )
        for token, surface in zip(tokens, surfaces, strict=True):
            self.detokenizer.add(token)
            opens = self.detokenizer.spacing.previous == OPEN
            entry = find_entry(token, surface, self.vocabulary, opens=opens)
            if entry is not None:
                yield entry
            elif not surface.isspace():  # unknown white space carries no information
                replacement = self._replace(surface)
                if replacement is None:
                    yield self.vocabulary.unknown_id
                elif replacement:
                    yield self.vocabulary.ids[replacement]

    def _replace(self, surface: str) -> str | None:
        if surface not in self.replacements:
            if self.oov == "skip":
                self.replacements[surface] = ""
            elif self.oov == "nearest" and len(self.replacements) < MAX_SEARCHES:
                self.replacements[surface] = nearest(surface, self.vocabulary)
            else:
                self.replacements[surface] = None
        return self.replacements[surface]


def read_cue(
    text: str, vocabulary: Vocabulary, *, kind: Kind, lowercase: Lowercase
) -> tuple[Cue, tuple[int, ...]]:
    """Read a cue with ``oov: unk``; return it and its ids, ``<story>`` first."""
    cue = Cue(vocabulary, kind=kind, lowercase=lowercase, oov="unk")
    return cue, (vocabulary.ids[STORY], *cue.ids_of(text), *cue.finish())


def needs_space(text: str, detokenizer: Detokenizer, *, lowercase: Lowercase) -> bool:
    """Whether there must be a space between a text and one that is added."""
    kind = detokenizer.kind
    if not text or text[0].isspace() or kind == "character":
        return False
    if not is_word(kind):
        return not detokenizer.empty
    first = tokenize(normalize(text, lowercase=lowercase), kind=kind)[0]
    role = classify(surface_of(first, kind), kind)
    return place_token(role, detokenizer.spacing, flipped=False, kind=kind).space


def find_entry(
    token: str, surface: str, vocabulary: Vocabulary, *, opens: bool = False
) -> int | None:
    """The id of a token, else of its plain form, else of the same word in another typography
    (``’`` for ``'``, curly quotes for straight ones); None if unknown.

    Args:
        opens: whether a quotation mark opens.
    """
    entry = vocabulary.ids.get(token, vocabulary.ids.get(surface))
    if entry is None and surface in TYPED_QUOTES:
        entry = typed_quote(surface, vocabulary, opens=opens)
    if entry is None and not surface.isspace():
        spellings = vocabulary.spellings
        entry = spellings.get(simplify_spelling(token), spellings.get(simplify_spelling(surface)))
    return entry


def typed_quote(surface: str, vocabulary: Vocabulary, *, opens: bool) -> int | None:
    """The id of the text's quotation mark for one as typed; None if it has none."""
    openers = set((vocabulary.style or TextStyle()).openers.values())
    marks = (m for m in TYPED_QUOTES[surface] if m in vocabulary.ids and (m in openers) == opens)
    return next((vocabulary.ids[mark] for mark in marks), None)


def nearest(surface: str, vocabulary: Vocabulary) -> str | None:
    """The entry that was probably meant by an unknown word; None if there is none.

    It is the same word in another case, else in another inflection, else one edit away (a letter
    more, less or other, or two letters swapped), or two edits for a word of five letters or more
    that begins alike. Of several the most frequent one.
    """
    for variant in (surface.lower(), surface.capitalize(), surface.upper(), surface.title()):
        if vocabulary.ids.get(variant, 0) not in vocabulary.specials:
            return variant
    word, best = surface.lower(), (MAX_EDITS + 1, 0, "")
    if not word.isalpha():
        return None
    for entry, count in zip(vocabulary.entries, vocabulary.counts, strict=True):
        other = entry.lower()
        if not other.isalpha() or abs(len(other) - len(word)) > LONGEST_ENDING:
            continue
        distance = 0 if _stems(word) & _stems(other) else _edits(word, other)
        if distance <= MAX_EDITS:
            best = min(best, (distance, -count, entry))
    return best[2] or None


def _stems(word: str) -> set[str]:
    """What remains of a word without an English ending, in the spellings that it may have."""
    stems = {word}
    for ending in ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= MIN_STEM:
            stems |= {stem, stem + "e"}
            if stem[-1] == stem[-2]:  # stopped
                stems.add(stem[:-1])
            if stem[-1] == "i":  # carried
                stems.add(stem[:-1] + "y")
    return stems


def _edits(word: str, other: str) -> int:
    """The number of edits between two words, more than ``MAX_EDITS`` if they are not near.

    Optimal string alignment (Damerau 1964).
    """
    most = 1 if len(word) < LONG_WORD or word[0] != other[0] else MAX_EDITS
    if abs(len(word) - len(other)) > most:
        return MAX_EDITS + 1
    previous, row = [0], list(range(len(other) + 1))
    for i, letter in enumerate(word):
        before, previous, row = previous, row, [i + 1]
        for j, another in enumerate(other):
            cost = min(previous[j] + (letter != another), previous[j + 1] + 1, row[j] + 1)
            if i and j and letter == other[j - 1] and another == word[i - 1]:
                cost = min(cost, before[j - 1] + 1)
            row.append(cost)
        if min(row) > most:
            return MAX_EDITS + 1
    return row[-1] if row[-1] <= most else MAX_EDITS + 1
