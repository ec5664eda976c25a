"""Where sentences and paragraphs end."""

import re
from collections.abc import Collection, Iterator

# Marks that end a sentence: Latin and Greek scripts, Devanagari and Bengali, Arabic and Urdu,
# Armenian, Ethiopic, Khmer, Burmese, Tibetan, Chinese and Japanese.
SENTENCE_ENDS = ".!?…‽⁇⁈⁉।॥؟۔։።፧፨។៕။།༎。！？．｡"
PAUSES = ",;:—–-،؛、，；："  # marks that separate parts of a sentence
CLOSING_MARKS = "\"'”’)]}»›“«」』】》〉）"
GREEK_QUESTION = ";"  # NFC has it for U+037E
UNSPACED_ENDS = "。！？．｡"  # the next sentence follows without a space
_END = re.compile(rf"[{re.escape(SENTENCE_ENDS + GREEK_QUESTION)}]+[{re.escape(CLOSING_MARKS)}]*")
_WORD = re.compile(r"[^\W_]+")

# Words before a period that does not end a sentence, in lower case. Words that also end sentences
# (no, art, fig) are left to what the text itself shows.
_ENGLISH = (
    "mr mrs ms messrs dr prof st sr jr rev hon capt col gen lt sgt maj cmdr gov pres esq vs viz cf "
    "vol pp approx inc ltd corp bros"
)
_OTHERS = (  # German, French, Spanish, Italian, Russian
    "hr dipl ing usw bzw ca str mm mme mlle srta sra ud uds dott sig sigg ул им напр"
)
ABBREVIATIONS = frozenset(f"{_ENGLISH} {_OTHERS}".split())


def may_end_sentence(mark: str, previous: str) -> bool:
    """Whether a mark ends a sentence, given the word before it.

    Args:
        mark: one character.
        previous: the last word; empty at the start.
    """
    if mark == GREEK_QUESTION:
        return any("\u0370" <= c <= "\u03ff" or "\u1f00" <= c <= "\u1fff" for c in previous)
    if mark not in SENTENCE_ENDS:
        return False
    return mark != "." or not (is_initial(previous) or previous.lower() in ABBREVIATIONS)


def is_initial(word: str) -> bool:
    """Whether a word is the initial of a name, as in J. S. Bach."""
    return len(word) == 1 and word.isupper() and word != "I"


def continues_sentence(word: str) -> bool:
    """Whether a word after a period shows that the sentence has not ended."""
    return word[:1].islower()


def split_paragraphs(text: str, *, wrapped: bool) -> list[str]:
    """The paragraphs of a text that are not empty.

    Args:
        wrapped: whether lines are wrapped by hand, so that a blank line ends a paragraph.
    """
    end = r"\n\s*\n" if wrapped else r"\n"
    return [part for part in re.split(end, text) if part.strip()]


def split_sentences(
    paragraph: str, *, cased: bool = True, abbreviations: Collection[str] = ()
) -> Iterator[str]:
    """The sentences of a paragraph; the last one may be unfinished.

    Args:
        cased: whether a sentence begins with a capital letter, so that a word in lower case
            continues one, as in "Stop!" he said.
        abbreviations: words after which a period ends no sentence.
    """
    start = 0
    for end in _END.finditer(paragraph):
        rest = paragraph[end.end() :]
        if rest and not rest[0].isspace() and end[0][0] not in UNSPACED_ENDS:
            continue
        if cased and continues_sentence(rest.lstrip()):
            continue
        word = _last_word(paragraph[start : end.start()])
        if word in abbreviations and end[0] == "." or not may_end_sentence(end[0][0], word):
            continue
        yield paragraph[start : end.end()].strip()
        start = end.end()
    if paragraph[start:].strip():
        yield paragraph[start:].strip()


def ends_inside(text: str) -> bool:
    """Whether a text ends inside a sentence: not with a mark that ends one and closing marks."""
    end = text.rstrip().rstrip(CLOSING_MARKS)
    return not end or not may_end_sentence(end[-1], _last_word(end))


def _last_word(text: str) -> str:
    words = _WORD.findall(text[-200:])
    return words[-1] if words else ""
