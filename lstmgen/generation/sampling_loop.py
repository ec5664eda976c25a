"""The sampling loop: continue a cue word by word until each sample ends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.beams import beam_pieces
from lstmgen.generation.cache import RecentWords
from lstmgen.generation.constraints import History
from lstmgen.generation.continuation import Continuation
from lstmgen.generation.details import add_details
from lstmgen.generation.inclusion import MAX_ATTEMPTS, check_complete, find_lacking
from lstmgen.generation.next_word import CueReader, check_finite, next_scores, select_rows
from lstmgen.generation.numpy_engine import States
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import NONE_LEFT, draw, filter_scores


@dataclass
class _ActiveSample:
    continuation: Continuation
    generator: np.random.Generator
    history: History
    recent: RecentWords | None


def continue_cue(
    reader: CueReader, *, samples: int, seed: int, details: bool = False
) -> Iterator[Piece]:
    """Continue a cue that has been read, with several samples in one batch.

    The random numbers of sample k depend on (seed, k), not on the number of samples (the last
    bits of its probabilities do, as in any batched matmul). ``<unk>`` is never drawn;
    ``<story>`` ends a sample under ``stop: story`` and is never drawn otherwise. A sample
    also ends when every word is ruled out. With ``beams`` and ``must_include`` the pieces come
    at the end, sample by sample; otherwise as they are drawn.

    Args:
        details: attach the model's view of each word.

    Raises:
        CheckpointError: if the model gives no finite probability.
        LstmgenError: if a sample lacks words of ``must_include``.
    """
    reader.finish()
    sample = reader.sample
    if sample.beams is not None:
        yield from beam_pieces(reader, samples=samples, details=details)
        return
    if sample.must_include:
        yield from _draw_including(reader, samples=samples, seed=seed, details=details)
        return
    active = [_start(reader, k, seed=[seed, k]) for k in range(samples)]
    yield from _draw_all(reader, active, details=details)


def _start(reader: CueReader, number: int, *, seed: list[int]) -> _ActiveSample:
    return _ActiveSample(
        reader.continuation(number),
        np.random.default_rng(seed),
        reader.history.fork(),
        None if reader.recent is None else reader.recent.fork(),
    )


def _draw_including(
    reader: CueReader, *, samples: int, seed: int, details: bool
) -> Iterator[Piece]:
    """Draw each sample until it includes the words of ``must_include``."""
    drawn: list[list[Piece]] = [[] for _ in range(samples)]
    kind, lacking = reader.generator.kind, dict.fromkeys(range(samples), reader.sample.must_include)
    for attempt in range(MAX_ATTEMPTS):
        active = [_start(reader, k, seed=[seed, k, *([attempt] * (attempt > 0))]) for k in lacking]
        for current in active:
            drawn[current.continuation.number] = []
            current.history.missing = replace(current.history.missing, attempt=attempt)
        for piece in _draw_all(reader, active, details=details):
            drawn[piece.sample].append(piece)
        found = {k: find_lacking(drawn[k], reader.sample, kind=kind) for k in lacking}
        lacking = {k: words for k, words in found.items() if words}
        if not lacking:
            break
    check_complete(lacking)
    for pieces in drawn:
        yield from pieces


def _draw_all(reader: CueReader, active: list[_ActiveSample], *, details: bool) -> Iterator[Piece]:
    """Draw samples word by word, in one batch."""
    sample = reader.sample
    engine, vocabulary = reader.generator.engine, reader.generator.vocabulary
    for current in active:
        yield from reader.opening_pieces(current.continuation.number)
    active = [current for current in active if not current.continuation.is_full]
    states = select_rows(reader.states, [0] * len(active))
    while active:
        logits = check_finite(engine.logits(states))
        scores = next_scores(
            _mix_with_caches(logits, states, active),
            [s.history for s in active],
            reader.constraints,
            words=[s.continuation.words for s in active],
        )
        words = draw(filter_scores(scores, sample), [s.generator for s in active])
        unfinished = []
        for row, (current, word) in enumerate(zip(active, words.tolist(), strict=True)):
            if word == NONE_LEFT:
                yield Piece(current.continuation.number, "", ended=True)
                continue
            piece = current.continuation.add(
                vocabulary.entries[word], marks_open=current.history.marks_open
            )
            current.history.add(word)
            if current.recent is not None:
                current.recent.add(states[-1].hidden[row], word)
            yield add_details(piece, logits[row], word, current.history) if details else piece
            if not piece.ended:
                unfinished.append(row)
        if len(unfinished) < len(active):
            states = select_rows(states, unfinished)
            words, active = words[unfinished], [active[row] for row in unfinished]
        if active:
            states = engine.read(words, states)


def _mix_with_caches(
    logits: NDArray[np.floating[Any]], states: States, active: Sequence[_ActiveSample]
) -> NDArray[np.floating[Any]]:
    mixed = [
        sample.recent.mix(row, output)
        for sample, row, output in zip(active, logits, states[-1].hidden, strict=True)
        if sample.recent is not None
    ]
    return np.stack(mixed) if mixed else logits
