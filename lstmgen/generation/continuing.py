"""Continuing a cue: the loop that reads, draws, and knows when to stop."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lstmgen.errors import CheckpointError, UsageError
from lstmgen.generation.cache import CacheSettings, RecentWords
from lstmgen.generation.constraints import Constraints, History
from lstmgen.generation.cue import Cue
from lstmgen.generation.engine import Engine, States
from lstmgen.generation.sampling import (
    NONE_LEFT,
    Settings,
    draw,
    highest,
    probabilities,
    restrict,
    shape,
)
from lstmgen.text.copy_index import CopyIndex, Location
from lstmgen.text.spacing import Joiner, is_word, surface_of
from lstmgen.text.vocabulary import STORY, Vocabulary

Stop = Literal["story", "paragraph", "sentence", "words"]

_SENTENCE_ENDS = ".!?…。！？"
_CLOSERS = "\"'”’)]»"
LONGEST_SILENCE = 200  # tokens without a word after which a sample ends, whatever was asked
ALTERNATIVES = 5  # likeliest words told beside a drawn one


@dataclass(frozen=True)
class Ending:
    """When a sample ends.

    Attributes:
        words: at most so many new tokens that hold a letter or digit.
        min_words: no earlier than after so many.
        stop: at a story's, a paragraph's or a sentence's end, or by ``words`` only.
        stop_at: a text at which it ends too, that text included; empty for none.
    """

    words: int = 100
    min_words: int = 0
    stop: Stop = "story"
    stop_at: str = ""


@dataclass(frozen=True)
class Drawn:
    """A drawn word as the model saw it: by its own softmax, before any filter.

    Attributes:
        word: its id.
        log_probability: nats, at most 0.
        entropy: of the whole distribution, nats.
        rank: 1 for the likeliest word.
        alternatives: the likeliest words and their probabilities.
        run: words of the training text that it ends; 0 without an index.
        location: where that run stands first.
    """

    word: int
    log_probability: float
    entropy: float
    rank: int
    alternatives: tuple[tuple[int, float], ...]
    run: int = 0
    location: Location | None = None

    @property
    def probability(self) -> float:
        """Of the word, by the model's own softmax."""
        return math.exp(self.log_probability)


@dataclass(frozen=True)
class Piece:
    """What one step adds to one sample.

    Attributes:
        sample: its number, from 0.
        text: with the space that stands before it.
        ended: the sample's last piece.
        drawn: what the model thought; where details are asked for and a token is shown.
    """

    sample: int
    text: str
    ended: bool = False
    drawn: Drawn | None = None


@dataclass
class Continuation:
    """One continuation in the making.

    Attributes:
        typed_space: the cue ended in the space that stands before the first word.
        words: new tokens that hold a letter or digit.
        silence: tokens since the last of them.
        closing: its first sentence has ended; only closing marks may follow.
        tail: the end of its text, as far as ``stop_at`` may begin in it.
    """

    number: int
    joiner: Joiner
    typed_space: bool
    words: int = 0
    silence: int = 0
    closing: bool = False
    tail: str = ""

    def take(self, token: str, ending: Ending) -> Piece:
        """Add a drawn token, or end before it."""
        surface = surface_of(token, self.joiner.kind)
        text = "" if token == STORY else self.joiner.add(token)
        if self._ends_before(token, surface, text, ending):
            return Piece(self.number, "", ended=True)
        if self.typed_space:
            text, self.typed_space = text.removeprefix(" "), False
        is_word = any(character.isalnum() for character in surface)
        self.words += is_word
        self.silence = 0 if is_word else self.silence + 1
        if ending.stop == "sentence":
            last = surface.rstrip(_CLOSERS)[-1:]
            closes = surface[-1] in _CLOSERS and not last and self.closing
            self.closing = self.words >= ending.min_words and (
                closes or (last != "" and last in _SENTENCE_ENDS)
            )
        wanted = ending.stop_at if self.words >= ending.min_words else ""
        text, found = self._cut(text, wanted)
        ended = found or self.words >= ending.words or self.silence > LONGEST_SILENCE
        return Piece(self.number, text, ended=ended)

    def _ends_before(self, token: str, surface: str, text: str, ending: Ending) -> bool:
        if token == STORY:
            return True
        if ending.stop == "paragraph" and "\n" in surface:
            return self.words >= max(1, ending.min_words)
        if not self.closing or text.startswith(" ") or surface[0].isspace():
            return self.closing
        # What follows without a space: closing marks, more end marks, or (of characters) 3.5
        return is_word(self.joiner.kind) and surface not in _CLOSERS + _SENTENCE_ENDS

    def _cut(self, text: str, stop_at: str) -> tuple[str, bool]:
        """A text up to the end of ``stop_at``, and whether that has come."""
        if not stop_at:
            return text, False
        whole = self.tail + text
        place = whole.find(stop_at)
        if place < 0:
            self.tail = whole[max(0, len(whole) - len(stop_at) + 1) :]
            return text, False
        return whole[len(self.tail) : place + len(stop_at)], True


@dataclass
class _Live:
    """A sample that goes on."""

    continuation: Continuation
    generator: np.random.Generator
    history: History
    recent: RecentWords | None


def continue_cue(
    engine: Engine,
    vocabulary: Vocabulary,
    cue: Cue,
    *,
    samples: int,
    seed: int,
    settings: Settings,
    ending: Ending,
    constraints: Constraints = Constraints(),  # noqa: B008 (frozen)
    cache: CacheSettings = CacheSettings(),  # noqa: B008 (frozen)
    index: CopyIndex | None = None,
    details: bool = False,
) -> Iterator[Piece]:
    """Continue a cue several times at once.

    The draws of sample k depend on (seed, k) and not on how many samples there are
    (its probabilities do in their last bits, as rows of a batched product do).
    ``<unk>`` is never drawn; ``<story>`` ends a sample under ``stop="story"`` and is
    never drawn otherwise. A sample of which no word is left to draw ends.

    Args:
        cache: of the last words, mixed with the model before anything is ruled out.
        index: of the training text; needed for ``max_copied`` and told in details.
        details: tell what the model thought of each word.

    Raises:
        CheckpointError: where the model has no word to draw, or no finite probability.
        UsageError: where the settings leave no word to draw.
    """
    forbidden = forbidden_ids(vocabulary, ending, constraints)
    recent = RecentWords(cache, vocab_size=len(vocabulary)) if cache.weight else None
    states, history = read_cue_into(engine, vocabulary, cue, constraints, index, recent=recent)
    running = [
        _Live(
            Continuation(k, copy.copy(cue.joiner), cue.ends_in_space),
            np.random.default_rng([seed, k]),
            history.fork(),
            None if recent is None else recent.fork(),
        )
        for k in range(samples)
    ]
    states = take_rows(states, [0] * samples)
    while running and ending.words:
        logits = finite(engine.logits(states))
        scores = restrict(
            _cached(logits, states, running),
            penalty=settings.repetition_penalty,
            forbidden=forbidden,
            forbidden_each=[ruled_out(s.history, s.continuation, ending) for s in running],
            recent=[live.history.recent for live in running],
        )
        drawn = draw(shape(scores, settings), [live.generator for live in running])
        kept = []
        for row, (live, word) in enumerate(zip(running, drawn.tolist(), strict=True)):
            if word == NONE_LEFT:
                yield Piece(live.continuation.number, "", ended=True)
                continue
            piece = live.continuation.take(vocabulary.entries[word], ending)
            live.history.add(word)
            if live.recent is not None:
                live.recent.add(states[-1].hidden[row], word)
            yield described(piece, logits[row], word, live.history) if details else piece
            if not piece.ended:
                kept.append(row)
        if len(kept) < len(running):
            states = take_rows(states, kept)
            drawn, running = drawn[kept], [running[row] for row in kept]
        if running:
            states = engine.read(drawn, states)


def continuations(pieces: Iterator[Piece], samples: int) -> list[str]:
    """The whole text of each sample."""
    texts = [""] * samples
    for piece in pieces:
        texts[piece.sample] += piece.text
    return texts


def forbidden_ids(
    vocabulary: Vocabulary, ending: Ending, constraints: Constraints
) -> frozenset[int]:
    """What is never drawn.

    Raises:
        CheckpointError, UsageError: where nothing is left.
    """
    if len(vocabulary) == len(vocabulary.specials):
        raise CheckpointError("the vocabulary of this model holds no word to draw")
    out = constraints.banned | set(vocabulary.specials)
    if len(out) == len(vocabulary):
        raise UsageError("sample.banned leaves no word to draw. Ban fewer words")
    return frozenset(out - {0}) if ending.stop == "story" else frozenset(out)


def read_cue_into(
    engine: Engine,
    vocabulary: Vocabulary,
    cue: Cue,
    constraints: Constraints,
    index: CopyIndex | None,
    *,
    recent: RecentWords | None = None,
) -> tuple[States, History]:
    """The state after a cue, for one sample, and what the constraints remember of it.

    Args:
        recent: holds the cue's words too; the first one, which nothing was read before, not.
    """
    history = History(constraints, vocabulary=vocabulary, index=index)
    states = engine.zero_states(1)
    for place, word in enumerate(cue):
        if recent is not None and place:
            recent.add(states[-1].hidden[0], word)
        states = engine.read(np.array([word]), states)
        history.add(word)
    return states, history


def _cached(
    logits: NDArray[np.floating[Any]], states: States, running: Sequence[_Live]
) -> NDArray[np.floating[Any]]:
    """The samples' logits, each mixed with its cache where it has one."""
    mixed = [
        live.recent.mix(row, output)
        for live, row, output in zip(running, logits, states[-1].hidden, strict=True)
        if live.recent is not None
    ]
    return np.stack(mixed) if mixed else logits


def take_rows(states: States, rows: Sequence[int]) -> States:
    """The states of some samples."""
    return [type(state)(*(part[list(rows)] for part in state)) for state in states]


def finite(logits: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Logits, none of which is NaN or infinite upwards.

    Raises:
        CheckpointError: where one is.
    """
    if not np.isfinite(logits.max()):
        raise CheckpointError("the model gives no finite probabilities: its weights are damaged")
    return logits


def describe(logits: NDArray[np.floating[Any]], word: int) -> Drawn:
    """What a model thought of a word.

    Args:
        logits: (vocabulary,).
    """
    scores = logits.astype(np.float64)
    chances = probabilities(scores[None])[0]
    best = highest(scores, ALTERNATIVES).tolist()
    log_sum = float(np.logaddexp.reduce(scores))
    with np.errstate(invalid="ignore"):
        entropy = log_sum - float(np.sum(np.where(chances > 0, chances * scores, 0.0)))
    before = (scores > scores[word]).sum() + (scores[:word] == scores[word]).sum()
    return Drawn(
        word=word,
        log_probability=min(0.0, float(scores[word]) - log_sum),
        entropy=max(0.0, entropy),
        rank=1 + int(before),
        alternatives=tuple((i, float(chances[i])) for i in best),
    )


def described(
    piece: Piece, logits: NDArray[np.floating[Any]], word: int, history: History
) -> Piece:
    """A piece with what the model thought of its word, already in the history; where
    nothing is shown, the piece as it is.
    """
    if not piece.text:
        return piece
    drawn = describe(logits, word)
    meter = history.meter
    if meter is not None and word in history.word_ids:
        drawn = replace(drawn, run=meter.run, location=meter.location())
    return replace(piece, drawn=drawn)


def ruled_out(history: History, continuation: Continuation, ending: Ending) -> set[int]:
    """What a sample must not take next."""
    out = history.ruled_out()
    if ending.stop == "story" and continuation.words < ending.min_words:
        out.add(0)
    return out
