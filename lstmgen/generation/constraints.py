"""What must not be generated: banned words, repeated n-grams, copied passages, unpaired marks.

And what is made more or less likely: the words of ``sample.bias`` and ``sample.must_include``.
"""

import copy
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lstmgen.config.schema import SampleConfig
from lstmgen.config.word_bias import parse_bias
from lstmgen.errors import CheckpointError, UsageError
from lstmgen.generation.balance import Balance, Open, find_balance
from lstmgen.generation.continuation import ending_urge, may_end
from lstmgen.generation.inclusion import Missing, find_required
from lstmgen.generation.ngram_guide import NgramGuide
from lstmgen.generation.repetition import (
    SentenceMarks,
    SentenceMemory,
    find_sentence_marks,
    ngram_length,
)
from lstmgen.generation.sampling import Scores
from lstmgen.generation.word_entries import find_words
from lstmgen.ngrams.kneser_ney import MAX_ORDER
from lstmgen.text.apostrophes import follows_elided, is_elided, is_possessive
from lstmgen.text.copy_index import CopyIndex, RunMeter
from lstmgen.text.passage_unit import WORDS, PassageUnit
from lstmgen.text.spacing import Kind, split_form
from lstmgen.text.vocabulary import STORY, Vocabulary

CONTEXT = MAX_ORDER - 1  # tokens


@dataclass(frozen=True)
class Constraints:
    """The constraints of a sampling config, resolved for one vocabulary."""

    sample: SampleConfig
    forbidden: frozenset[int]  # ids that are never drawn
    bound: "BoundWords | None" = None  # only with the tokenizer ``word``
    unit: PassageUnit = WORDS  # of copied passages
    balance: Balance | None = None  # only with the tokenizer ``word``
    guide: NgramGuide | None = None
    ngram: int | None = None  # length of the n-grams that must not be repeated
    sentences: SentenceMarks | None = None  # only if no sentence must be repeated
    bias: Mapping[int, float] = field(default_factory=dict)  # nats added to logits, by id
    required: tuple[frozenset[int], ...] = ()  # the entries of each word that must be included


def resolve_constraints(
    sample: SampleConfig,
    vocabulary: Vocabulary,
    *,
    kind: Kind,
    bound: "BoundWords | None",
    unit: PassageUnit,
    guide: NgramGuide | None = None,
) -> Constraints:
    """Resolve the constraints of a sampling config.

    Raises:
        CheckpointError, UsageError: if no word is left to draw.
    """
    if len(vocabulary) == len(vocabulary.specials):
        raise CheckpointError("the vocabulary of this model holds no word to draw")
    forbidden = find_words(sample.banned, vocabulary, kind=kind) | set(vocabulary.specials)
    if len(forbidden) == len(vocabulary):
        raise UsageError("sample.banned leaves no word to draw. Ban fewer words")
    story = {vocabulary.ids[STORY]} if sample.stop == "story" else set()
    ids = frozenset(forbidden - story)
    pairs = sample.balance_quotes
    balance = find_balance(vocabulary, ids, pairs=pairs) if kind == "word" else None
    ngram = ngram_length(sample, kind=kind, unit=unit)
    new = sample.beams is not None and ngram is not None
    sentences = find_sentence_marks(vocabulary, kind=kind) if new else None
    bias = find_bias(sample.bias, vocabulary, kind=kind)
    required = find_required(sample, vocabulary, kind=kind, forbidden=ids)
    return Constraints(sample, ids, bound, unit, balance, guide, ngram, sentences, bias, required)


@dataclass(frozen=True)
class BoundWords:
    """Ids of tokens that form one word with a neighbor (``text.contractions``)."""

    possessives: frozenset[int]  # the forms of 's
    stems: frozenset[int] | None  # tokens that 's follows in the training text; None allows any
    elided: frozenset[int]  # the forms of l', d' and qu'
    not_after_elided: frozenset[int]  # tokens that begin with a space or with no vowel

    def ruled_out(self, last: int | None) -> frozenset[int]:
        """The ids that must not follow a token; None is the start."""
        if last in self.elided:
            return self.not_after_elided
        if self.stems is None or last in self.stems:
            return frozenset()
        return self.possessives


def find_bound_words(vocabulary: Vocabulary) -> BoundWords:
    """The bound words of a vocabulary of the tokenizer ``word``."""
    surfaces = [split_form(entry)[0] for entry in vocabulary.entries]
    ids = range(len(surfaces))
    stems, elided = vocabulary.possessive_stems, {i for i in ids if is_elided(surfaces[i])}
    follows = (i for i in ids if follows_elided(surfaces[i]))
    fits = {i for i in follows if surfaces[i] == vocabulary.entries[i]} if elided else set()
    return BoundWords(
        possessives=frozenset(i for i in ids if is_possessive(surfaces[i])),
        stems=None if stems is None else frozenset(stems),
        elided=frozenset(elided),
        not_after_elided=frozenset(set(ids) - fits) if elided else frozenset(),
    )


def find_bias(entries: Iterable[str], vocabulary: Vocabulary, *, kind: Kind) -> dict[int, float]:
    """The nats by which ``sample.bias`` changes the logits, by id; those of one id add up."""
    bias: dict[int, float] = {}
    for word, nats in filter(None, map(parse_bias, entries)):
        for i in find_words([word], vocabulary, kind=kind) - set(vocabulary.specials):
            bias[i] = bias.get(i, 0.0) + nats
    return bias


@dataclass
class NgramMemory:
    """The n-grams of a text so far, by their first n - 1 words."""

    n: int
    last: tuple[int, ...] = ()
    successors: dict[tuple[int, ...], set[int]] = field(default_factory=dict)

    def add(self, word: int) -> None:
        """Add a word."""
        if len(self.last) == self.n - 1:
            self.successors.setdefault(self.last, set()).add(word)
        self.last = (*self.last, word)[-self.n + 1 :] if self.n > 1 else ()

    def completing(self) -> set[int]:
        """The words that would complete an n-gram already in the text."""
        return self.successors.get(self.last, set())


class History:
    """What the constraints need of one sample's tokens so far.

    Args:
        index: of the training text; needed for ``max_copied``.
    """

    def __init__(
        self, constraints: Constraints, *, vocabulary: Vocabulary, index: CopyIndex | None = None
    ) -> None:
        self.constraints = constraints
        self.story = vocabulary.ids[STORY]
        self.breaks = frozenset(vocabulary.specials) | {vocabulary.unknown_id}
        words = (i for i, entry in enumerate(vocabulary.entries) if any(map(str.isalnum, entry)))
        self.word_ids = frozenset(words) - self.breaks  # the repetition penalty is for these
        self.recent: deque[int] = deque(maxlen=constraints.sample.repetition_span)
        n, marks = constraints.ngram, constraints.sentences
        self.ngrams = None if n is None else NgramMemory(n)
        self.sentences = None if marks is None else SentenceMemory(marks)
        self.meter = None if index is None else RunMeter(index)
        self.missing = Missing(())  # set where the continuation begins
        self.last: int | None = None
        self.context: tuple[int, ...] = ()  # the last tokens, as many as n-grams reach back
        self.open = Open()  # quotation marks and brackets
        self.next_ruled_out: frozenset[int] = frozenset()  # for the next token only

    def add(self, word: int) -> None:
        """Add a token."""
        self.last, self.next_ruled_out = word, frozenset()
        self.context = (*self.context[1 - CONTEXT :], word)
        if self.constraints.balance is not None:
            self.open = self.constraints.balance.after(self.open, word)
        if word in self.word_ids:
            self.recent.append(word)
        if self.ngrams is not None and word not in self.breaks:
            self.ngrams.add(word)
        if self.sentences is not None:
            self.sentences = self.sentences.after(word, is_word=word in self.word_ids)
        self.missing = self.missing.after(word, is_word=word in self.word_ids)
        if self.meter is not None and word in self.breaks:
            self.meter.break_run()
        elif self.meter is not None:
            self.meter.add(word)

    def ruled_out(self, *, words: int) -> set[int]:
        """The ids that must not come next, in addition to the forbidden ones.

        Args:
            words: new words so far.
        """
        sample, ids = self.constraints.sample, set(self.next_ruled_out)
        if sample.stop == "story" and (words < max(1, sample.min_words) or self.missing.words):
            ids.add(self.story)
        if self.constraints.bound is not None:
            ids |= self.constraints.bound.ruled_out(self.last)
        ids |= self.repeating()
        if self.meter is not None and sample.max_copied is not None:
            ids |= self.meter.would_exceed(sample.max_copied * self.constraints.unit.per_word)
        return ids

    def repeating(self) -> set[int]:
        """The ids that would repeat an n-gram or a sentence that must not be repeated."""
        ids = set() if self.ngrams is None else set(self.ngrams.completing())
        return ids if self.sentences is None else ids | self.sentences.completing()

    @property
    def marks_open(self) -> bool:
        """Whether a quotation mark or bracket is open."""
        return bool(self.open.families)

    def balance(self, scores: Scores, *, words: int) -> None:
        """Restrict the scores of the next word, (vocabulary,), in place, to keep marks in pairs.

        Args:
            words: new words so far; a mark that is open where the text may end is closed.
        """
        balance, sample = self.constraints.balance, self.constraints.sample
        if balance is None:
            return
        balance.apply(
            scores,
            self.open,
            last=self.last,
            must_close=may_end(sample, words) and balance.must_close(self.open, self.last),
            urge=ending_urge(sample, words),
        )

    def fork(self) -> "History":
        """An independent copy."""
        other = copy.copy(self)
        other.recent = self.recent.copy()
        if self.ngrams is not None:
            successors = {before: set(after) for before, after in self.ngrams.successors.items()}
            other.ngrams = NgramMemory(self.ngrams.n, self.ngrams.last, successors)
        if self.meter is not None:
            other.meter = RunMeter(
                self.meter.index, list(self.meter.words), self.meter.run, self.meter.ends
            )
        return other
