"""Words that each continuation must include (``sample.must_include``).

The logits of the words that are missing grow with the continuation, so that each comes where it
fits best. After each of them the growth starts again from 0, which spreads several words over the
text.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import LstmgenError, UsageError, printable
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import Scores
from lstmgen.generation.word_entries import find_words, missing_words
from lstmgen.text.spacing import Kind
from lstmgen.text.vocabulary import Vocabulary

MAX_ATTEMPTS = 10  # to draw a sample that includes the words
URGE, MORE_URGE = 8.0, 2.0  # nats where a word is due, and more with each attempt
DUE = 0.8  # of a continuation's words, at which all words are due
SHORT_STOPS = {"sentence": 15, "line": 40, "paragraph": 40}  # words until such a stop


@dataclass(frozen=True)
class Missing:
    """The words that a continuation still lacks, and the urge to write them.

    The urge grows early and stays low, which leaves time for a place where the word fits. Later
    attempts insist. Of the growths compared (linear, square, square root; to 8, 10, 12, 15 nats),
    this one put words where the model found them most likely.

    Attributes:
        words: the ids of the entries that spell each of them.
        attempt: counted from 0; with each, the words are due sooner.
        since: words of the continuation since one of them, or since its start.
    """

    words: tuple[frozenset[int], ...]
    attempt: int = 0
    since: int = 0

    def after(self, token: int, *, is_word: bool) -> "Missing":
        """What is missing after one more token."""
        if not self.words:
            return self
        left = tuple(ids for ids in self.words if token not in ids)
        return replace(
            self, words=left, since=self.since + is_word if len(left) == len(self.words) else 0
        )

    def urge(self, sample: SampleConfig, words: int) -> float:
        """The nats that are added to the logits of the missing words.

        Args:
            words: of the continuation so far.
        """
        length = min(sample.words, SHORT_STOPS.get(sample.stop, sample.words))
        begun = words - self.since
        due = (DUE * length / (1 + self.attempt) - begun) / max(1, len(self.words))
        most = URGE + MORE_URGE * self.attempt
        return most * math.sqrt(min(1.0, self.since / max(1.0, due)))

    def encourage(self, scores: Scores, sample: SampleConfig, *, words: int) -> None:
        """Raise the scores of the missing words, (vocabulary,), in place."""
        if self.words:
            scores[sorted(frozenset.union(*self.words))] += self.urge(sample, words)


def find_required(
    sample: SampleConfig, vocabulary: Vocabulary, *, kind: Kind, forbidden: Collection[int]
) -> tuple[frozenset[int], ...]:
    """The ids of the entries that spell each word of ``must_include``.

    Raises:
        UsageError: if the model cannot write one of them.
    """
    required = []
    for word in sample.must_include:
        ids = find_words([word], vocabulary, kind=kind) - set(vocabulary.specials)
        if not ids:
            raise UsageError(
                f"--must-include {printable(word)}: the model has no such word. Choose one of its "
                "training text"
            )
        if ids <= set(forbidden):
            raise UsageError(f"--must-include {printable(word)}: --banned excludes this word")
        required.append(ids)
    return tuple(required)


def find_lacking(pieces: Iterable[Piece], sample: SampleConfig, *, kind: Kind) -> list[str]:
    """The words of ``must_include`` that a continuation lacks."""
    if not sample.must_include:
        return []
    return missing_words("".join(piece.text for piece in pieces), sample.must_include, kind=kind)


def check_complete(lacking: Mapping[int, Sequence[str]]) -> None:
    """Check that no sample lacks a word.

    Args:
        lacking: the words that are missing in incomplete samples, by the number of the sample.

    Raises:
        LstmgenError: if there are any.
    """
    for number, words in lacking.items():
        raise LstmgenError(
            f"--must-include: sample {number} lacks {printable(', '.join(words))} after all "
            "attempts, so no text is printed. Raise --words, leave a word out, or take another "
            "--seed"
        )
