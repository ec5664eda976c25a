"""Choosing the default sampling settings of a checkpoint by its held-out text.

The temperature is the one at which the fraction of word pairs that the training text does not have
is ``NOVELTY_FRACTION`` of what it is in held-out text. At the full fraction most of the new pairs
are not what a writer would have put together, and readers prefer less (benchmarks/RESULTS.md).
Where the n-gram model predicts the held-out text better than the network does, which only happens
on very small texts, the two are mixed in the proportion that predicts it best.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import linear_regression

import numpy as np

from lstmgen.evaluation.pair_novelty import Ids, KnownPairs, find_pairs
from lstmgen.generation.chosen import ChosenSampling
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import load_checkpoint, make_generator
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.ngram_guide import NgramGuide
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.ngrams.kneser_ney import Floats
from lstmgen.text.vocabulary import STORY

KeepGoing = Callable[[], bool]
Point = tuple[float, float]  # a temperature and the novelty of samples

NOVELTY_FRACTION = 0.5  # of the novelty of held-out text
SAMPLES, WORDS, SEED = 24, 75, 0  # samples drawn at each temperature, and words of each
FIRST = (0.8, 1.1)  # temperatures to begin with
ROUNDS = 1  # further temperatures
LOWEST, HIGHEST = 0.4, 2.0
MIN_SLOPE = 0.01  # novelty rises with the temperature; less is noise
MIN_PAIRS = 100  # of the held-out text; the novelty of fewer says nothing
MAX_HELD_OUT = 50_000  # tokens of the held-out text whose novelty is measured
MIXED_TOKENS = 2_000  # of it, on which the weight is chosen
WEIGHTS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 10))


class _InterruptedError(Exception):
    """The caller wants to stop."""


def choose_sampling(
    generator: Generator, *, train: Ids, held_out: Ids, keep_going: KeepGoing = lambda: True
) -> ChosenSampling | None:
    """Choose temperature and n-gram weight; deterministic, some seconds.

    Args:
        generator: with the other settings of its config.
        train, held_out: ids of the training text and of the held-out text, (tokens,).
        keep_going: called now and then.

    Returns:
        None if the held-out text is too short, or ``keep_going`` returned False.
    """
    known = find_pairs(train, len(generator.vocabulary))
    target = known.novelty([held_out[:MAX_HELD_OUT]])
    if target.pairs < MIN_PAIRS:
        return None
    try:
        weight = _choose_weight(generator, held_out[:MIXED_TOKENS], keep_going)
        measure = partial(
            _novelty_at, generator=generator, known=known, weight=weight, keep_going=keep_going
        )
        temperature, novelty, words = _match(measure, NOVELTY_FRACTION * target.fraction)
    except _InterruptedError:
        return None
    return ChosenSampling(temperature, weight, novelty, target.fraction, words, SEED)


def choose_for_step(
    folder: Path, *, train: Ids, held_out: Ids, keep_going: KeepGoing
) -> ChosenSampling | None:
    """Choose the settings of a checkpoint; arguments as of ``choose_sampling``.

    Raises:
        CheckpointError: if the checkpoint cannot be used.
    """
    loaded = load_checkpoint(folder, folder, copies=True, ngrams=True, limit_threads=False)
    return choose_sampling(
        make_generator(loaded), train=train, held_out=held_out, keep_going=keep_going
    )


def _match(
    measure: Callable[[float], tuple[float, int]], target: float
) -> tuple[float, float, int]:
    """The temperature whose samples have a novelty, that novelty, and the words of all samples."""
    points: list[Point] = []
    words = 0
    for number in range(len(FIRST) + ROUNDS):
        temperature = FIRST[number] if number < len(FIRST) else _solve(points, target)[0]
        novelty, count = measure(temperature)
        points.append((temperature, novelty))
        words += count
    return *_solve(points, target), words


def _solve(points: list[Point], target: float) -> Point:
    """The temperature nearest to a novelty, by a line through the three points nearest to it."""
    nearest = sorted(points, key=lambda point: abs(point[1] - target))[:3]
    temperatures, novelties = zip(*nearest, strict=True)
    if len(set(temperatures)) < 2:
        return nearest[0]
    slope, start = linear_regression(temperatures, novelties)
    if slope < MIN_SLOPE:
        return nearest[0]
    temperature = round(min(max((target - start) / slope, LOWEST), HIGHEST), 2)
    return temperature, min(max(start + slope * temperature, 0.0), 1.0)


def _novelty_at(
    temperature: float,
    *,
    generator: Generator,
    known: KnownPairs,
    weight: float,
    keep_going: KeepGoing,
) -> tuple[float, int]:
    """The novelty of samples at a temperature, and their words."""
    settings = {
        "temperature": temperature, "ngram_weight": weight, "words": WORDS, "min_words": 0,
        "hard_limit": True, "stop": "story", "stop_at": "", "must_include": [], "beams": None,
    }  # fmt: skip
    reader = CueReader(generator, generator.config.sample.model_copy(update=settings))
    ids = [[generator.vocabulary.ids[STORY]] for _ in range(SAMPLES)]
    words = 0
    for piece in continue_cue(reader, samples=SAMPLES, seed=SEED):
        if piece.word is not None:
            ids[piece.sample].append(piece.word)
            words += any(map(str.isalnum, piece.text))
        if not keep_going():
            raise _InterruptedError
    return known.novelty(map(np.array, ids)).fraction, words


def _choose_weight(generator: Generator, held_out: Ids, keep_going: KeepGoing) -> float:
    """The weight of the n-gram model; 0 unless that predicts the text better than the network."""
    ngrams = generator.ngrams
    if ngrams is None:
        return 0.0
    known = held_out < len(generator.vocabulary)
    ngram_nats = -np.log(ngrams.probabilities(held_out)[known[1:]]).sum()
    if ngram_nats >= _nats(generator, held_out, [None], keep_going)[0]:
        return 0.0
    guides = [NgramGuide(ngrams, None, weight, 0.0) for weight in WEIGHTS]
    return WEIGHTS[int(np.argmin(_nats(generator, held_out, guides, keep_going)))]


def _nats(
    generator: Generator,
    held_out: Ids,
    guides: Sequence[NgramGuide | None],
    keep_going: KeepGoing,
) -> Floats:
    """(guides,) nats of the known words of a text by the network with each guide."""
    nats = np.zeros(len(guides))
    engine, words = generator.engine, held_out.astype(np.int64).tolist()
    states = engine.zero_states(1)
    for place, (word, following) in enumerate(zip(words, words[1:], strict=False), start=1):
        states = engine.read(np.array([word]), states)
        if following >= len(generator.vocabulary):
            continue
        logits = engine.logits(states)[0].astype(np.float64)
        for number, guide in enumerate(guides):
            scores = logits.copy()
            if guide is not None:
                guide.apply(scores, words[max(0, place - 2) : place])
            nats[number] += np.logaddexp.reduce(scores) - scores[following]
        if not keep_going():
            raise _InterruptedError
    return nats
