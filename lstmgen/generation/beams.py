"""Beam search: the likeliest whole continuations, not one drawn word after the other.

Deterministic: temperature, top-k, top-p and min-p have no say. What is ruled out and
the repetition penalty act as when drawing. Finished continuations are compared by
log-probability / tokens ** length_penalty (Wu et al. 2016), so that short ones do
not win for being short.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstmgen.generation.constraints import Constraints, History
from lstmgen.generation.continuing import (
    Continuation,
    Ending,
    Piece,
    described,
    finite,
    forbidden_ids,
    read_cue_into,
    ruled_out,
    take_rows,
)
from lstmgen.generation.cue import Cue
from lstmgen.generation.engine import Engine
from lstmgen.generation.sampling import Scores, Settings, highest, restrict
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.vocabulary import Vocabulary


@dataclass
class Beam:
    """One continuation in the search.

    Attributes:
        nats: summed log-probability. tokens: drawn.
    """

    continuation: Continuation
    history: History
    pieces: tuple[Piece, ...] = ()
    nats: float = 0.0
    tokens: int = 0

    def score(self, length_penalty: float) -> float:
        """What finished beams are compared by."""
        length: float = max(1, self.tokens) ** length_penalty
        return self.nats / length


def beam_pieces(
    engine: Engine,
    vocabulary: Vocabulary,
    cue: Cue,
    *,
    samples: int,
    beams: int,
    length_penalty: float,
    settings: Settings,
    ending: Ending,
    constraints: Constraints,
    index: CopyIndex | None,
    details: bool,
) -> Iterator[Piece]:
    """The best continuations, the best one first.

    Args:
        samples: how many of them; as many beams are kept at least.
    """
    forbidden = forbidden_ids(vocabulary, ending, constraints)
    states, history = read_cue_into(engine, vocabulary, cue, constraints, index)
    width = max(beams, samples)
    live = [Beam(Continuation(0, copy.copy(cue.joiner), cue.ends_in_space), history)]
    done: list[Beam] = []
    while live and len(done) < width and ending.words:
        logits = finite(engine.logits(states))
        scores = restrict(
            logits,
            penalty=settings.repetition_penalty,
            forbidden=forbidden,
            forbidden_each=[ruled_out(b.history, b.continuation, ending) for b in live],
            recent=[beam.history.recent for beam in live],
        )
        done += [beam for beam, row in zip(live, scores, strict=True) if not np.isfinite(row.max())]
        grown: list[tuple[int, int, Beam]] = []
        for row, word, nats in _best(scores, live, count=2 * width):
            beam = _extend(live[row], vocabulary, word, nats, ending)
            if details:
                *before, last = beam.pieces
                beam.pieces = (*before, described(last, logits[row], word, beam.history))
            if beam.pieces[-1].ended:
                done.append(beam)
            else:
                grown.append((row, word, beam))
            if len(grown) == width:
                break
        live = [beam for _, _, beam in grown]
        if live:
            states = take_rows(states, [row for row, _, _ in grown])
            states = engine.read(np.array([word for _, word, _ in grown]), states)
    found = done + live[: max(0, samples - len(done))]
    found.sort(key=lambda beam: -beam.score(length_penalty))
    for number, beam in enumerate(found[:samples]):
        yield from (replace(piece, sample=number) for piece in beam.pieces)


def _best(scores: Scores, live: Sequence[Beam], *, count: int) -> Iterator[tuple[int, int, float]]:
    """The likeliest ways to go on: which beam, by which word, to which log-probability."""
    sums = np.logaddexp.reduce(scores, axis=1, keepdims=True)
    totals = scores - np.where(np.isfinite(sums), sums, 0.0)
    totals += np.array([beam.nats for beam in live])[:, None]
    for place in highest(totals.ravel(), count).tolist():
        row, word = divmod(place, totals.shape[1])
        if np.isfinite(totals[row, word]):
            yield row, word, float(totals[row, word])


def _extend(beam: Beam, vocabulary: Vocabulary, word: int, nats: float, ending: Ending) -> Beam:
    """A beam of its own, one token longer."""
    continuation, history = copy.deepcopy(beam.continuation), beam.history.fork()
    piece = continuation.take(vocabulary.entries[word], ending)
    history.add(word)
    return Beam(continuation, history, (*beam.pieces, piece), nats, beam.tokens + 1)
