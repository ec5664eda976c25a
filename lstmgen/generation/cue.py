"""Cues as ids, block by block, so memory does not grow with their length."""

import difflib
from collections.abc import Iterator
from typing import Literal

from lstmgen.errors import UsageError
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import Detokenizer, Kind, simplify_spelling, surface_of
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import STORY, Vocabulary

Unknown = Literal["nearest", "unk", "skip", "error"]

MAX_SEARCHES = 100  # unknown words of a cue whose nearest spelling is searched
MIN_SIMILARITY = 0.66  # of a near spelling, by difflib's ratio


class Cue:
    """Encodes a cue and records what unknown words were replaced by.

    Trailing white space is not read. A word whose spacing form is unknown is read as its
    plain form; unknown white space is skipped.

    Args:
        oov: for an unknown word, read the nearest entry in case or spelling (``<unk>`` if
            there is none), read ``<unk>``, skip it, or raise.

    Attributes:
        replacements: what each unknown word was read as; None is ``<unk>``, "" is skipped.
        detokenizer: spaces the words that follow.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, kind: Kind, lowercase: bool, oov: Unknown = "nearest"
    ) -> None:
        self.vocabulary, self.kind, self.lowercase, self.oov = vocabulary, kind, lowercase, oov
        self.replacements: dict[str, str | None] = {}
        self.detokenizer = Detokenizer(kind)
        self._trailing = ""  # white space that may be the cue's end
        self._tokenizer = Tokenizer(kind)

    @property
    def ends_in_space(self) -> bool:
        """Whether the text so far ends in white space."""
        return bool(self._trailing)

    def ids_of(self, block: str) -> Iterator[int]:
        """The ids of the next block, which begins and ends between words (``read_blocks``)."""
        text = self._trailing + normalize(block, lowercase=self.lowercase)
        stripped = text if self.kind == "character" else text.rstrip(" \t")
        self._trailing = text[len(stripped) :]
        return self._read(stripped)

    def _read(self, text: str) -> Iterator[int]:
        numbers = self._tokenizer.encode(text)
        forms = self._tokenizer.forms()
        tokens = [forms[number] for number in numbers]
        surfaces = [surface_of(token, self.kind) for token in tokens]
        if self.oov == "error":
            unknown = [
                surface
                for token, surface in zip(tokens, surfaces, strict=True)
                if find_entry(token, surface, self.vocabulary) is None and not surface.isspace()
            ]
            if unknown:
                names = ", ".join(dict.fromkeys(unknown))
                raise UsageError(
                    f"--oov error: the cue has words that the model does not know: {names}. "
                    "Use other words, or --oov nearest, unk or skip"
                )
        for token, surface in zip(tokens, surfaces, strict=True):
            self.detokenizer.add(token)
            entry = find_entry(token, surface, self.vocabulary)
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
    text: str, vocabulary: Vocabulary, *, kind: Kind, lowercase: bool
) -> tuple[Cue, tuple[int, ...]]:
    """Read a cue with ``oov: unk``; return it and its ids, ``<story>`` first."""
    cue = Cue(vocabulary, kind=kind, lowercase=lowercase, oov="unk")
    return cue, (vocabulary.ids[STORY], *cue.ids_of(text))


def find_entry(token: str, surface: str, vocabulary: Vocabulary) -> int | None:
    """The id of a token, else of its plain form, else of the same word in another typography
    (``’`` for ``'``, curly quotes for straight ones); None if unknown."""
    entry = vocabulary.ids.get(token, vocabulary.ids.get(surface))
    if entry is None and not surface.isspace():
        spellings = vocabulary.spellings
        entry = spellings.get(simplify_spelling(token), spellings.get(simplify_spelling(surface)))
    return entry


def nearest(surface: str, vocabulary: Vocabulary) -> str | None:
    """The entry most similar to an unknown word: in another case, else in spelling, or None."""
    for variant in (surface.lower(), surface.capitalize(), surface.upper(), surface.title()):
        if vocabulary.ids.get(variant, 0) not in vocabulary.specials:
            return variant
    if not any(map(str.isalnum, surface)):
        return None
    candidates: dict[str, str] = {}
    for entry in vocabulary.entries[len(vocabulary.specials) :]:
        if abs(len(entry) - len(surface)) <= 2 and entry.isalnum():
            candidates.setdefault(entry.lower(), entry)
    best = difflib.get_close_matches(surface.lower(), candidates, n=1, cutoff=MIN_SIMILARITY)
    return candidates[best[0]] if best else None
