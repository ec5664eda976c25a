"""The entries of a vocabulary, and the tokens of a text, that spell a word."""

from collections.abc import Iterable

from lstmgen.text.copy_index import bare_word
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import Kind, simplify_spelling, surface_of
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import Vocabulary


def find_words(words: Iterable[str], vocabulary: Vocabulary, *, kind: Kind) -> frozenset[int]:
    """The ids of all entries that spell one of some words, ignoring case and typography."""
    wanted = {_fold(normalize(word)) for word in words if word}  # a bare mark is ""
    if not wanted:
        return frozenset()
    entries = enumerate(vocabulary.entries)
    return frozenset(i for i, entry in entries if wanted & _spellings(entry, kind))


def missing_words(text: str, words: Iterable[str], *, kind: Kind) -> list[str]:
    """The words that no token of a text spells, ignoring case and typography."""
    found = {s for token in tokenize(text, kind=kind) for s in _spellings(token, kind)}
    return [word for word in words if _fold(normalize(word)) not in found]


def _spellings(entry: str, kind: Kind) -> set[str]:
    return {_fold(bare_word(entry, kind)), _fold(surface_of(entry, kind))}


def _fold(word: str) -> str:
    return simplify_spelling(word).casefold()


def unmatched_notes(
    option: str, words: Iterable[str], vocabulary: Vocabulary, *, kind: Kind
) -> list[str]:
    """A note for each word of an option that no entry spells."""
    return [
        f"note: {option} {word}: the model has no such word, so this has no effect"
        for word in unmatched_words(words, vocabulary, kind=kind)
    ]


def unmatched_words(words: Iterable[str], vocabulary: Vocabulary, *, kind: Kind) -> list[str]:
    """The words that no entry spells, so banning them has no effect."""
    return [word for word in words if not find_words([word], vocabulary, kind=kind)]
