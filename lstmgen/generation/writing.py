"""Writing together: a text that a person and the model add to in turn.

The state after every step is kept, so that taking a step back costs nothing and
nothing is read twice.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstmgen.errors import UsageError
from lstmgen.generation.constraints import Constraints, History
from lstmgen.generation.continuing import (
    LONGEST_SILENCE,
    Continuation,
    Ending,
    finite,
    forbidden_ids,
)
from lstmgen.generation.cue import find_entry
from lstmgen.generation.engine import Engine, States
from lstmgen.generation.sampling import (
    NONE_LEFT,
    Scores,
    Settings,
    draw,
    highest,
    probabilities,
    restrict,
    shape,
)
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.reading import normalise, remove_control
from lstmgen.text.spacing import Joiner, Kind, classify, is_word, place_token, surface_of
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import STORY, Vocabulary

SUGGESTIONS = 9
ENDLESS = Ending(words=10_000_000, stop="words")


@dataclass(frozen=True)
class Suggestion:
    """A word that may come next."""

    word: int
    surface: str
    probability: float


@dataclass(frozen=True)
class Moment:
    """Where a text stands: all that the next step needs."""

    text: str
    states: States
    history: History
    joiner: Joiner


class Writer:
    """A text in the making.

    Args:
        seed: of the words that the model draws.
    """

    def __init__(
        self,
        engine: Engine,
        vocabulary: Vocabulary,
        *,
        kind: Kind,
        lowercase: bool,
        settings: Settings,
        constraints: Constraints,
        index: CopyIndex | None,
        seed: int,
    ) -> None:
        self.engine, self.vocabulary, self.kind, self.lowercase = (
            engine,
            vocabulary,
            kind,
            lowercase,
        )
        self.settings, self.index = settings, index
        self.forbidden = forbidden_ids(vocabulary, ENDLESS, constraints)
        self.generator = np.random.default_rng(seed)
        history = History(constraints, vocabulary=vocabulary, index=index)
        states = engine.read(np.array([vocabulary.ids[STORY]]), engine.zero_states(1))
        self.start = Moment("", states, history, Joiner(kind))
        self.moments = [self.start]
        self.last_drawn = 0  # words that the last step drew, for another try

    @property
    def now(self) -> Moment:
        """Where the text stands."""
        return self.moments[-1]

    def suggest(self) -> list[Suggestion]:
        """The likeliest next words, with the probabilities that they are drawn with."""
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
        spacing = self.now.joiner.spacing
        text = normalise(text, lowercase=self.lowercase)
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
        """Let the model write so many words, as one step; how many there were."""
        begun, moments = self.now, self.moments
        self.moments = [begun]
        continuation = Continuation(0, Joiner("character"), False)
        while continuation.words < words and continuation.silence <= LONGEST_SILENCE:
            drawn = int(draw(self._scores(), [self.generator])[0])
            if drawn == NONE_LEFT:
                break
            self._step([drawn])
            continuation.take(self._surface(drawn), ENDLESS)
        end, self.moments = self.now, moments
        drew = end is not begun
        if drew:
            self.moments.append(end)
        self.last_drawn = words if drew else 0
        return continuation.words

    def reroll(self) -> int:
        """Take the last drawn step back and draw anew.

        Raises:
            UsageError: where the last step was not drawn.
        """
        if not self.last_drawn:
            raise UsageError("the last step was not drawn by the model, there is nothing to reroll")
        words = self.last_drawn
        self.undo()
        return self.go(words)

    def undo(self) -> None:
        """Take the last step back.

        Raises:
            UsageError: where there is none.
        """
        if len(self.moments) == 1:
            raise UsageError("there is nothing to undo")
        self.moments.pop()
        self.last_drawn = 0

    def begin_anew(self) -> None:
        """Go back to an empty text."""
        self.moments, self.last_drawn = [self.start], 0

    def set_temperature(self, temperature: float) -> None:
        """Draw bolder or safer words from here on."""
        self.settings = replace(self.settings, temperature=temperature)

    def set_cap(self, words: int | None) -> None:
        """Allow runs of so many copied words from here on; None allows any.

        Raises:
            UsageError: where there is no index of the training words.
        """
        if words is not None and self.index is None:
            raise UsageError("this checkpoint holds no index of its training words")
        for moment in {id(m): m for m in (self.start, *self.moments)}.values():
            history = moment.history  # of all moments: a step back must not bring the old cap back
            history.constraints = replace(history.constraints, max_copied=words)

    def _scores(self) -> Scores:
        history = self.now.history
        scores = restrict(
            finite(self.engine.logits(self.now.states)),
            penalty=self.settings.repetition_penalty,
            forbidden=self.forbidden,
            forbidden_each=[history.ruled_out()],
            recent=[history.recent],
        )
        return shape(scores, self.settings)

    def _step(self, ids: Sequence[int | None], tokens: list[str] | None = None) -> None:
        """Add tokens as one step; without their texts, the vocabulary's.

        Args:
            ids: what is read of each; None reads nothing.
            tokens: what is written.
        """
        now, text = self.now, self.now.text
        states, history, joiner = now.states, now.history.fork(), copy.copy(now.joiner)
        for place, word in enumerate(ids):
            token = tokens[place] if tokens else self.vocabulary.entries[word or 0]
            text += remove_control(joiner.add(token))
            if word is None:
                continue
            states = self.engine.read(np.array([word]), states)
            history.add(word)
        self.moments.append(Moment(text, states, history, joiner))

    def _surface(self, word: int) -> str:
        return surface_of(self.vocabulary.entries[word], self.kind)
