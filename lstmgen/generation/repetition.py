"""What a continuation must not repeat: n-grams, and sentences in a beam search."""

from dataclasses import dataclass

from lstmgen.config.schema import SampleConfig
from lstmgen.text.passage_unit import PassageUnit
from lstmgen.text.sentences import ABBREVIATIONS, SENTENCE_ENDS, is_initial
from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import Vocabulary

BEAM_NGRAM = 3  # words that a beam search does not repeat (Paulus et al. 2017)
BEAM_CHARACTERS = 15  # the same with the tokenizer ``character``


def ngram_length(sample: SampleConfig, *, kind: Kind, unit: PassageUnit) -> int | None:
    """The length in tokens of the n-grams that must not be repeated; None allows all."""
    if sample.no_repeat_ngram is not None or sample.beams is None:
        return sample.no_repeat_ngram or None
    return BEAM_CHARACTERS if kind == "character" else BEAM_NGRAM * unit.per_word


@dataclass(frozen=True)
class SentenceMarks:
    """The ids that end sentences, in one vocabulary."""

    ends: frozenset[int]
    abbreviations: frozenset[int]  # words after which a period ends no sentence


def find_sentence_marks(vocabulary: Vocabulary, *, kind: Kind) -> SentenceMarks:
    """The sentence marks of a vocabulary."""
    surfaces = [surface_of(entry, kind) for entry in vocabulary.entries]
    learned = () if vocabulary.style is None else vocabulary.style.abbreviations
    known = {i for i, s in enumerate(surfaces) if s.lower() in ABBREVIATIONS or is_initial(s)}
    return SentenceMarks(
        frozenset(i for i, s in enumerate(surfaces) if s in SENTENCE_ENDS),
        frozenset(learned) | known,
    )


@dataclass(frozen=True)
class SentenceMemory:
    """The sentences of a text so far, each as its words, without punctuation."""

    marks: SentenceMarks
    words: tuple[int, ...] = ()  # of the current sentence
    sentences: frozenset[tuple[int, ...]] = frozenset()

    def after(self, token: int, *, is_word: bool) -> "SentenceMemory":
        """The sentences after one more token."""
        if is_word:
            return SentenceMemory(self.marks, (*self.words, token), self.sentences)
        if token not in self.marks.ends or not self._may_end():
            return self
        return SentenceMemory(self.marks, (), self.sentences | {self.words})

    def completing(self) -> frozenset[int]:
        """The tokens that would end a sentence already in the text."""
        return self.marks.ends if self.words in self.sentences and self._may_end() else frozenset()

    def _may_end(self) -> bool:
        return bool(self.words) and self.words[-1] not in self.marks.abbreviations
