"""Interactive writing: a person and the model add to a text in turn.

The state after every step is kept, so undoing a step is free and nothing is read twice.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import UsageError
from lstmgen.generation.constraints import History
from lstmgen.generation.continuation import MAX_WORDLESS, Continuation
from lstmgen.generation.cue import find_entry
from lstmgen.generation.generator import Generator
from lstmgen.generation.next_word import check_finite, next_scores
from lstmgen.generation.numpy_engine import States
from lstmgen.generation.sampling import (
    NONE_LEFT,
    Scores,
    draw,
    filter_scores,
    highest,
    probabilities,
)
from lstmgen.text.reading import normalize, remove_control
from lstmgen.text.spacing import Detokenizer, classify, is_word, place_token, surface_of
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import STORY

SUGGESTIONS = 9


@dataclass(frozen=True)
class Suggestion:
    """A word that may come next."""

    word: int
    surface: str
    probability: float


@dataclass(frozen=True)
class Snapshot:
    """A text with everything that the next step needs."""

    text: str
    states: States
    history: History
    detokenizer: Detokenizer


class Writer:
    """A text written in turn.

    Args:
        sample: the settings; those of where a continuation ends are ignored.
        seed: of the words that the model draws.
    """

    def __init__(self, generator: Generator, sample: SampleConfig, *, seed: int) -> None:
        self.engine, self.vocabulary = generator.engine, generator.vocabulary
        self.kind, self.lowercase = generator.kind, generator.config.data.lowercase
        self.index = generator.copies
        self.sample = sample.model_copy(
            update={"stop": "words", "words": 10_000_000, "min_words": 0, "stop_at": ""}
        )
        self.generator = np.random.default_rng(seed)
        self.constraints = generator.constraints(self.sample)
        history = History(self.constraints, vocabulary=self.vocabulary, index=self.index)
        story = np.array([self.vocabulary.ids[STORY]])
        states = self.engine.read(story, self.engine.zero_states(1))
        self.start = Snapshot("", states, history, Detokenizer(self.kind))
        self.snapshots = [self.start]
        self.last_drawn = 0  # words requested in the last step, for reroll

    @property
    def current(self) -> Snapshot:
        """The current state of the text."""
        return self.snapshots[-1]

    def suggest(self) -> list[Suggestion]:
        """The most likely next words, with the probabilities of being drawn."""
        p = probabilities(self._scores())[0]
        order = highest(p, SUGGESTIONS).tolist()
        return [Suggestion(i, self._surface(i), float(p[i])) for i in order if p[i] > 0]

    def pick(self, number: int) -> None:
        """Accept a suggestion, counted from 1.

        Raises:
            UsageError: if there is no such suggestion.
        """
        suggestions = self.suggest()
        if not 1 <= number <= len(suggestions):
            raise UsageError(f"{number}: there are suggestions 1 to {len(suggestions)}")
        self._step([suggestions[number - 1].word])
        self.last_drawn = 0

    def type(self, text: str) -> list[str]:
        """Add text as typed, with a space before it if needed, and return its unknown words.

        Unknown words are read as ``<unk>``, unknown white space is not read.
        """
        spacing = self.current.detokenizer.spacing
        text = normalize(text, lowercase=self.lowercase)
        first = tokenize(text, kind=self.kind)[:1]
        if first and is_word(self.kind):
            role = classify(surface_of(first[0], self.kind), self.kind)
            placed = place_token(role, spacing, flipped=False, kind=self.kind)
            text = " " * placed.space + text
        tokens = tokenize(text, kind=self.kind, spacing=spacing)
        ids: list[int | None] = []
        unknown = []
        for token in tokens:
            surface = surface_of(token, self.kind)
            entry = find_entry(token, surface, self.vocabulary)
            if entry is None and not surface.isspace():
                unknown.append(surface)
                entry = self.vocabulary.unknown_id
            ids.append(entry)
        if tokens:
            self._step(ids, tokens)
            self.last_drawn = 0
        return unknown

    def go(self, words: int) -> int:
        """Let the model write some words as one step, and return the number written."""
        start, snapshots = self.current, self.snapshots
        self.snapshots = [start]
        continuation = Continuation(0, self.sample, Detokenizer("character"), False)
        while continuation.words < words and continuation.wordless <= MAX_WORDLESS:
            word = int(draw(self._scores(), [self.generator])[0])
            if word == NONE_LEFT:
                break
            self._step([word])
            continuation.add(self._surface(word))
        end, self.snapshots = self.current, snapshots
        changed = end is not start
        if changed:
            self.snapshots.append(end)
        self.last_drawn = words if changed else 0
        return continuation.words

    def reroll(self) -> int:
        """Undo the last drawn step and draw it again.

        Raises:
            UsageError: if the last step was not drawn.
        """
        if not self.last_drawn:
            raise UsageError("the last step was not drawn by the model, there is nothing to reroll")
        words = self.last_drawn
        self.undo()
        return self.go(words)

    def undo(self) -> None:
        """Undo the last step.

        Raises:
            UsageError: if there is no step.
        """
        if len(self.snapshots) == 1:
            raise UsageError("there is nothing to undo")
        self.snapshots.pop()
        self.last_drawn = 0

    def clear(self) -> None:
        """Start again with an empty text."""
        self.snapshots, self.last_drawn = [self.start], 0

    def set_temperature(self, temperature: float) -> None:
        """Set the temperature for the next words."""
        self._set(temperature=temperature)

    def set_cap(self, words: int | None) -> None:
        """Set the maximum length of copied passages in words; None is unlimited.

        Raises:
            UsageError: if there is no index of the training text.
        """
        if words is not None and self.index is None:
            raise UsageError("this checkpoint holds no index of its training text")
        self._set(max_copied=words)

    def _set(self, **changes: float | None) -> None:
        self.sample = self.sample.model_copy(update=changes)
        self.constraints = replace(self.constraints, sample=self.sample)
        for snapshot in (self.start, *self.snapshots):  # an undo returns to the earlier ones
            snapshot.history.constraints = self.constraints

    def _scores(self) -> Scores:
        logits = check_finite(self.engine.logits(self.current.states))
        scores = next_scores(logits, [self.current.history], self.constraints)
        return filter_scores(scores, self.sample)

    def _step(self, ids: Sequence[int | None], tokens: list[str] | None = None) -> None:
        """Add tokens as one step.

        Args:
            ids: to read; None reads nothing.
            tokens: to write; None writes the vocabulary's entries.
        """
        now, text = self.current, self.current.text
        states, history, detokenizer = now.states, now.history.fork(), copy.copy(now.detokenizer)
        for place, word in enumerate(ids):
            token = tokens[place] if tokens else self.vocabulary.entries[word or 0]
            text += remove_control(detokenizer.add(token))
            if word is None:
                continue
            states = self.engine.read(np.array([word]), states)
            history.add(word)
        self.snapshots.append(Snapshot(text, states, history, detokenizer))

    def _surface(self, word: int) -> str:
        return surface_of(self.vocabulary.entries[word], self.kind)
