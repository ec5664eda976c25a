"""Continuing a cue: the loop that reads, draws, and knows when to stop."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lstmgen.errors import CheckpointError
from lstmgen.generation.cue import Cue
from lstmgen.generation.engine import Engine
from lstmgen.generation.sampling import Settings, choose
from lstmgen.text.tokenizer import Joiner, split_form
from lstmgen.text.vocabulary import STORY, Vocabulary

Stop = Literal["story", "sentence", "words"]

_SENTENCE_ENDS = frozenset(".!?…。！？")
_CLOSERS = frozenset("\"'”’)]»")
_LONGEST_SILENCE = 200  # tokens without a word after which a sample ends, whatever was asked


@dataclass(frozen=True)
class Piece:
    """What one step adds to one sample.

    Attributes:
        sample: its number, from 0.
        text: with the space that stands before it.
        ended: the sample's last piece.
    """

    sample: int
    text: str
    ended: bool = False


@dataclass
class _Sample:
    """One continuation in the making.

    Attributes:
        words: new tokens that hold a letter or digit.
        silence: tokens since the last of them.
        closing: its first sentence has ended; only closing marks may follow.
    """

    number: int
    joiner: Joiner
    typed_space: bool
    words: int = 0
    silence: int = 0
    closing: bool = False

    def take(self, token: str, *, most: int, stop: Stop) -> Piece:
        """Add a drawn token, or end before it."""
        surface = split_form(token)[0] if self.joiner.kind == "word" else token
        text = "" if token == STORY else self.joiner.add(token)
        closes = surface in _CLOSERS and not text.startswith(" ")
        if token == STORY or (self.closing and not closes):
            return Piece(self.number, "", ended=True)
        if self.typed_space:
            text, self.typed_space = text.removeprefix(" "), False
        is_word = any(character.isalnum() for character in surface)
        self.words += is_word
        self.silence = 0 if is_word else self.silence + 1
        self.closing = self.closing or (stop == "sentence" and surface[-1] in _SENTENCE_ENDS)
        ended = self.words >= most or self.silence > _LONGEST_SILENCE
        return Piece(self.number, text, ended=ended)


def continue_cue(
    engine: Engine,
    vocabulary: Vocabulary,
    cue: Cue,
    *,
    samples: int,
    words: int,
    stop: Stop,
    settings: Settings,
    seed: int,
) -> Iterator[Piece]:
    """Continue a cue several times at once.

    The draws of sample k depend on (seed, k) and not on how many samples there are
    (its probabilities do in their last bits, as rows of a batched product do).
    ``<unk>`` is never drawn; ``<story>`` ends a sample under ``stop="story"`` and is
    never drawn otherwise.

    Args:
        words: at most so many new tokens that hold a letter or digit.
        stop: ``sentence`` ends at the first sentence's end, with its closing marks.

    Raises:
        CheckpointError: where the vocabulary has special entries only.
    """
    if len(vocabulary) == len(vocabulary.specials):
        raise CheckpointError("the vocabulary of this model holds no word to draw")
    running = [_Sample(k, copy.copy(cue.joiner), cue.ends_in_space) for k in range(samples)]
    generators = [np.random.default_rng([seed, sample.number]) for sample in running]
    forbidden = vocabulary.specials if stop != "story" else vocabulary.specials[1:]
    states = engine.zero_states(1)
    for word in cue.ids:
        states = engine.read(np.array([word]), states)
    states = [type(s)(*(np.repeat(part, samples, axis=0) for part in s)) for s in states]
    while running and words:
        drawn = choose(
            engine.logits(states),
            [generators[sample.number] for sample in running],
            settings=settings,
            forbidden=forbidden,
        )
        kept = []
        for row, (sample, word) in enumerate(zip(running, drawn.tolist(), strict=True)):
            piece = sample.take(vocabulary.entries[word], most=words, stop=stop)
            yield piece
            if not piece.ended:
                kept.append(row)
        if len(kept) < len(running):
            states = [type(s)(*(part[kept] for part in s)) for s in states]
            drawn, running = drawn[kept], [running[row] for row in kept]
        if running:
            states = engine.read(drawn, states)


def continuations(pieces: Iterator[Piece], samples: int) -> list[str]:
    """The whole text of each sample."""
    texts = [""] * samples
    for piece in pieces:
        texts[piece.sample] += piece.text
    return texts
