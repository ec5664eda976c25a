"""What a sample must not hold: banned words, repeated n-grams, runs copied from the corpus."""

import copy
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import CheckpointError, UsageError
from lstmgen.text.contractions import follows_elided, is_elided, is_possessive
from lstmgen.text.copy_index import CopyIndex, RunMeter, bare_word
from lstmgen.text.spacing import Kind, split_form, surface_of
from lstmgen.text.vocabulary import STORY, Vocabulary


@dataclass(frozen=True)
class Constraints:
    """What no continuation may hold: settings, resolved for one vocabulary.

    Attributes:
        sample: the settings (``no_repeat_ngram``, ``max_copied``, ``repetition_span``, ``stop``).
        forbidden: ids that are never drawn.
        bound: which tokens make one word with those beside them; None where none do.
    """

    sample: SampleConfig
    forbidden: frozenset[int]
    bound: "BoundWords | None" = None


def resolve_constraints(
    sample: SampleConfig, vocabulary: Vocabulary, *, kind: Kind, bound: "BoundWords | None"
) -> Constraints:
    """The constraints of some settings.

    Raises:
        CheckpointError, UsageError: where no word is left to draw.
    """
    if len(vocabulary) == len(vocabulary.specials):
        raise CheckpointError("the vocabulary of this model holds no word to draw")
    out = find_words(sample.banned, vocabulary, kind=kind) | set(vocabulary.specials)
    if len(out) == len(vocabulary):
        raise UsageError("sample.banned leaves no word to draw. Ban fewer words")
    story = {vocabulary.ids[STORY]} if sample.stop == "story" else set()
    return Constraints(sample, frozenset(out - story), bound)


@dataclass(frozen=True)
class BoundWords:
    """Tokens that make one word with the token beside them (``text.contractions``), by id.

    Attributes:
        possessives: each 's.
        stems: what a 's may stand behind: what training has before one; None is anything.
        elided: each l', d', qu'.
        not_after_elided: what begins with no vowel, or with a space.
    """

    possessives: frozenset[int]
    stems: frozenset[int] | None
    elided: frozenset[int]
    not_after_elided: frozenset[int]

    def ruled_out(self, last: int | None) -> frozenset[int]:
        """What must not come behind a token; None is the start."""
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
    fits = {i for i in ids if follows_elided(surfaces[i]) and surfaces[i] == vocabulary.entries[i]}
    return BoundWords(
        possessives=frozenset(i for i in ids if is_possessive(surfaces[i])),
        stems=None if stems is None else frozenset(stems),
        elided=frozenset(elided),
        not_after_elided=frozenset(set(ids) - fits) if elided else frozenset(),
    )


def find_words(words: Iterable[str], vocabulary: Vocabulary, *, kind: Kind) -> frozenset[int]:
    """All entries that write one of some words, in whatever case."""
    wanted = {word.casefold() for word in words if word}  # "" is what is bare of a mark
    if not wanted:
        return frozenset()
    return frozenset(
        i
        for i, entry in enumerate(vocabulary.entries)
        if wanted & {bare_word(entry, kind).casefold(), surface_of(entry, kind).casefold()}
    )


def unmatched_words(words: Iterable[str], vocabulary: Vocabulary, *, kind: Kind) -> list[str]:
    """Those of some words that no entry writes: to ban them changes nothing."""
    return [word for word in words if not find_words([word], vocabulary, kind=kind)]


@dataclass
class NgramMemory:
    """The n-grams of a text, and which words would repeat one."""

    n: int
    last: tuple[int, ...] = ()
    followed: dict[tuple[int, ...], set[int]] = field(default_factory=dict)

    def add(self, word: int) -> None:
        """Add a word."""
        if len(self.last) == self.n - 1:
            self.followed.setdefault(self.last, set()).add(word)
        self.last = (*self.last, word)[-self.n + 1 :] if self.n > 1 else ()

    def completing(self) -> set[int]:
        """The words that would end an n-gram which stands in the text already."""
        return self.followed.get(self.last, set())


class History:
    """One sample's words so far, as far as the constraints need them.

    Args:
        vocabulary: whose ids they are.
        index: of the training text; needed for ``max_copied``.
    """

    def __init__(
        self,
        constraints: Constraints,
        *,
        vocabulary: Vocabulary,
        index: CopyIndex | None = None,
    ) -> None:
        self.constraints = constraints
        self.story = vocabulary.ids[STORY]
        self.breaks = frozenset(vocabulary.specials) | {vocabulary.unknown_id}
        words = (i for i, entry in enumerate(vocabulary.entries) if any(map(str.isalnum, entry)))
        self.word_ids = frozenset(words) - self.breaks  # what the repetition penalty is for
        self.recent: deque[int] = deque(maxlen=constraints.sample.repetition_span)
        n = constraints.sample.no_repeat_ngram
        self.ngrams = None if n is None else NgramMemory(n)
        self.meter = None if index is None else RunMeter(index)
        self.last: int | None = None

    def add(self, word: int) -> None:
        """Add a token."""
        self.last = word
        if word in self.word_ids:
            self.recent.append(word)
        if self.ngrams is not None and word not in self.breaks:
            self.ngrams.add(word)
        if self.meter is not None and word in self.breaks:
            self.meter.break_run()
        elif self.meter is not None:
            self.meter.add(word)

    def ruled_out(self, *, words: int) -> set[int]:
        """The ids that must not come next, besides the forbidden ones.

        Args:
            words: new words so far.
        """
        sample, out = self.constraints.sample, set[int]()
        if sample.stop == "story" and words < sample.min_words:
            out.add(self.story)
        if self.constraints.bound is not None:
            out |= self.constraints.bound.ruled_out(self.last)
        if self.ngrams is not None:
            out |= self.ngrams.completing()
        if self.meter is not None and sample.max_copied is not None:
            out |= self.meter.would_exceed(sample.max_copied)
        return out

    def fork(self) -> "History":
        """A copy that can be continued by itself."""
        twin = copy.copy(self)
        twin.recent = self.recent.copy()
        if self.ngrams is not None:
            followed = {before: set(after) for before, after in self.ngrams.followed.items()}
            twin.ngrams = NgramMemory(self.ngrams.n, self.ngrams.last, followed)
        if self.meter is not None:
            twin.meter = RunMeter(
                self.meter.index, list(self.meter.words), self.meter.run, self.meter.ends
            )
        return twin
