"""Beam search for the most likely continuations.

Deterministic: temperature and the filters of ``sampling.filter_scores`` are not used.
Constraints, the repetition penalty and the bias act as in sampling. Finished continuations are
compared by log-probability / tokens ** length_penalty (Wu et al. 2016), which removes the advantage
of short ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lstmgen.generation.constraints import History
from lstmgen.generation.continuation import Continuation
from lstmgen.generation.details import add_details
from lstmgen.generation.inclusion import check_complete, find_lacking
from lstmgen.generation.next_word import CueReader, check_finite, next_scores, select_rows
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import Scores, add_bias, highest, log_sum_exp


@dataclass
class Beam:
    """One hypothesis in the search, with its summed log-probability in nats."""

    continuation: Continuation
    history: History
    pieces: tuple[Piece, ...] = ()
    log_probability: float = 0.0
    tokens: int = 0

    def score(self, length_penalty: float) -> float:
        """The length-normalized log-probability."""
        length: float = max(1, self.tokens) ** length_penalty
        return self.log_probability / length


def beam_pieces(reader: CueReader, *, samples: int, details: bool) -> Iterator[Piece]:
    """The ``samples`` best continuations, best first; at least as many beams are kept.

    Raises:
        LstmgenError: if fewer include the words of ``must_include``.
    """
    engine, vocabulary = reader.generator.engine, reader.generator.vocabulary
    sample, states = reader.sample, reader.states
    width = max(sample.beams or 1, samples)
    live = [Beam(reader.continuation(0), reader.history, tuple(reader.opening_pieces(0)))]
    done: list[Beam] = []
    failed: list[Beam] = []  # without the words of ``must_include``
    while live and len(done) < width and not live[0].continuation.is_full:
        logits = check_finite(engine.logits(states))
        scores = next_scores(
            logits,
            [beam.history for beam in live],
            reader.constraints,
            words=[beam.continuation.words for beam in live],
        )
        ended = [beam for beam, row in zip(live, scores, strict=True) if not np.isfinite(row.max())]
        biased = add_bias(logits.astype(np.float64), reader.constraints.bias)
        totals = _totals(scores, biased, live)
        grown: list[tuple[int, int, Beam]] = []
        for row, word, log_probability in _best(totals, count=2 * width):
            beam = _extend(live[row], vocabulary.entries[word], word, log_probability)
            if details:
                *before, last = beam.pieces
                beam.pieces = (*before, add_details(last, logits[row], word, beam.history))
            if beam.pieces[-1].ended:
                ended.append(beam)
            else:
                grown.append((row, word, beam))
            if len(grown) == width:
                break
        for beam in ended:
            (failed if _lacking(beam, reader) else done).append(beam)
        live = [beam for _, _, beam in grown]
        if live:
            states = select_rows(states, [row for row, _, _ in grown])
            states = engine.read(np.array([word for _, word, _ in grown]), states)
    beams = done + live[: max(0, samples - len(done))]
    for found in (beams, failed):
        found.sort(key=lambda beam: -beam.score(sample.length_penalty))
    if len(beams) < samples and failed:
        check_complete({len(beams): _lacking(failed[0], reader)})
    for number, beam in enumerate(beams[:samples]):
        yield from (replace(piece, sample=number) for piece in beam.pieces)


def _lacking(beam: Beam, reader: CueReader) -> list[str]:
    return find_lacking(beam.pieces, reader.sample, kind=reader.generator.kind)


def _totals(scores: Scores, logits: Scores, live: Sequence[Beam]) -> Scores:
    """The log-probability of each beam with each word, (beams, vocabulary).

    The probability of a word that would repeat something is lost, so that a text that would
    repeat itself is no refuge.
    """
    sums = log_sum_exp(scores)
    for row, beam in enumerate(live):
        repeating = sorted(beam.history.repeating())
        sums[row] = np.logaddexp.reduce([*sums[row], *logits[row, repeating]])
    totals: Scores = scores - np.where(np.isfinite(sums), sums, 0.0)
    totals += np.array([beam.log_probability for beam in live])[:, None]
    return totals


def _best(totals: Scores, *, count: int) -> Iterator[tuple[int, int, float]]:
    """The most likely extensions as (beam, word, total log-probability)."""
    for place in highest(totals.ravel(), count).tolist():
        row, word = divmod(place, totals.shape[1])
        if np.isfinite(totals[row, word]):
            yield row, word, float(totals[row, word])


def _extend(beam: Beam, token: str, word: int, log_probability: float) -> Beam:
    """A copy of a beam, one token longer."""
    continuation, history = beam.continuation.fork(), beam.history.fork()
    piece = continuation.add(token, marks_open=history.marks_open)
    history.add(word)
    return Beam(continuation, history, (*beam.pieces, piece), log_probability, beam.tokens + 1)
