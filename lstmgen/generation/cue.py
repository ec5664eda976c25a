"""What a cue is read as, block by block, so that its length costs no memory."""

import difflib
from collections.abc import Iterator
from typing import Literal

from lstmgen.errors import UsageError
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import Detokenizer, Kind, simplify_spelling, surface_of
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import STORY, Vocabulary

Unknown = Literal["nearest", "unk", "skip", "error"]

MOST_SEARCHES = 100  # different unknown words of a cue for which a near one is looked for
CLOSE = 0.66  # likeness from which on a spelling counts as near, by difflib's measure


class Cue:
    """How a cue is read: which ids its blocks are, and what was done with unknown words.

    White space at its end is typed, not read. A word whose form against the spacing
    rule is unknown is read as its plain form; white space that is unknown is left out.

    Args:
        oov: what to do with an unknown word: read the nearest one in case or spelling (where
            there is none, as with ``unk``), read the unknown word, leave it out, or raise.

    Attributes:
        replaced: unknown words and what each was read as; None is the unknown word, an
            empty text nothing.
        detokenizer: puts the spaces into what follows.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, kind: Kind, lowercase: bool, oov: Unknown = "nearest"
    ) -> None:
        self.vocabulary, self.kind, self.lowercase, self.oov = vocabulary, kind, lowercase, oov
        self.replaced: dict[str, str | None] = {}
        self.detokenizer = Detokenizer(kind)
        self._held = ""  # white space that may prove to be the cue's end
        self._tokenizer = Tokenizer(kind)

    @property
    def ends_in_space(self) -> bool:
        """Whether the text read so far ends in the space before what follows."""
        return bool(self._held)

    def ids_of(self, block: str) -> Iterator[int]:
        """The ids of the next part of the text, cut where no word is (``read_blocks``)."""
        normal = self._held + normalize(block, lowercase=self.lowercase)
        kept = normal if self.kind == "character" else normal.rstrip(" \t")
        self._held = normal[len(kept) :]
        return self._read(kept)

    def _read(self, text: str) -> Iterator[int]:
        numbers = self._tokenizer.encode(text)
        forms = self._tokenizer.forms()
        tokens = [forms[number] for number in numbers]
        surfaces = [surface_of(token, self.kind) for token in tokens]
        ids = self.vocabulary.ids
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
            known = find_entry(token, surface, self.vocabulary)
            if known is not None:
                yield known
            elif not surface.isspace():  # white space that it never met says nothing to a model
                replacement = self._replace(surface)
                if replacement is None:
                    yield self.vocabulary.unknown_id
                elif replacement:
                    yield ids[replacement]

    def _replace(self, surface: str) -> str | None:
        if surface not in self.replaced:
            if self.oov == "skip":
                self.replaced[surface] = ""
            elif self.oov == "nearest" and len(self.replaced) < MOST_SEARCHES:
                self.replaced[surface] = nearest(surface, self.vocabulary)
            else:
                self.replaced[surface] = None
        return self.replaced[surface]


def read_cue(
    text: str, vocabulary: Vocabulary, *, kind: Kind, lowercase: bool
) -> tuple[Cue, tuple[int, ...]]:
    """A cue whose unknown words stay unknown, and its ids, ``<story>`` first."""
    cue = Cue(vocabulary, kind=kind, lowercase=lowercase, oov="unk")
    return cue, (vocabulary.ids[STORY], *cue.ids_of(text))


def find_entry(token: str, surface: str, vocabulary: Vocabulary) -> int | None:
    """The id that a token is read as: its own, else that of its plain form, else that of the
    same word in another typography (``’`` for ``'``, curly quotes for straight ones)."""
    known = vocabulary.ids.get(token, vocabulary.ids.get(surface))
    if known is None and not surface.isspace():
        spellings = vocabulary.spellings
        known = spellings.get(simplify_spelling(token), spellings.get(simplify_spelling(surface)))
    return known


def nearest(surface: str, vocabulary: Vocabulary) -> str | None:
    """The entry that is most like an unknown word: itself in another case, else the nearest
    spelling; None where nothing is near.
    """
    for variant in (surface.lower(), surface.capitalize(), surface.upper(), surface.title()):
        if vocabulary.ids.get(variant, 0) not in vocabulary.specials:
            return variant
    if not any(map(str.isalnum, surface)):
        return None
    folded = surface.lower()
    near: dict[str, str] = {}
    for entry in vocabulary.entries[len(vocabulary.specials) :]:
        if abs(len(entry) - len(surface)) <= 2 and entry.isalnum():
            near.setdefault(entry.lower(), entry)
    found = difflib.get_close_matches(folded, near, n=1, cutoff=CLOSE)
    return near[found[0]] if found else None
