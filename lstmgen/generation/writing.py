"""Interactive writing: a person and the model add to a text in turn.

The state after every step is kept, so undoing a step is free and nothing is read twice.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lstmgen.config.loader import override_sample
from lstmgen.config.schema import SampleConfig
from lstmgen.errors import UsageError
from lstmgen.generation.best_of import Text, choose, chooses_sentences
from lstmgen.generation.branch import Branch, Drawing
from lstmgen.generation.constraints import History
from lstmgen.generation.continuation import MAX_WORDLESS, Continuation
from lstmgen.generation.cue import find_entry, needs_space
from lstmgen.generation.generator import Generator
from lstmgen.generation.next_word import check_finite, next_scores
from lstmgen.generation.numpy_engine import Engine, States
from lstmgen.generation.sampling import (
    NONE_LEFT,
    Scores,
    draw,
    filter_scores,
    highest,
    probabilities,
)
from lstmgen.text.reading import normalize, remove_control
from lstmgen.text.spacing import Detokenizer, is_word, surface_of
from lstmgen.text.tokenizer import tokenize

SUGGESTIONS = 9
SENTENCE_WORDS = 60  # after which a suggested sentence ends in any case
MAX_UNDO = 500  # steps; each keeps the whole text


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


@dataclass(frozen=True)
class Sentence:
    """A sentence that may come next."""

    text: str  # with the white space before it
    after: Snapshot  # the text that ends with it


class _Extension:
    """A copy of a snapshot that grows token by token."""

    def __init__(self, start: Snapshot, engine: Engine) -> None:
        self.text, self.states, self.engine = start.text, start.states, engine
        self.history, self.detokenizer = start.history.fork(), copy.copy(start.detokenizer)

    def add(self, word: int, token: str) -> None:
        """Write a token and read it."""
        piece = remove_control(self.detokenizer.add(token))
        self.text += piece if self.text else piece.lstrip(" ")
        self.read(word)

    def read(self, word: int) -> None:
        """Read a token without writing it."""
        self.states = self.engine.read(np.array([word]), self.states)
        self.history.add(word)

    def snapshot(self) -> Snapshot:
        """The text so far; the extension must not grow any more."""
        return Snapshot(self.text, self.states, self.history, self.detokenizer)


class Writer:
    """A text written in turn.

    Args:
        sample: the settings; ``beams``, ``must_include`` and those of where a continuation ends
            are ignored.
        seed: of the words that the model draws.
    """

    def __init__(self, generator: Generator, sample: SampleConfig, *, seed: int) -> None:
        self.model, self.engine, self.vocabulary = generator, generator.engine, generator.vocabulary
        self.kind, self.lowercase = generator.kind, generator.config.data.lowercase
        self.sample = sample.model_copy(
            update={
                "stop": "words",
                "words": 10_000_000,
                "min_words": 0,
                "stop_at": "",
                "beams": None,
                "must_include": [],
            }
        )
        self.seed, self.generator = seed, np.random.default_rng(seed)
        self.constraints = generator.constraints(self.sample)
        history = History(self.constraints, vocabulary=self.vocabulary, index=generator.copies)
        states = self.engine.zero_states(1)
        for word in generator.start_ids(sample):
            states = self.engine.read(np.array([word]), states)
        self.start = Snapshot("", states, history, Detokenizer(self.kind))
        self.snapshots = [self.start]
        self.last_drawn = 0  # words requested in the last step, for reroll

    @property
    def current(self) -> Snapshot:
        """The current state of the text."""
        return self.snapshots[-1]

    def suggest(self) -> list[Suggestion]:
        """The most likely next words, with the probabilities of being drawn."""
        p = probabilities(self._scores(self.current))[0]
        order = highest(p, SUGGESTIONS).tolist()
        return [Suggestion(i, self.model.surface(i), float(p[i])) for i in order if p[i] > 0]

    def pick(self, number: int) -> None:
        """Accept a suggestion, counted from 1.

        Raises:
            UsageError: if there is no such suggestion.
        """
        suggestions = self.suggest()
        if not 1 <= number <= len(suggestions):
            raise UsageError(f"{number}: there are suggestions 1 to {len(suggestions)}")
        extension = _Extension(self.current, self.engine)
        word = suggestions[number - 1].word
        extension.add(word, self.vocabulary.entries[word])
        self._append(extension.snapshot())

    def suggest_sentences(self, count: int) -> list[Sentence]:
        """Draw continuations of the text, each to the end of its sentence.

        Every call draws others. Nothing is returned if no word is left to draw.
        """
        sample = self.sample.model_copy(update={"stop": "sentence"})
        drawn = [self._draw(self.current, sample, words=SENTENCE_WORDS)[0] for _ in range(count)]
        place = len(self.current.text)
        return [Sentence(after.text[place:], after) for after in drawn if after is not self.current]

    def accept(self, sentence: Sentence) -> None:
        """Accept a sentence suggested for the current text, as one step."""
        self._append(sentence.after)

    def type(self, text: str) -> list[str]:
        """Add text as typed, with a space before it if needed, and return its unknown words.

        Unknown words are read as ``<unk>``, unknown white space is not read.
        """
        after, unknown = self._read(self.current, text)
        if after.text != self.current.text:
            self._append(after)
        return unknown

    def begin_paragraph(self) -> None:
        """Add an empty line, or a line end if that is how the training text ends paragraphs."""
        known = self.vocabulary.ids
        self.type("\n" if is_word(self.kind) and "\n" in known and "\n\n" not in known else "\n\n")

    def replace(self, text: str) -> list[str]:
        """Replace the text by another as one step, and return its unknown words.

        If nothing has been written yet, this is no step: undoing cannot take the text away.
        """
        after, unknown = self._read(self.start, text)
        if self.current is self.start:
            self.snapshots = []
        self._append(after)
        return unknown

    def go(self, words: int) -> int:
        """Let the model write some words as one step, and return the number written."""
        return self._go(self.snapshots, words)

    def reroll(self) -> int:
        """Draw the last drawn step again.

        Raises:
            UsageError: if the last step was not drawn.
        """
        if not self.last_drawn:
            raise UsageError("the last step was not drawn by /go, there is nothing to reroll")
        return self._go(self.snapshots[:-1], self.last_drawn)

    def undo(self) -> None:
        """Undo the last step.

        Raises:
            UsageError: if there is no step.
        """
        if len(self.snapshots) == 1:
            raise UsageError("there is nothing to undo")
        self.snapshots.pop()
        self.last_drawn = 0

    def configure(self, settings: Mapping[str, object]) -> None:
        """Change settings of the section ``sample`` for the next words.

        Raises:
            ConfigError: if a value is not allowed.
            UsageError: if ``max_copied`` needs an index that the checkpoint lacks.
        """
        sample = override_sample(self.sample, settings)
        self.constraints = self.model.constraints(sample)
        self.sample = sample
        for snapshot in (self.start, *self.snapshots):  # an undo returns to the earlier ones
            snapshot.history.constraints = self.constraints

    def _go(self, snapshots: list[Snapshot], words: int) -> int:
        after, written = self._draw(snapshots[-1], self.sample, words=words)
        changed = after is not snapshots[-1]
        self.snapshots = snapshots
        if changed:
            self._append(after)
        self.last_drawn = words if changed else 0
        return written

    def _append(self, snapshot: Snapshot) -> None:
        self.snapshots = [*self.snapshots[-MAX_UNDO:], snapshot]
        self.last_drawn = 0

    def _draw(self, start: Snapshot, sample: SampleConfig, *, words: int) -> tuple[Snapshot, int]:
        """Draw words after a text.

        Args:
            sample: where the continuation ends.
            words: at most.

        Returns:
            The text with the continuation, ``start`` itself if nothing was drawn, and the number
            of words.
        """
        if chooses_sentences(sample):
            return self._draw_best(start, sample, words=words)
        extension, drawn = _Extension(start, self.engine), False
        continuation = Continuation(
            0, sample, copy.copy(start.detokenizer), False, self.model.endings
        )
        while continuation.words < words and continuation.wordless <= MAX_WORDLESS:
            word = int(draw(self._scores(extension), [self.generator])[0])
            if word == NONE_LEFT:
                break
            token = self.vocabulary.entries[word]
            piece = continuation.add(token, marks_open=extension.history.marks_open)
            if piece.ended and not piece.text:  # the sentence ends before this token
                break
            extension.add(word, token)
            drawn = True
            if piece.ended:
                break
        return (extension.snapshot() if drawn else start), continuation.words

    def _draw_best(
        self, start: Snapshot, sample: SampleConfig, *, words: int
    ) -> tuple[Snapshot, int]:
        """Draw words sentence by sentence, each the best of several candidates."""
        limited = sample.model_copy(update={"words": words, "hard_limit": True})
        detokenizer = copy.copy(start.detokenizer)
        continuation = Continuation(0, limited, detokenizer, False, self.model.endings)
        seed = (self.seed, int(self.generator.integers(2**31)))
        text = Text(Branch(continuation, start.history.fork(), None, seed), start.states)
        extension, drawing = _Extension(start, self.engine), Drawing(self.model, self.constraints)
        drawn = False
        while text.states is not None:
            for word in choose(drawing, [text])[0].ids:
                extension.add(word, self.vocabulary.entries[word])
                drawn = True
        return (extension.snapshot() if drawn else start), text.branch.continuation.words

    def _read(self, start: Snapshot, text: str) -> tuple[Snapshot, list[str]]:
        """Add a text as typed, whatever the tokenizer makes of it, and list its unknown words."""
        text = normalize(text)
        space = needs_space(text, start.detokenizer, lowercase=self.lowercase)
        text = " " * space + text
        extension, unknown = _Extension(start, self.engine), []
        spoken = normalize(text, lowercase=self.lowercase)
        for token in tokenize(spoken, kind=self.kind, spacing=start.detokenizer.spacing):
            surface = surface_of(token, self.kind)
            entry = find_entry(token, surface, self.vocabulary)
            if entry is None and not surface.isspace():
                unknown.append(surface)
                entry = self.vocabulary.unknown_id
            extension.detokenizer.add(token)
            if entry is not None:
                extension.read(entry)
        extension.text += text
        if text:
            extension.detokenizer.empty = text[-1].isspace()
        return extension.snapshot(), unknown

    def _scores(self, text: Snapshot | _Extension) -> Scores:
        logits = check_finite(self.engine.logits(text.states))
        scores = next_scores(logits, [text.history], self.constraints)
        return filter_scores(scores, self.sample)
