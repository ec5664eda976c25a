"""Continuing a cue that has been read: draw word after word until each sample ends."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.beams import beam_pieces
from lstmgen.generation.cache import RecentWords
from lstmgen.generation.constraints import History
from lstmgen.generation.details import described
from lstmgen.generation.ending import Continuation
from lstmgen.generation.engine import States
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import NONE_LEFT, draw, shape
from lstmgen.generation.stepping import CueReader, finite, next_scores, take_rows


@dataclass
class _Live:
    """A sample that has not ended."""

    continuation: Continuation
    generator: np.random.Generator
    history: History
    recent: RecentWords | None


def continue_cue(
    reader: CueReader, *, samples: int, seed: int, details: bool = False
) -> Iterator[Piece]:
    """Continue a cue, which has been read, several times at once.

    The draws of sample k depend on (seed, k) and not on the number of samples (its
    probabilities do in their last bits, as rows of a batched matmul do). ``<unk>`` is never
    drawn; ``<story>`` ends a sample under ``stop: story`` and is never drawn otherwise. A
    sample of which no word is left to draw ends. With ``beams`` the pieces come when the
    search is over, sample by sample; otherwise as they are drawn.

    Args:
        details: report what the model thought of each word.

    Raises:
        CheckpointError: where the model gives no finite probability.
    """
    sample, cue = reader.sample, reader.cue
    if sample.beams is not None:
        yield from beam_pieces(reader, samples=samples, details=details)
        return
    engine, vocabulary = reader.generator.engine, reader.generator.vocabulary
    running = [
        _Live(
            Continuation(k, sample, copy.copy(cue.detokenizer), cue.ends_in_space),
            np.random.default_rng([seed, k]),
            reader.history.fork(),
            None if reader.recent is None else reader.recent.fork(),
        )
        for k in range(samples)
    ]
    states = take_rows(reader.states, [0] * samples)
    while running and sample.words:
        logits = finite(engine.logits(states))
        scores = next_scores(
            _mixed_with_caches(logits, states, running),
            [live.history for live in running],
            reader.constraints,
            words=[live.continuation.words for live in running],
        )
        drawn = draw(shape(scores, sample), [live.generator for live in running])
        kept = []
        for row, (live, word) in enumerate(zip(running, drawn.tolist(), strict=True)):
            if word == NONE_LEFT:
                yield Piece(live.continuation.number, "", ended=True)
                continue
            piece = live.continuation.take(vocabulary.entries[word])
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


def _mixed_with_caches(
    logits: NDArray[np.floating[Any]], states: States, running: Sequence[_Live]
) -> NDArray[np.floating[Any]]:
    """The samples' logits, each mixed with its cache where it has one."""
    mixed = [
        live.recent.mix(row, output)
        for live, row, output in zip(running, logits, states[-1].hidden, strict=True)
        if live.recent is not None
    ]
    return np.stack(mixed) if mixed else logits
