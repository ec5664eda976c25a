"""What the model thought of a drawn word."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.constraints import History
from lstmgen.generation.pieces import Drawn, Piece
from lstmgen.generation.sampling import highest, probabilities

ALTERNATIVES = 5  # most likely words listed beside a drawn one


def describe(logits: NDArray[np.floating[Any]], word: int) -> Drawn:
    """What a model thought of a word.

    Args:
        logits: (vocabulary,).
    """
    scores = logits.astype(np.float64)
    chances = probabilities(scores[None])[0]
    best = highest(scores, ALTERNATIVES).tolist()
    log_sum = float(np.logaddexp.reduce(scores))
    with np.errstate(invalid="ignore"):
        entropy = log_sum - float(np.sum(np.where(chances > 0, chances * scores, 0.0)))
    before = (scores > scores[word]).sum() + (scores[:word] == scores[word]).sum()
    return Drawn(
        word=word,
        log_probability=min(0.0, float(scores[word]) - log_sum),
        entropy=max(0.0, entropy),
        rank=1 + int(before),
        alternatives=tuple((i, float(chances[i])) for i in best),
    )


def described(
    piece: Piece, logits: NDArray[np.floating[Any]], word: int, history: History
) -> Piece:
    """A piece with what the model thought of its word, already in the history; where
    nothing is shown, the piece as it is.
    """
    if not piece.text:
        return piece
    drawn = describe(logits, word)
    meter = history.meter
    if meter is not None and word in history.word_ids:
        drawn = replace(drawn, run=meter.run, location=meter.location())
    return replace(piece, drawn=drawn)
