"""What a model, its cache, what it learns on the way and an n-gram model know together.

Each line of figures is a mixture of some of them. Windows, rates and weights are tuned on a
validation text, never on the one that is told of.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from lstmgen.errors import DataError
from lstmgen.evaluation.cache_mixture import Cache
from lstmgen.evaluation.dynamic import Dynamic, Rule, Sizes, gradient_sizes, read_segments
from lstmgen.evaluation.mixture import Floats, fit_weights, mix, perplexity
from lstmgen.model.language_model import LanguageModel
from lstmgen.ngrams.kneser_ney import KneserNey
from lstmgen.windows.window import Ids

StopDecision = Callable[[str, int, int], None]  # what is done, words done, words in all

WINDOWS = (500, 2000, 8000)  # of the cache, tried
THETAS = (1.0, 3.0, 10.0, 20.0, 40.0, 80.0)
RATES: dict[Rule, tuple[float, ...]] = {  # of dynamic evaluation
    "rms": (0.03, 0.1, 0.3),
    "sgd": (0.1, 0.3, 1.0),
}
DECAYS = (0.0, 0.001, 0.01)
SEGMENT = 20  # words
TUNED_WORDS = 50_000  # of the validation text that windows and weights are tuned on
RATED_WORDS = 15_000  # and rates
LEAST = 1e-300  # a probability that overflowed or underflowed
MEASURED = 500  # pieces of the training text that gradients are measured on

STATIC, DYNAMIC, CACHE, NGRAM = "static", "dynamic", "cache", "ngram"
LINES = (  # what each mixes
    (STATIC,),
    (STATIC, CACHE),
    (STATIC, NGRAM),
    (STATIC, CACHE, NGRAM),
    (DYNAMIC,),
    (DYNAMIC, CACHE),
    (DYNAMIC, CACHE, NGRAM),
)


class Line(NamedTuple):
    """A mixture and what it makes of a text."""

    parts: tuple[str, ...]
    weights: tuple[float, ...]
    perplexity: float


@dataclass(frozen=True)
class Adaptation:
    """All that is tuned.

    Attributes:
        weights: of each line's parts, in the order of ``LINES``.
        words: of the validation text that were read for it.
    """

    cache_window: int
    cache_theta: float
    dynamic: Dynamic
    weights: tuple[tuple[float, ...], ...]
    words: int


class _Read(NamedTuple):
    """A text read once: probabilities of its scored words."""

    model: Floats  # (words,)
    caches: Floats  # (caches, words)


def tune(
    model: LanguageModel,
    valid: Ids,
    *,
    ngrams: KneserNey | None,
    sizes: Sizes,
    told: StopDecision = lambda *_: None,
) -> tuple[Adaptation, list[Line]]:
    """Tune on the beginning of a validation text; what the lines make of it.

    Args:
        valid: the ids of the text.
        sizes: of gradients in training, from ``measure``.
    """
    valid = valid[: TUNED_WORDS + 1]
    pairs = [(window, theta) for window in WINDOWS for theta in THETAS]
    static = _read(model, valid, windows=WINDOWS, thetas=THETAS, told=told, what="cache")
    gains = [_fitted(np.stack([static.model, cache]))[1] for cache in static.caches]
    best = int(np.argmin(gains))
    window, theta = pairs[best]
    dynamic = _tune_dynamic(model, valid[: RATED_WORDS + 1], sizes, told)
    moving = _read(
        model, valid, windows=(window,), thetas=(theta,), dynamic=dynamic, sizes=sizes, told=told,
        what="dynamic evaluation",
    )  # fmt: skip
    static = static._replace(caches=static.caches[best : best + 1])
    lines = []
    for parts in LINES:
        if NGRAM in parts and ngrams is None:
            continue
        weights, found = _fitted(_shares(parts, static, moving, ngrams, valid))
        lines.append(Line(parts, weights, found))
    each = tuple(line.weights for line in lines)
    return Adaptation(window, theta, dynamic, each, len(valid) - 1), lines


def adapt(
    model: LanguageModel,
    ids: Ids,
    adaptation: Adaptation,
    *,
    ngrams: KneserNey | None,
    sizes: Sizes,
    told: StopDecision = lambda *_: None,
) -> list[Line]:
    """What each line makes of a text, by what was tuned before."""
    once: dict[str, Any] = {
        "windows": (adaptation.cache_window,), "thetas": (adaptation.cache_theta,), "told": told
    }  # fmt: skip
    static = _read(model, ids, what="cache", **once)
    dynamic = adaptation.dynamic
    moving = _read(model, ids, dynamic=dynamic, sizes=sizes, what="dynamic evaluation", **once)
    lines = [parts for parts in LINES if ngrams is not None or NGRAM not in parts]
    return [
        Line(
            parts,
            weights,
            perplexity(mix(_shares(parts, static, moving, ngrams, ids), np.array(weights))),
        )
        for parts, weights in zip(lines, adaptation.weights, strict=True)
    ]


def measure(model: LanguageModel, train: Ids) -> Sizes:
    """The sizes of gradients over pieces spread over the training text."""
    starts = np.linspace(0, max(0, len(train) - SEGMENT - 1), MEASURED).astype(int)
    return gradient_sizes(model, [train[start : start + SEGMENT + 1] for start in starts])


def _tune_dynamic(model: LanguageModel, valid: Ids, sizes: Sizes, told: StopDecision) -> Dynamic:
    """The rule and rate, then the decay, that predict the text best."""
    tried: dict[Dynamic, float] = {}

    def best_of(candidates: Sequence[Dynamic]) -> Dynamic:
        for candidate in candidates:
            if candidate not in tried:
                what = f"{candidate.rule}, rate {candidate.rate:g}, decay {candidate.decay:g}"
                read = _read(model, valid, dynamic=candidate, sizes=sizes, told=told, what=what)
                tried[candidate] = perplexity(read.model)
        return min(tried, key=tried.__getitem__)

    found = best_of(
        [Dynamic(rate, DECAYS[1], SEGMENT, rule) for rule, rates in RATES.items() for rate in rates]
    )
    return best_of([replace(found, decay=decay) for decay in DECAYS])


def _read(
    model: LanguageModel,
    ids: Ids,
    *,
    windows: Sequence[int] = (),
    thetas: Sequence[float] = (),
    dynamic: Dynamic | None = None,
    sizes: Sizes | None = None,
    told: StopDecision,
    what: str,
) -> _Read:
    """Read a text in one pass, with a cache for each window and theta beside it."""
    caches = [Cache(window, thetas, vocab_size=model.vocab_size) for window in windows]
    own: list[Floats] = []
    held: list[Floats] = []
    done = 0
    for outputs, shares in read_segments(model, ids, segment=64, dynamic=dynamic, sizes=sizes):
        targets = ids[done + 1 : done + 1 + len(shares)].astype(np.int64)
        scored = targets < model.vocab_size
        alone = np.nan_to_num(shares.numpy(), nan=0.0).clip(LEAST, 1.0)  # weights may run away
        if caches:
            rows = np.concatenate([cache.score(outputs, targets) for cache in caches])
            held.append(np.where(np.isnan(rows), alone, rows)[:, scored])  # where it is empty
        own.append(alone[scored])
        done += len(targets)
        told(what, done, len(ids) - 1)
    together = np.concatenate(held, axis=1) if caches else np.zeros((0, done))
    if not sum(map(len, own)):
        raise DataError(f"none of the text's {done:,} words is known, nothing to score")
    return _Read(np.concatenate(own), together)


def _shares(
    parts: tuple[str, ...], static: _Read, moving: _Read, ngrams: KneserNey | None, ids: Ids
) -> Floats:
    """(parts, words) the probabilities that a line mixes."""
    read = moving if DYNAMIC in parts else static
    found = {STATIC: static.model, DYNAMIC: moving.model, CACHE: read.caches[0]}
    if ngrams is not None and NGRAM in parts:
        scored = ids[1:] < ngrams.vocab_size
        found[NGRAM] = ngrams.probabilities(ids)[scored]
    return np.stack([found[part] for part in parts])


def _fitted(shares: Floats) -> tuple[tuple[float, ...], float]:
    weights = fit_weights(shares)
    return tuple(weights.tolist()), perplexity(mix(shares, weights))
