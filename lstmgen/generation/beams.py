"""Beam search: the most likely whole continuations, not one drawn word after the other.

Deterministic: temperature and the filters of ``sampling.shape`` are not used. Constraints and
the repetition penalty act as in sampling. Finished continuations are compared by
log-probability / tokens ** length_penalty (Wu et al. 2016), so that short ones do
not win for being short.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstmgen.generation.constraints import History
from lstmgen.generation.details import described
from lstmgen.generation.ending import Continuation
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import Scores, highest
from lstmgen.generation.stepping import CueReader, finite, next_scores, take_rows


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


def beam_pieces(reader: CueReader, *, samples: int, details: bool) -> Iterator[Piece]:
    """The best continuations, the best one first.

    Args:
        samples: how many; at least as many beams are kept.
    """
    engine, vocabulary = reader.generator.engine, reader.generator.vocabulary
    sample, cue, states = reader.sample, reader.cue, reader.states
    width = max(sample.beams or 1, samples)
    first = Continuation(0, sample, copy.copy(cue.detokenizer), cue.ends_in_space)
    live = [Beam(first, reader.history)]
    done: list[Beam] = []
    while live and len(done) < width and sample.words:
        logits = finite(engine.logits(states))
        scores = next_scores(
            logits,
            [beam.history for beam in live],
            reader.constraints,
            words=[beam.continuation.words for beam in live],
        )
        done += [beam for beam, row in zip(live, scores, strict=True) if not np.isfinite(row.max())]
        grown: list[tuple[int, int, Beam]] = []
        for row, word, nats in _best(scores, live, count=2 * width):
            beam = _extend(live[row], vocabulary.entries[word], word, nats)
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
    found.sort(key=lambda beam: -beam.score(sample.length_penalty))
    for number, beam in enumerate(found[:samples]):
        yield from (replace(piece, sample=number) for piece in beam.pieces)


def _best(scores: Scores, live: Sequence[Beam], *, count: int) -> Iterator[tuple[int, int, float]]:
    """The most likely extensions: which beam, by which word, to which log-probability."""
    sums = np.logaddexp.reduce(scores, axis=1, keepdims=True)
    totals = scores - np.where(np.isfinite(sums), sums, 0.0)
    totals += np.array([beam.nats for beam in live])[:, None]
    for place in highest(totals.ravel(), count).tolist():
        row, word = divmod(place, totals.shape[1])
        if np.isfinite(totals[row, word]):
            yield row, word, float(totals[row, word])


def _extend(beam: Beam, token: str, word: int, nats: float) -> Beam:
    """A beam of its own, one token longer."""
    continuation, history = copy.deepcopy(beam.continuation), beam.history.fork()
    piece = continuation.take(token)
    history.add(word)
    return Beam(continuation, history, (*beam.pieces, piece), nats, beam.tokens + 1)
