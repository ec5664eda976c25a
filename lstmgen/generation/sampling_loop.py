"""The sampling loop: continue a cue word by word until each sample ends."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lstmgen.generation.beams import beam_pieces
from lstmgen.generation.best_of import chooses_sentences, draw_best
from lstmgen.generation.branch import Branch, Drawing
from lstmgen.generation.inclusion import MAX_ATTEMPTS, check_complete, find_lacking
from lstmgen.generation.next_word import CueReader, select_rows
from lstmgen.generation.numpy_engine import States
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import NONE_LEFT, draw, filter_scores


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
    active = [_start(reader, k, seed=(seed, k)) for k in range(samples)]
    yield from _draw_all(reader, active, details=details)


def _start(reader: CueReader, number: int, *, seed: tuple[int, ...]) -> Branch:
    recent = None if reader.recent is None else reader.recent.fork()
    return Branch(reader.continuation(number), reader.history.fork(), recent, seed)


def _draw_including(
    reader: CueReader, *, samples: int, seed: int, details: bool
) -> Iterator[Piece]:
    """Draw each sample until it includes the words of ``must_include``."""
    drawn: list[list[Piece]] = [[] for _ in range(samples)]
    kind, lacking = reader.generator.kind, dict.fromkeys(range(samples), reader.sample.must_include)
    for attempt in range(MAX_ATTEMPTS):
        active = [_start(reader, k, seed=(seed, k, *([attempt] * (attempt > 0)))) for k in lacking]
        for branch in active:
            drawn[branch.continuation.number] = []
            branch.history.missing = replace(branch.history.missing, attempt=attempt)
        for piece in _draw_all(reader, active, details=details):
            drawn[piece.sample].append(piece)
        found = {k: find_lacking(drawn[k], reader.sample, kind=kind) for k in lacking}
        lacking = {k: words for k, words in found.items() if words}
        if not lacking:
            break
    check_complete(lacking)
    for pieces in drawn:
        yield from pieces


def _draw_all(reader: CueReader, branches: list[Branch], *, details: bool) -> Iterator[Piece]:
    """Draw samples in one batch, sentence by sentence or word by word."""
    for branch in branches:
        yield from reader.opening_pieces(branch.continuation.number)
    branches = [branch for branch in branches if not branch.continuation.is_full]
    drawing = Drawing(reader.generator, reader.constraints)
    states = select_rows(reader.states, [0] * len(branches))
    draw_samples = draw_best if chooses_sentences(reader.sample) else _draw_words
    yield from draw_samples(drawing, branches, states, details=details)


def _draw_words(
    drawing: Drawing, branches: list[Branch], states: States, *, details: bool
) -> Iterator[Piece]:
    engine, sample = drawing.generator.engine, drawing.constraints.sample
    generators = [np.random.default_rng(branch.seed) for branch in branches]
    while branches:
        logits, scores = drawing.scores(states, branches)
        words = draw(filter_scores(scores, sample), generators)
        unfinished = []
        for row, (branch, word) in enumerate(zip(branches, words.tolist(), strict=True)):
            if word == NONE_LEFT:
                yield Piece(branch.continuation.number, "", ended=True)
                continue
            output = states[-1].hidden[row]
            piece = drawing.add(branch, word, logits[row], output, details=details)
            yield piece
            if not piece.ended:
                unfinished.append(row)
        if len(unfinished) < len(branches):
            states, words = select_rows(states, unfinished), words[unfinished]
            branches = [branches[row] for row in unfinished]
            generators = [generators[row] for row in unfinished]
        if branches:
            states = engine.read(words, states)
