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
from lstmgen.text.tokenizer import split_form
from lstmgen.text.vocabulary import Vocabulary

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

    The words of sample k depend on (seed, k) and not on how many samples there are.
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
    running = list(range(samples)) if words else []
    joiners = {sample: copy.copy(cue.joiner) for sample in running}
    counts = dict.fromkeys(running, 0)
    silence = dict.fromkeys(running, 0)
    closing: set[int] = set()  # samples that wait for a quote after their last sentence
    generators = {s: np.random.default_rng([seed, s]) for s in running}
    forbidden = vocabulary.specials if stop != "story" else vocabulary.specials[1:]
    states = engine.zero_states(1)
    for word in cue.ids:
        states = engine.read(np.array([word]), states)
    states = [type(s)(*(np.repeat(part, samples, axis=0) for part in s)) for s in states]
    begun: set[int] = set()
    while running:
        drawn = choose(
            engine.logits(states),
            [generators[s] for s in running],
            settings=settings,
            forbidden=forbidden,
        )
        kept: list[int] = []
        for row, (sample, word) in enumerate(zip(running, drawn.tolist(), strict=True)):
            token = vocabulary.entries[word]
            surface = split_form(token)[0] if cue.joiner.kind == "word" else token
            text = "" if word == 0 else joiners[sample].add(token)
            closes = surface in _CLOSERS and not text.startswith(" ")
            if word == 0 or (sample in closing and not closes):
                yield Piece(sample, "", ended=True)
                continue
            if sample not in begun and cue.ends_in_space:
                text = text.removeprefix(" ")
            begun.add(sample)
            is_word = any(character.isalnum() for character in surface)
            counts[sample] += is_word
            silence[sample] = 0 if is_word else silence[sample] + 1
            if stop == "sentence" and surface[-1] in _SENTENCE_ENDS:
                closing.add(sample)
            ended = counts[sample] >= words or silence[sample] > _LONGEST_SILENCE
            yield Piece(sample, text, ended=ended)
            if not ended:
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
