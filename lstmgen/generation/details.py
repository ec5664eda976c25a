"""A drawn word in the model's own distribution."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.constraints import History
from lstmgen.generation.pieces import Piece, WordDetails
from lstmgen.generation.sampling import highest, log_sum_exp, probabilities

ALTERNATIVES = 5  # most likely words listed with a drawn one


def describe(logits: NDArray[np.floating[Any]], word: int) -> WordDetails:
    """Probability, rank and alternatives of a word; ``logits`` are (vocabulary,)."""
    scores = logits.astype(np.float64)
    p = probabilities(scores[None])[0]
    best = highest(scores, ALTERNATIVES).tolist()
    log_sum = float(log_sum_exp(scores)[0])
    with np.errstate(invalid="ignore"):
        entropy = log_sum - float(np.sum(np.where(p > 0, p * scores, 0.0)))
    higher = (scores > scores[word]).sum() + (scores[:word] == scores[word]).sum()
    return WordDetails(
        word=word,
        log_probability=min(0.0, float(scores[word]) - log_sum),
        entropy=max(0.0, entropy),
        rank=1 + int(higher),
        alternatives=tuple((i, float(p[i])) for i in best),
    )


def add_details(
    piece: Piece, logits: NDArray[np.floating[Any]], word: int, history: History
) -> Piece:
    """Attach the details of a piece's word, which ``history`` already has, unless its text is
    empty."""
    if not piece.text:
        return piece
    details, meter = describe(logits, word), history.meter
    if meter is not None and word in history.word_ids:
        details = replace(details, run=meter.run, location=meter.location())
    return replace(piece, details=details)
