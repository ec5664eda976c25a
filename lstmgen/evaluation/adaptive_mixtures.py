"""Mixtures of a model with a cache, dynamic evaluation and an n-gram model.

Windows, rates and weights are tuned on a validation text, never on the text that is scored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from lstmgen.errors import DataError, counted
from lstmgen.evaluation.cache_mixture import Cache
from lstmgen.evaluation.dynamic import Dynamic, Rule, Sizes, gradient_sizes, read_segments
from lstmgen.evaluation.mixture import Floats, fit_weights, mix, perplexity
from lstmgen.model.language_model import LanguageModel
from lstmgen.ngrams.kneser_ney import KneserNey
from lstmgen.windows.window import Ids

ProgressCallback = Callable[[str, int, int], None]  # stage, words done, words in all

WINDOWS = (500, 2000, 8000)  # cache sizes to try
THETAS = (1.0, 3.0, 10.0, 20.0, 40.0, 80.0)
RATES: dict[Rule, tuple[float, ...]] = {  # of dynamic evaluation
    "rms": (0.03, 0.1, 0.3),
    "sgd": (0.1, 0.3, 1.0),
}
DECAYS = (0.0, 0.001, 0.01)
SEGMENT = 20  # words
TUNING_WORDS = 50_000  # of the validation text, for windows and weights
RATE_WORDS = 15_000  # for rates
MIN_PROBABILITY = 1e-300  # instead of one that overflowed or underflowed
GRADIENT_SEGMENTS = 500  # of the training text, to measure gradients on

STATIC, DYNAMIC, CACHE, NGRAM = "static", "dynamic", "cache", "ngram"
LINES = (  # the parts of each mixture
    (STATIC,),
    (STATIC, CACHE),
    (STATIC, NGRAM),
    (STATIC, CACHE, NGRAM),
    (DYNAMIC,),
    (DYNAMIC, CACHE),
    (DYNAMIC, CACHE, NGRAM),
)


class Line(NamedTuple):
    """A mixture and its perplexity on a text."""

    parts: tuple[str, ...]
    weights: tuple[float, ...]
    perplexity: float


@dataclass(frozen=True)
class Adaptation:
    """The tuned parameters.

    Attributes:
        weights: of each line's parts, in the order of ``LINES``.
        words: of the validation text used for tuning.
    """

    cache_window: int
    cache_theta: float
    dynamic: Dynamic
    weights: tuple[tuple[float, ...], ...]
    words: int


class _Probabilities(NamedTuple):
    """Of a text's scored words."""

    model: Floats  # (words,)
    caches: Floats  # (caches, words)


def tune(
    model: LanguageModel,
    valid: Ids,
    *,
    ngrams: KneserNey | None,
    sizes: Sizes,
    progress: ProgressCallback = lambda *_: None,
) -> tuple[Adaptation, list[Line]]:
    """Tune on the beginning of a validation text, and score it with each line.

    Args:
        sizes: gradient sizes from ``measure``.
    """
    valid = valid[: TUNING_WORDS + 1]
    pairs = [(window, theta) for window in WINDOWS for theta in THETAS]
    static = _read(model, valid, windows=WINDOWS, thetas=THETAS, progress=progress, stage="cache")
    perplexities = [_fit(np.stack([static.model, cache]))[1] for cache in static.caches]
    best = int(np.argmin(perplexities))
    window, theta = pairs[best]
    dynamic = _tune_dynamic(model, valid[: RATE_WORDS + 1], sizes, progress)
    moving = _read(
        model, valid, windows=(window,), thetas=(theta,), dynamic=dynamic, sizes=sizes,
        progress=progress, stage="dynamic evaluation",
    )  # fmt: skip
    static = static._replace(caches=static.caches[best : best + 1])
    lines = []
    for parts in LINES:
        if NGRAM in parts and ngrams is None:
            continue
        weights, value = _fit(_line_probabilities(parts, static, moving, ngrams, valid))
        lines.append(Line(parts, weights, value))
    each = tuple(line.weights for line in lines)
    return Adaptation(window, theta, dynamic, each, len(valid) - 1), lines


def adapt(
    model: LanguageModel,
    ids: Ids,
    adaptation: Adaptation,
    *,
    ngrams: KneserNey | None,
    sizes: Sizes,
    progress: ProgressCallback = lambda *_: None,
) -> list[Line]:
    """Score a text with each line, by parameters tuned before."""
    window, theta = (adaptation.cache_window,), (adaptation.cache_theta,)
    read = partial(_read, model, ids, windows=window, thetas=theta, progress=progress)
    static = read(stage="cache")
    moving = read(dynamic=adaptation.dynamic, sizes=sizes, stage="dynamic evaluation")
    used = [parts for parts in LINES if ngrams is not None or NGRAM not in parts]
    lines = []
    for parts, weights in zip(used, adaptation.weights, strict=True):
        probabilities = _line_probabilities(parts, static, moving, ngrams, ids)
        lines.append(Line(parts, weights, perplexity(mix(probabilities, np.array(weights)))))
    return lines


def measure(model: LanguageModel, train: Ids) -> Sizes:
    """The gradient sizes of segments spread over the training text."""
    starts = np.linspace(0, max(0, len(train) - SEGMENT - 1), GRADIENT_SEGMENTS).astype(int)
    return gradient_sizes(model, [train[start : start + SEGMENT + 1] for start in starts])


def _tune_dynamic(
    model: LanguageModel, valid: Ids, sizes: Sizes, progress: ProgressCallback
) -> Dynamic:
    """Choose the rule and rate, then the decay, that predict the text best."""
    tried: dict[Dynamic, float] = {}

    def best_of(candidates: Sequence[Dynamic]) -> Dynamic:
        for candidate in candidates:
            if candidate not in tried:
                stage = f"{candidate.rule}, rate {candidate.rate:g}, decay {candidate.decay:g}"
                read = _read(
                    model,
                    valid,
                    dynamic=candidate,
                    sizes=sizes,
                    progress=progress,
                    stage=stage,
                )
                tried[candidate] = perplexity(read.model)
        return min(tried, key=tried.__getitem__)

    best = best_of(
        [Dynamic(rate, DECAYS[1], SEGMENT, rule) for rule, rates in RATES.items() for rate in rates]
    )
    return best_of([replace(best, decay=decay) for decay in DECAYS])


def _read(
    model: LanguageModel,
    ids: Ids,
    *,
    windows: Sequence[int] = (),
    thetas: Sequence[float] = (),
    dynamic: Dynamic | None = None,
    sizes: Sizes | None = None,
    progress: ProgressCallback,
    stage: str,
) -> _Probabilities:
    """Score a text in one pass, also by a cache for each window and theta."""
    caches = [Cache(window, thetas, vocab_size=model.vocab_size) for window in windows]
    by_model: list[Floats] = []
    by_caches: list[Floats] = []
    done = 0
    for outputs, probabilities in read_segments(
        model, ids, segment=64, dynamic=dynamic, sizes=sizes
    ):
        targets = ids[done + 1 : done + 1 + len(probabilities)].astype(np.int64)
        scored = targets < model.vocab_size
        own = np.nan_to_num(probabilities.numpy(), nan=0.0)  # the weights may diverge
        own = own.clip(MIN_PROBABILITY, 1.0)
        if caches:
            rows = np.concatenate([cache.score(outputs, targets) for cache in caches])
            by_caches.append(np.where(np.isnan(rows), own, rows)[:, scored])  # NaN: empty cache
        by_model.append(own[scored])
        done += len(targets)
        progress(stage, done, len(ids) - 1)
    if not sum(map(len, by_model)):
        raise DataError(f"none of the text's {counted(done, 'word')} is known, nothing to score")
    cached = np.concatenate(by_caches, axis=1) if caches else np.zeros((0, done))
    return _Probabilities(np.concatenate(by_model), cached)


def _line_probabilities(
    parts: tuple[str, ...],
    static: _Probabilities,
    moving: _Probabilities,
    ngrams: KneserNey | None,
    ids: Ids,
) -> Floats:
    """The probabilities that a line mixes, (parts, words)."""
    read = moving if DYNAMIC in parts else static
    by_part = {STATIC: static.model, DYNAMIC: moving.model, CACHE: read.caches[0]}
    if ngrams is not None and NGRAM in parts:
        scored = ids[1:] < ngrams.vocab_size
        by_part[NGRAM] = ngrams.probabilities(ids)[scored]
    return np.stack([by_part[part] for part in parts])


def _fit(probabilities: Floats) -> tuple[tuple[float, ...], float]:
    weights = fit_weights(probabilities)
    return tuple(weights.tolist()), perplexity(mix(probabilities, weights))
