"""Why a word was generated: the training contexts in which the model's state was nearest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lstmgen.cells.building_blocks import Array
from lstmgen.config.schema import SampleConfig
from lstmgen.generation.generator import Generator
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.pieces import join_pieces
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.inspection.nearest_states import NONE, nearest_contexts
from lstmgen.text.corpus import Corpus, Ids
from lstmgen.text.reading import remove_control
from lstmgen.text.spacing import Detokenizer
from lstmgen.text.vocabulary import STORY

COUNT = 3  # contexts for each word
SHOWN, SHOWN_CHARACTERS = 12, 60  # tokens of a context; of one that is read by characters
LEAD = 200  # tokens before them, which say whether a quotation mark opens or closes


@dataclass(frozen=True)
class TrainingContext:
    """A place of the training text.

    Attributes:
        similarity: cosine of the model's state there with the one that predicted the word.
        file, line: of the word that followed, the line counted from 1.
        before: the last words before it, of the same story.
        followed_by: the word that followed. same: whether it is the word that was generated.
    """

    similarity: float
    file: str
    line: int
    before: str
    followed_by: str
    same: bool


@dataclass(frozen=True)
class WordOrigin:
    """A generated word and its nearest training contexts, the nearest first."""

    word: str
    contexts: tuple[TrainingContext, ...]


@dataclass(frozen=True)
class SampleOrigins:
    """A continuation, word by word.

    Attributes:
        text: of the continuation, without the cue.
        replacements: what unknown words of the cue were read as, as in ``Cue``.
    """

    cue: str
    text: str
    seed: int
    words: tuple[WordOrigin, ...]
    replacements: dict[str, str | None]

    @property
    def confirmed(self) -> int:
        """The number of words that also followed in their nearest context."""
        return sum(bool(origin.contexts) and origin.contexts[0].same for origin in self.words)


@dataclass(frozen=True)
class TrainingText:
    """A prepared text and the names of its training files."""

    corpus: Corpus
    names: tuple[str, ...]


def trace_sample(
    generator: Generator,
    text: TrainingText,
    cue: str,
    *,
    sample: SampleConfig,
    seed: int,
    count: int = COUNT,
) -> SampleOrigins:
    """Continue a cue once and find the nearest training contexts of each generated word.

    Raises:
        LstmgenError: as ``generate`` does.
    """
    reader = CueReader(generator, sample, cue)
    pieces = list(continue_cue(reader, samples=1, seed=seed))
    words = [piece.word for piece in pieces if piece.word is not None]
    states, queries = reader.states, []
    for word in words:
        queries.append(states[-1].hidden[0])
        states = generator.engine.read(np.array([word]), states)
    return SampleOrigins(
        cue=remove_control(cue),
        text=join_pieces(pieces, 1)[0],
        seed=seed,
        words=find_origins(generator, text, words, np.array(queries), count=count),
        replacements=reader.cue.replacements,
    )


def find_origins(
    generator: Generator,
    text: TrainingText,
    words: Sequence[int],
    states: Array,
    *,
    count: int = COUNT,
) -> tuple[WordOrigin, ...]:
    """The nearest training contexts of some predicted words.

    A cache or n-grams that helped to choose a word have no part in this: the states are those of
    the network alone.

    Args:
        words: ids, one for each state.
        states: (words, hidden) of the top layer, from which each word was predicted.
    """
    if not words:
        return ()
    found = nearest_contexts(generator.engine, text.corpus.train.ids, states, count=count)
    origins = []
    for word, places, values in zip(words, found.positions, found.similarities, strict=True):
        contexts = (
            _describe(generator, text, place, similarity=value, word=word)
            for place, value in zip(places.tolist(), values.tolist(), strict=True)
            if place != NONE
        )
        origins.append(WordOrigin(generator.surface(word), tuple(contexts)))
    return tuple(origins)


def _describe(
    generator: Generator, text: TrainingText, place: int, *, similarity: float, word: int
) -> TrainingContext:
    """The context before a place of the training text, and the word at that place."""
    file, line = text.corpus.locate(place)
    followed_by = int(text.corpus.train.ids[place])
    return TrainingContext(
        similarity=similarity,
        file=text.names[file],
        line=line,
        before=_words_before(generator, text.corpus.train.ids, place),
        followed_by=generator.surface(followed_by),
        same=followed_by == word,
    )


def _words_before(generator: Generator, ids: Ids, place: int) -> str:
    """The text of the last words before a place, of the same story."""
    vocabulary, detokenizer = generator.vocabulary, Detokenizer(generator.kind)
    shown = SHOWN_CHARACTERS if generator.kind == "character" else SHOWN
    before = ids[max(0, place - LEAD - shown) : place].tolist()
    story, tags = vocabulary.ids[STORY], vocabulary.tags.values()
    if story in before:
        before = before[len(before) - before[::-1].index(story) :]
    pieces = [detokenizer.add(vocabulary.entries[i]) for i in before if i not in tags]
    return "".join(pieces[-shown:]).lstrip(" ")
