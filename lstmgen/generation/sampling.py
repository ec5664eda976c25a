"""From logits to one drawn word, as small pure functions applied in this order:

what is ruled out (special entries, banned words, what would repeat or copy too much)
-> repetition penalty -> temperature -> top-k -> top-p -> min-p -> draw.

Each takes and gives (batch, vocabulary) scores; a word that is out has -inf.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import SampleConfig

Scores = NDArray[np.float64]

NONE_LEFT = -1  # drawn where every word is ruled out
CLASSES, CLASSES_PER_NAT = 256, 4  # of scores, down from the best; the last holds the rest


def forbid(scores: Scores, ids: Collection[int]) -> Scores:
    """Rule words out of all rows."""
    scores = scores.copy()
    scores[:, list(ids)] = -np.inf
    return scores


def forbid_each(scores: Scores, rows: Sequence[Collection[int]]) -> Scores:
    """Rule other words out of each row."""
    if not any(rows):
        return scores
    scores = scores.copy()
    for row, ids in enumerate(rows):
        scores[row, list(ids)] = -np.inf
    return scores


def penalise_repeats(scores: Scores, recent: Sequence[Collection[int]], penalty: float) -> Scores:
    """Make recent words less likely (Keskar et al. 2019, CTRL): a logit above 0 is divided
    by the penalty, one below 0 multiplied.

    Args:
        recent: ids, a collection for each row; how often a word is in it does not count.
    """
    if penalty == 1 or not any(recent):
        return scores
    scores = scores.copy()
    for row, ids in enumerate(recent):
        places = list(set(ids))
        values = scores[row, places]
        scores[row, places] = np.where(values > 0, values / penalty, values * penalty)
    return scores


def apply_temperature(scores: Scores, temperature: float) -> Scores:
    """Divide by the temperature; at 0 the likeliest word alone remains (the first, at a tie)."""
    best = scores.max(axis=1, keepdims=True)
    if temperature > 0:
        with np.errstate(over="ignore", invalid="ignore"):
            cooled: Scores = scores - best  # best first: 1e-300 must not overflow it
            cooled /= temperature
        cooled[np.isinf(best[:, 0])] = -np.inf  # of a row that has nothing left, nothing
        return cooled
    top = np.where(np.isfinite(best), 0.0, -np.inf)
    only = np.full_like(scores, -np.inf)
    np.put_along_axis(only, scores.argmax(axis=1)[:, None], top, axis=1)
    return only


def highest(values: NDArray[np.floating[Any]], count: int) -> NDArray[np.intp]:
    """The places of the highest values, the highest first; at a tie the lower place.

    Args:
        values: (n,), of which only those that may be among them are sorted.
    """
    places = np.arange(len(values))
    if count < len(values):
        places = (values >= np.partition(values, -count)[-count]).nonzero()[0]
    return places[np.argsort(-values[places], kind="stable")][:count]


def keep_top_k(scores: Scores, k: int | None) -> Scores:
    """Keep exactly the k likeliest words; at a tie those with the lower id."""
    if k is None or k >= scores.shape[1]:
        return scores
    kept = np.full_like(scores, -np.inf)
    for row, score in enumerate(scores):
        best = highest(score, k)
        kept[row, best] = score[best]
    return kept


def keep_top_p(scores: Scores, p: float) -> Scores:
    """Keep the likeliest words until they have the probability p together (Holtzman et al. 2019).

    The word that reaches p is kept, so one word at least remains; at a tie it is the lower id.
    To rank the whole vocabulary would take longer than the model does. So the words are
    sorted into classes of about the same score first, and only that one is ranked in which
    p is reached.
    """
    if p >= 1:
        return scores
    chances, best = probabilities(scores), scores.max(axis=1, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):  # of a row that has nothing left
        classes = np.fmin((best - scores) * CLASSES_PER_NAT, CLASSES - 1).astype(np.intp)
    kept = np.full_like(scores, -np.inf)
    for row, (score, chance, own) in enumerate(zip(scores, chances, classes, strict=True)):
        sums = np.cumsum(np.bincount(own, chance, CLASSES))
        last = min(int(np.searchsorted(sums, p)), CLASSES - 1)
        ranked = (own == last).nonzero()[0]
        ranked = ranked[np.argsort(-score[ranked], kind="stable")]
        before = np.cumsum(chance[ranked]) - chance[ranked] + (sums[last - 1] if last else 0.0)
        inside = own < last
        inside[ranked[before < p]] = True
        kept[row, inside] = score[inside]
    return kept


def keep_min_p(scores: Scores, p: float) -> Scores:
    """Keep the words that are at least p times as likely as the likeliest (Nguyen et al. 2024)."""
    if p <= 0:
        return scores
    best = scores.max(axis=1, keepdims=True)
    kept: Scores = np.where(scores >= best + np.log(p), scores, -np.inf)
    return kept


def probabilities(scores: Scores) -> Scores:
    """The softmax; a row of which nothing is left is all 0."""
    weights = _weights(scores)
    sums = weights.sum(axis=1, keepdims=True)
    weights /= np.where(sums > 0, sums, 1.0)
    return weights


def _weights(scores: Scores) -> Scores:
    """exp(score - best): the softmax before its sum is divided out."""
    best = scores.max(axis=1, keepdims=True)
    weights: Scores = scores - np.where(np.isfinite(best), best, 0.0)
    return np.exp(weights, out=weights)


def shape(scores: Scores, sample: SampleConfig) -> Scores:
    """From the temperature to min-p: what is left to draw from."""
    scores = apply_temperature(scores, sample.temperature)
    scores = keep_top_p(keep_top_k(scores, sample.top_k), sample.top_p)
    return keep_min_p(scores, sample.min_p)


def draw(scores: Scores, generators: Sequence[np.random.Generator]) -> NDArray[np.int64]:
    """One word a row, each by its own generator (one uniform number a word).

    Returns:
        (batch,) ids; ``NONE_LEFT`` where a row has no word left.
    """
    reached = np.cumsum(_weights(scores), axis=1)
    drawn = np.full(len(scores), NONE_LEFT)
    for row, (sums, generator) in enumerate(zip(reached, generators, strict=True)):
        chosen = int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))
        if sums[-1] > 0:
            # Rounding may put the draw at the very end, behind the last word that is in.
            last = int(np.searchsorted(sums, sums[-1]))
            drawn[row] = min(chosen, last)
    return drawn
