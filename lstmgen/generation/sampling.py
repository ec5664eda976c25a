"""From logits to a drawn word, by pure functions in this order:

ruled-out words (special entries, banned words, words that would repeat or copy too much)
-> repetition penalty -> bias -> temperature -> top-k -> top-p -> min-p -> draw.

Each maps scores (batch, vocabulary) to scores; an excluded word has -inf.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.chosen import TEMPERATURE

Scores = NDArray[np.float64]

NONE_LEFT = -1  # drawn if every word is ruled out


def log_sum_exp(scores: Scores) -> Scores:
    """The logarithm of the summed exponentials over the last axis, which is kept with length 1.

    Some twenty times as fast as ``np.logaddexp.reduce``. -inf if all scores are.
    """
    top = scores.max(axis=-1, keepdims=True)
    shift = np.where(top > -np.inf, top, 0.0)
    with np.errstate(divide="ignore"):
        result: Scores = shift + np.log(np.exp(scores - shift).sum(axis=-1, keepdims=True))
    return result


def forbid(scores: NDArray[np.floating[Any]], ids: Collection[int]) -> Scores:
    """Exclude words from all rows."""
    allowed = scores.astype(np.float64)
    allowed[:, list(ids)] = -np.inf
    return allowed


def forbid_each(scores: Scores, rows: Sequence[Collection[int]]) -> Scores:
    """Exclude words from each row."""
    if not any(rows):
        return scores
    lengths = [len(ids) for ids in rows]
    places = np.repeat(np.arange(len(rows)), lengths)
    scores = scores.copy()
    scores[places, np.fromiter(chain.from_iterable(rows), np.intp, sum(lengths))] = -np.inf
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

    The word that reaches p is kept, so at least one remains; ties by id.
    """
    if p >= 1:
        return scores
    weights, filtered = _weights(scores), np.full_like(scores, -np.inf)
    for row, weight in enumerate(weights):
        kept = _likeliest(weight, p)
        filtered[row, kept] = scores[row, kept]
    return filtered


def _likeliest(weights: NDArray[np.float64], p: float) -> NDArray[np.intp]:
    """The ids of the most likely words, whose weights sum to p of the total; ties by id.

    Sorting the full vocabulary would take longer than the model. So words that are too unlikely
    to be among them are left out: together they have less than 1 - p.
    """
    total = float(weights.sum())
    likely = np.flatnonzero(weights > (1 - p) * total / len(weights))
    if not len(likely):
        return likely
    values = weights[likely]
    ranked = np.sort(values)[::-1]
    count = min(1 + int(ranked.cumsum().searchsorted(p * total)), len(ranked))
    lowest = ranked[count - 1]
    places = np.flatnonzero(values >= lowest)
    if len(places) > count:
        ties = np.flatnonzero(values[places] == lowest)
        places = np.delete(places, ties[count - len(places) :])
    return likely[places]


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
    temperature = TEMPERATURE if sample.temperature is None else sample.temperature
    scores = apply_temperature(scores, temperature)
    scores = keep_top_p(keep_top_k(scores, sample.top_k), sample.top_p)
    return keep_min_p(scores, sample.min_p)


def draw(scores: Scores, generators: Sequence[np.random.Generator]) -> NDArray[np.int64]:
    """Draw one word per row, (batch,), each by one uniform number of its own generator.

    A row without any word gives ``NONE_LEFT``.
    """
    ids = np.full(len(scores), NONE_LEFT)
    for row, (score, generator) in enumerate(zip(scores, generators, strict=True)):
        uniform, left = generator.random(), (score > -np.inf).nonzero()[0]
        if len(left):
            weights = score[left]
            sums = np.exp(weights - weights.max()).cumsum()
            chosen = sums.searchsorted(uniform * sums[-1], side="right")
            # Rounding may put the draw after the last word that has a probability.
            ids[row] = left[min(chosen, sums.searchsorted(sums[-1]))]
    return ids
