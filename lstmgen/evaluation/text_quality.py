"""Length of sentences, dialogue, quotation marks and brackets, and the ends of texts."""

import re
import statistics
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lstmgen.generation.continuation import Endings
from lstmgen.text.marks import OPENERS, QUOTES, SINGLE, unbalanced_families
from lstmgen.text.sentences import ends_inside, split_paragraphs, split_sentences
from lstmgen.text.tokenizer import tokenize

QUOTATIONS = {  # family: what begins a quotation
    **{family: f"[{marks}]" for family, marks in QUOTES.items()},
    "single curly": "‘",
    SINGLE: r"(?<![\w'’])'(?=\w)",
    "corner": "「",
    "white corner": "『",
}


@dataclass(frozen=True)
class TextQuality:
    """Counts over texts; only the properties divide.

    Attributes:
        words: tokens with a letter or digit.
        sentence_lengths: words of each sentence that ends.
        dialogue: paragraphs with a quotation.
        unbalanced: paragraphs with a kind of quotation marks or brackets that is not in pairs.
        unfinished: texts that end inside a sentence.
    """

    texts: int
    words: int
    sentence_lengths: tuple[int, ...]
    paragraphs: int
    dialogue: int
    unbalanced: int
    unfinished: int

    @property
    def mean_sentence(self) -> float | None:
        """Mean words of a sentence; None without one."""
        return statistics.fmean(self.sentence_lengths) if self.sentence_lengths else None

    @property
    def sentence_quartiles(self) -> tuple[float, float, float] | None:
        """Quartiles of the words of a sentence; None with fewer than two."""
        if len(self.sentence_lengths) < 2:
            return None
        first, second, third = statistics.quantiles(self.sentence_lengths, method="inclusive")
        return first, second, third

    @property
    def dialogue_fraction(self) -> float | None:
        """Fraction of the paragraphs with a quotation; None without a paragraph."""
        return self.dialogue / self.paragraphs if self.paragraphs else None

    @property
    def unbalanced_fraction(self) -> float | None:
        """Fraction of the paragraphs with marks that are not in pairs; None without one."""
        return self.unbalanced / self.paragraphs if self.paragraphs else None

    @property
    def unfinished_fraction(self) -> float | None:
        """Fraction of the texts that end inside a sentence; None without one."""
        return self.unfinished / self.texts if self.texts else None


def measure_texts(
    texts: Iterable[str], *, endings: Endings, families: Collection[str] = tuple(OPENERS)
) -> TextQuality:
    """Measure texts.

    Args:
        endings: how sentences and paragraphs end in the training text.
        families: of the marks that the training text has (``text.marks``).
    """
    quotation = re.compile(
        "|".join(QUOTATIONS[family] for family in QUOTATIONS if family in families) or r"(?!)"
    )
    lengths: list[int] = []
    number = words = paragraphs = dialogue = unbalanced = unfinished = 0
    for text in texts:
        parts = split_paragraphs(text, wrapped=endings.wrapped)
        number, words = number + 1, words + count_words(text)
        paragraphs += len(parts)
        dialogue += sum(quotation.search(part) is not None for part in parts)
        unbalanced += sum(bool(unbalanced_families(part)) for part in parts)
        unfinished += ends_inside(text)
        for part in parts:
            lengths += _sentence_lengths(part, endings)
    return TextQuality(number, words, tuple(lengths), paragraphs, dialogue, unbalanced, unfinished)


def count_words(text: str) -> int:
    """The tokens of a text that have a letter or digit."""
    return sum(any(map(str.isalnum, token)) for token in tokenize(text))


def _sentence_lengths(paragraph: str, endings: Endings) -> Iterable[int]:
    for sentence in split_sentences(
        paragraph, cased=endings.cased, abbreviations=endings.abbreviations
    ):
        words = 0 if ends_inside(sentence) else count_words(sentence)
        if words:
            yield words
