"""Writing together: a text that a person and the model add to in turn.

The state after every step is kept, so that undoing a step costs nothing and
nothing is read twice.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import UsageError
from lstmgen.generation.constraints import History
from lstmgen.generation.cue import find_entry
from lstmgen.generation.ending import LONGEST_SILENCE, Continuation
from lstmgen.generation.engine import States
from lstmgen.generation.generator import Generator
from lstmgen.generation.sampling import NONE_LEFT, Scores, draw, highest, probabilities, shape
from lstmgen.generation.stepping import finite, next_scores
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
class Moment:
    """The state of a text: everything that the next step needs."""

    text: str
    states: States
    history: History
    detokenizer: Detokenizer


class Writer:
    """A text in the making.

    Args:
        sample: the settings; where a continuation ends does not matter here.
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
        self.start = Moment("", states, history, Detokenizer(self.kind))
        self.moments = [self.start]
        self.last_drawn = 0  # words that the last step drew, for another try

    @property
    def now(self) -> Moment:
        """The current state of the text."""
        return self.moments[-1]

    def suggest(self) -> list[Suggestion]:
        """The most likely next words, with the probabilities that they are drawn with."""
        chances = probabilities(self._scores())[0]
        order = highest(chances, SUGGESTIONS).tolist()
        return [Suggestion(i, self._surface(i), float(chances[i])) for i in order if chances[i] > 0]

    def pick(self, number: int) -> None:
        """Take a suggestion, counted from 1.

        Raises:
            UsageError: where there is no such suggestion.
        """
        offered = self.suggest()
        if not 1 <= number <= len(offered):
            raise UsageError(f"{number}: there are suggestions 1 to {len(offered)}")
        self._step([offered[number - 1].word])
        self.last_drawn = 0

    def type(self, text: str) -> list[str]:
        """Add one's own words as they stand, with a space before them where one belongs.

        Those that the model does not know are read as unknown words; white space that
        it never met is not read.

        Returns:
            The unknown ones.
        """
        spacing = self.now.detokenizer.spacing
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
            known = find_entry(token, surface, self.vocabulary)
            if known is None and not surface.isspace():
                unknown.append(surface)
                known = self.vocabulary.unknown_id
            ids.append(known)
        if tokens:
            self._step(ids, tokens)
            self.last_drawn = 0
        return unknown

    def go(self, words: int) -> int:
        """Let the model write some words, as one step; returns how many it wrote."""
        begun, moments = self.now, self.moments
        self.moments = [begun]
        continuation = Continuation(0, self.sample, Detokenizer("character"), False)
        while continuation.words < words and continuation.silence <= LONGEST_SILENCE:
            drawn = int(draw(self._scores(), [self.generator])[0])
            if drawn == NONE_LEFT:
                break
            self._step([drawn])
            continuation.take(self._surface(drawn))
        end, self.moments = self.now, moments
        drew = end is not begun
        if drew:
            self.moments.append(end)
        self.last_drawn = words if drew else 0
        return continuation.words

    def reroll(self) -> int:
        """Undo the last drawn step and draw it again.

        Raises:
            UsageError: where the last step was not drawn.
        """
        if not self.last_drawn:
            raise UsageError("the last step was not drawn by the model, there is nothing to reroll")
        words = self.last_drawn
        self.undo()
        return self.go(words)

    def undo(self) -> None:
        """Undo the last step.

        Raises:
            UsageError: where there is none.
        """
        if len(self.moments) == 1:
            raise UsageError("there is nothing to undo")
        self.moments.pop()
        self.last_drawn = 0

    def clear(self) -> None:
        """Go back to an empty text."""
        self.moments, self.last_drawn = [self.start], 0

    def set_temperature(self, temperature: float) -> None:
        """Set the temperature of what is drawn from here on."""
        self._set(temperature=temperature)

    def set_cap(self, words: int | None) -> None:
        """Allow copied passages of up to this many words from here on; None: any.

        Raises:
            UsageError: where there is no index of the training text.
        """
        if words is not None and self.index is None:
            raise UsageError("this checkpoint holds no index of its training text")
        self._set(max_copied=words)

    def _set(self, **changes: float | None) -> None:
        self.sample = self.sample.model_copy(update=changes)
        self.constraints = replace(self.constraints, sample=self.sample)
        for moment in {id(m): m for m in (self.start, *self.moments)}.values():
            moment.history.constraints = self.constraints  # also where an undo goes back to

    def _scores(self) -> Scores:
        logits = finite(self.engine.logits(self.now.states))
        return shape(next_scores(logits, [self.now.history], self.constraints), self.sample)

    def _step(self, ids: Sequence[int | None], tokens: list[str] | None = None) -> None:
        """Add tokens as one step; without their texts, the vocabulary's.

        Args:
            ids: what is read of each; None reads nothing.
            tokens: what is written.
        """
        now, text = self.now, self.now.text
        states, history, detokenizer = now.states, now.history.fork(), copy.copy(now.detokenizer)
        for place, word in enumerate(ids):
            token = tokens[place] if tokens else self.vocabulary.entries[word or 0]
            text += remove_control(detokenizer.add(token))
            if word is None:
                continue
            states = self.engine.read(np.array([word]), states)
            history.add(word)
        self.moments.append(Moment(text, states, history, detokenizer))

    def _surface(self, word: int) -> str:
        return surface_of(self.vocabulary.entries[word], self.kind)
