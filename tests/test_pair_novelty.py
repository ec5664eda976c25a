"""Novelty of pairs of words against counting by hand."""

import math

import numpy as np

from lstmgen.evaluation.pair_novelty import find_pairs


def test_novel_pairs_are_counted_as_by_hand() -> None:
    generator = np.random.default_rng(5)
    train, text = (
        generator.integers(0, 12, 60),
        generator.integers(0, 12, 200),
    )
    known = set(zip(train[:-1].tolist(), train[1:].tolist(), strict=True))
    pairs = list(zip(text[:-1].tolist(), text[1:].tolist(), strict=True))
    inside = [pair for pair in pairs if max(pair) < 9]  # the others are unknown words
    found = find_pairs(train, 9).novelty([text])
    assert found.pairs == len(inside) < len(pairs)
    assert found.novel == sum(pair not in known for pair in inside) > 0
    assert found.fraction == found.novel / found.pairs


def test_pairs_do_not_reach_from_one_text_to_the_next() -> None:
    known = find_pairs(np.array([1, 2, 3]), 5)
    assert known.novelty([np.array([1, 2]), np.array([4, 3])]).novel == 1
    assert known.novelty([np.array([1, 2, 3])]).novel == 0


def test_nothing_to_count_is_no_number() -> None:
    assert math.isnan(find_pairs(np.array([1, 2]), 5).novelty([np.array([3])]).fraction)
    assert find_pairs(np.array([1]), 5).novelty([np.array([3, 4])]).fraction == 1
