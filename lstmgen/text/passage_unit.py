"""The unit in which copied passages are counted: words, or characters where there are no words.

Scripts that are written without spaces are read character by character (``text.spacing``).
"""

from dataclasses import dataclass

from lstmgen.text.copy_index import bare_word
from lstmgen.text.spacing import UNSPACED, Kind, is_word
from lstmgen.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class PassageUnit:
    """What the length of a copied passage counts.

    Attributes:
        name: ``words`` or ``characters``.
        per_word: how many of them count as one word of a setting in words.
    """

    name: str
    per_word: int


WORDS = PassageUnit("words", 1)
# An English word takes 1 to 4 characters of these scripts (docs/generating.md).
CHARACTERS = PassageUnit("characters", 3)


def passage_unit(vocabulary: Vocabulary, *, kind: Kind) -> PassageUnit:
    """Characters if most words of the training text are characters of unspaced scripts.

    Args:
        vocabulary: with the counts of the training text.
        kind: of tokenizer; only ``word`` reads such scripts by character.
    """
    if not is_word(kind) or not UNSPACED.search("".join(vocabulary.entries)):
        return WORDS
    words = unspaced = 0
    for entry, (form, count) in enumerate(zip(vocabulary.entries, vocabulary.counts, strict=True)):
        if entry not in vocabulary.specials and bare_word(form, kind):
            words += count
            unspaced += count if UNSPACED.match(form) else 0
    return CHARACTERS if 2 * unspaced > words else WORDS
