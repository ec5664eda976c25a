"""From logits to a drawn word, by pure functions in this order:

ruled-out words (special entries, banned words, words that would repeat or copy too much)
-> repetition penalty -> bias -> temperature -> top-k -> top-p -> min-p -> draw.

Each maps scores (batch, vocabulary) to scores; an excluded word has -inf.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import SampleConfig

Scores = NDArray[np.float64]

NONE_LEFT = -1  # drawn if every word is ruled out
BUCKETS, BUCKETS_PER_NAT = 256, 4  # of scores, down from the best; the last has all the rest


def forbid(scores: Scores, ids: Collection[int]) -> Scores:
    """Exclude words from all rows."""
    scores = scores.copy()
    scores[:, list(ids)] = -np.inf
    return scores


def forbid_each(scores: Scores, rows: Sequence[Collection[int]]) -> Scores:
    """Exclude words from each row."""
    if not any(rows):
        return scores
    scores = scores.copy()
    for row, ids in enumerate(rows):
        scores[row, list(ids)] = -np.inf
    return scores


def penalize_repeats(scores: Scores, recent: Sequence[Collection[int]], penalty: float) -> Scores:
    """Make each row's recent words less likely (Keskar et al. 2019, CTRL): divide logits above 0
    by the penalty, multiply those below 0; repetitions in ``recent`` count once."""
    if penalty == 1 or not any(recent):
        return scores
    scores = scores.copy()
    for row, ids in enumerate(recent):
        places = list(set(ids))
        values = scores[row, places]
        scores[row, places] = np.where(values > 0, values / penalty, values * penalty)
    return scores


def add_bias(scores: Scores, bias: Mapping[int, float]) -> Scores:
    """Add nats to the logits of some words, by id, in all rows."""
    if not bias:
        return scores
    scores = scores.copy()
    scores[:, list(bias)] += list(bias.values())
    return scores


def apply_temperature(scores: Scores, temperature: float) -> Scores:
    """Divide by the temperature; at 0 only the most likely word remains (the first, if tied)."""
    best = scores.max(axis=1, keepdims=True)
    if temperature > 0:
        with np.errstate(over="ignore", invalid="ignore"):
            scaled: Scores = scores - best  # so that dividing by 1e-300 does not overflow the best
            scaled /= temperature
        scaled[np.isinf(best[:, 0])] = -np.inf  # rows without any word
        return scaled
    top = np.where(np.isfinite(best), 0.0, -np.inf)
    only = np.full_like(scores, -np.inf)
    np.put_along_axis(only, scores.argmax(axis=1)[:, None], top, axis=1)
    return only


def highest(values: NDArray[np.floating[Any]], count: int) -> NDArray[np.intp]:
    """The indices of the ``count`` highest values, highest first; ties by index."""
    places = np.arange(len(values))
    if count < len(values):
        places = (values >= np.partition(values, -count)[-count]).nonzero()[0]
    return places[np.argsort(-values[places], kind="stable")][:count]


def keep_top_k(scores: Scores, k: int | None) -> Scores:
    """Keep exactly the k most likely words; ties by id."""
    if k is None or k >= scores.shape[1]:
        return scores
    filtered = np.full_like(scores, -np.inf)
    for row, score in enumerate(scores):
        best = highest(score, k)
        filtered[row, best] = score[best]
    return filtered


def keep_top_p(scores: Scores, p: float) -> Scores:
    """Keep the most likely words whose probabilities sum to p (Holtzman et al. 2019).

    The word that reaches p is kept, so at least one remains; ties by id. Sorting the full
    vocabulary would take longer than the model, so words are put into buckets of similar
    score, and only the bucket in which p is reached is sorted.
    """
    if p >= 1:
        return scores
    chances, best = probabilities(scores), scores.max(axis=1, keepdims=True)
    with np.errstate(over="ignore", invalid="ignore"):  # rows without any word
        buckets = np.fmin((best - scores) * BUCKETS_PER_NAT, BUCKETS - 1).astype(np.intp)
    filtered = np.full_like(scores, -np.inf)
    for row, (score, chance, bucket) in enumerate(zip(scores, chances, buckets, strict=True)):
        sums = np.cumsum(np.bincount(bucket, chance, BUCKETS))
        last = min(int(np.searchsorted(sums, p)), BUCKETS - 1)
        ranked = (bucket == last).nonzero()[0]
        ranked = ranked[np.argsort(-score[ranked], kind="stable")]
        before = np.cumsum(chance[ranked]) - chance[ranked] + (sums[last - 1] if last else 0.0)
        inside = bucket < last
        inside[ranked[before < p]] = True
        filtered[row, inside] = score[inside]
    return filtered


def keep_min_p(scores: Scores, p: float) -> Scores:
    """Keep words at least p times as likely as the most likely one (Nguyen et al. 2024)."""
    if p <= 0:
        return scores
    best = scores.max(axis=1, keepdims=True)
    filtered: Scores = np.where(scores >= best + np.log(p), scores, -np.inf)
    return filtered


def probabilities(scores: Scores) -> Scores:
    """The softmax; all 0 for a row without any word."""
    weights = _weights(scores)
    sums = weights.sum(axis=1, keepdims=True)
    weights /= np.where(sums > 0, sums, 1.0)
    return weights


def _weights(scores: Scores) -> Scores:
    """exp(score - best), the softmax before normalization."""
    best = scores.max(axis=1, keepdims=True)
    weights: Scores = scores - np.where(np.isfinite(best), best, 0.0)
    return np.exp(weights, out=weights)


def filter_scores(scores: Scores, sample: SampleConfig) -> Scores:
    """Apply temperature, top-k, top-p and min-p."""
    scores = apply_temperature(scores, sample.temperature)
    scores = keep_top_p(keep_top_k(scores, sample.top_k), sample.top_p)
    return keep_min_p(scores, sample.min_p)


def draw(scores: Scores, generators: Sequence[np.random.Generator]) -> NDArray[np.int64]:
    """Draw one word per row, (batch,), each by one uniform number of its own generator.

    A row without any word gives ``NONE_LEFT``.
    """
    cumulative = np.cumsum(_weights(scores), axis=1)
    ids = np.full(len(scores), NONE_LEFT)
    for row, (sums, generator) in enumerate(zip(cumulative, generators, strict=True)):
        chosen = int(np.searchsorted(sums, generator.random() * sums[-1], side="right"))
        if sums[-1] > 0:
            # Rounding may put the draw after the last word that is not excluded.
            last = int(np.searchsorted(sums, sums[-1]))
            ids[row] = min(chosen, last)
    return ids
