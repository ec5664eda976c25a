"""From logits to one drawn word, as small pure functions applied in this order:

forbid -> temperature -> top-k -> top-p -> draw.

Each takes and gives (batch, vocabulary) scores; a word that is out has -inf.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """How words are chosen."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0


def forbid(scores: Scores, ids: Sequence[int]) -> Scores:
    """Rule words out."""
    scores = scores.copy()
    scores[:, list(ids)] = -np.inf
    return scores


def apply_temperature(scores: Scores, temperature: float) -> Scores:
    """Divide by the temperature; at 0 the likeliest word alone remains (the first, at a tie)."""
    best = scores.max(axis=1, keepdims=True)
    if temperature > 0:
        with np.errstate(over="ignore", invalid="ignore"):
            cooled = (scores - best) / temperature  # best first: 1e-300 must not overflow it
        return np.where(scores == best, 0.0, cooled)
    only = np.full_like(scores, -np.inf)
    np.put_along_axis(only, scores.argmax(axis=1)[:, None], 0.0, axis=1)
    return only


def keep_top_k(scores: Scores, k: int | None) -> Scores:
    """Keep exactly the k likeliest words; at a tie those with the lower id."""
    if k is None or k >= scores.shape[1]:
        return scores
    order = np.argsort(-scores, axis=1, kind="stable")[:, k:]
    scores = scores.copy()
    np.put_along_axis(scores, order, -np.inf, axis=1)
    return scores


def keep_top_p(scores: Scores, p: float) -> Scores:
    """Keep the likeliest words until they have the probability p together (Holtzman et al. 2019).

    The word that reaches p is kept, so one word at least remains.
    """
    if p >= 1:
        return scores
    order = np.argsort(-scores, axis=1, kind="stable")
    ranked = np.take_along_axis(probabilities(scores), order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked
    scores = scores.copy()
    out = before >= p
    out[:, 0] = False
    rows, ranks = out.nonzero()
    scores[rows, order[rows, ranks]] = -np.inf
    return scores


def probabilities(scores: Scores) -> Scores:
    """The softmax."""
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Scores = weights / weights.sum(axis=1, keepdims=True)
    return result


def choose(
    logits: NDArray[np.floating[Any]],
    generators: Sequence[np.random.Generator],
    *,
    settings: Settings,
    forbidden: Sequence[int],
) -> NDArray[np.int64]:
    """Draw one word a row, each by its own generator (one uniform number a word).

    Args:
        logits: (batch, vocabulary).
        generators: one a row.
    """
    scores = forbid(logits.astype(np.float64), forbidden)
    scores = apply_temperature(scores, settings.temperature)
    scores = keep_top_p(keep_top_k(scores, settings.top_k), settings.top_p)
    reached = np.cumsum(probabilities(scores), axis=1)
    drawn = np.array([generator.random() for generator in generators]) * reached[:, -1]
    # Rounding may put the draw at the very end, behind the last word that is in.
    last = scores.shape[1] - 1 - np.argmax(np.isfinite(scores)[:, ::-1], axis=1)
    chosen: NDArray[np.int64] = np.minimum((reached <= drawn[:, None]).sum(axis=1), last)
    return chosen
