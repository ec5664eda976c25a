"""Kneser-Ney by its definition: an exact enumeration, sums of one, and texts of a few words."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmgen.ngrams.kneser_ney import FALLBACK, build_kneser_ney, build_unigram, from_arrays
from lstmgen.ngrams.unseen_pairs import find_unseen_pairs


def enumerate_model(text, *, order, vocab_size):
    """The same model from its equations, by dictionaries: context, word -> probability."""
    counts = {}
    for n in range(1, order + 1):
        grams = [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]
        if n == order:
            counts[n] = Counter(grams)
            continue
        before = defaultdict(set)
        for i, gram in enumerate(grams):
            before[gram].add(text[i - 1] if i else "start")
        counts[n] = Counter({gram: len(words) for gram, words in before.items()})
    discounts = {}
    for n, table in counts.items():
        n1, n2, n3, n4 = (sum(c == k for c in table.values()) for k in (1, 2, 3, 4))
        discounts[n] = FALLBACK
        if n1 and n2 and n3 and n4:
            y = n1 / (n1 + 2 * n2)
            told = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
            if all(0 < d < k for k, d in enumerate(told, 1)):
                discounts[n] = told

    def probability(context, word):
        n = len(context) + 1
        shorter = probability(context[1:], word) if context else 1 / vocab_size
        after = {g[-1]: c for g, c in counts[n].items() if g[:-1] == context}
        if not after:
            return shorter
        taken = {w: discounts[n][min(c, 3) - 1] for w, c in after.items()}
        total = sum(after.values())
        kept = after.get(word, 0) - taken.get(word, 0)
        return kept / total + sum(taken.values()) / total * shorter

    return probability


def random_text(seed, length, vocab_size):
    """Words of a lopsided distribution, so that every count from 1 to 4 is there."""
    shares = 1 / np.arange(1, vocab_size + 1)
    rng = np.random.default_rng(seed)
    return rng.choice(vocab_size, size=length, p=shares / shares.sum())


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_a_model_is_what_its_equations_enumerate(order):
    text, other = random_text(1, 600, 60), random_text(2, 80, 60)
    model = build_kneser_ney(text, order=order, vocab_size=60)
    exact = enumerate_model(text.tolist(), order=order, vocab_size=60)
    expected = [
        exact(tuple(other[max(0, i - order + 1) : i].tolist()), int(other[i]))
        for i in range(1, len(other))
    ]
    np.testing.assert_allclose(model.probabilities(other), expected, rtol=1e-12, atol=0)
    nats = -np.log(expected).mean()
    assert model.perplexity(other) == pytest.approx(math.exp(nats), rel=1e-12)
    told = model.levels[-1].discounts[1:]
    assert order > 2 or tuple(told) != FALLBACK  # so that both ways to a discount are tested


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=60),
    st.integers(1, 5),
    st.lists(st.integers(0, 8), max_size=6),
)
@settings(max_examples=200)
def test_the_words_after_any_context_have_the_probability_one_together(text, order, context):
    model = build_kneser_ney(np.array(text), order=order, vocab_size=8)
    shares = model.distribution(context)
    assert shares.shape == (8,) and (shares > 0).all()
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    for word in range(8):
        scored = model.probabilities(np.array([*context, word]))
        if len(scored):
            assert scored[-1] == pytest.approx(shares[word], rel=1e-12)


def test_counted_words_make_the_same_model_as_their_text():
    text = random_text(3, 500, 20)
    counts = np.bincount(text, minlength=23).tolist()
    one, other = build_unigram(counts), build_kneser_ney(text, order=1, vocab_size=23)
    np.testing.assert_array_equal(one.distribution([]), other.distribution([4, 5]))


def test_a_word_that_the_vocabulary_lacks_is_not_scored_and_known_nowhere():
    text = random_text(4, 300, 9)
    model = build_kneser_ney(text, order=3, vocab_size=9)
    shares = model.probabilities(np.array([1, 2, 9, 3, 1, 2]))
    assert shares[1] == 0
    assert shares[2] == pytest.approx(model.distribution([])[3])
    expected = [shares[0], *shares[2:]]
    found = model.perplexity(np.array([1, 2, 9, 3, 1, 2]))
    assert found == pytest.approx(math.exp(-np.log(expected).mean()), rel=1e-12)
    assert math.isnan(model.perplexity(np.array([1, 9])))


def test_a_longer_context_helps_where_words_follow_words():
    rng = np.random.default_rng(5)
    text = [0, 1]
    for _ in range(4000):  # mostly the sum of the two words before
        text.append((text[-1] + text[-2]) % 10 if rng.random() < 0.9 else int(rng.integers(10)))
    found = [
        build_kneser_ney(np.array(text[:3000]), order=n, vocab_size=10).perplexity(
            np.array(text[3000:])
        )
        for n in (1, 2, 3)
    ]
    assert found[0] > 9 and found[1] > 8 and found[2] < 2


@pytest.mark.parametrize("order", [0, 6])
def test_an_order_out_of_range_is_refused(order):
    with pytest.raises(ValueError, match=f"order = {order}: must lie in 1..5"):
        build_kneser_ney(np.array([1, 2, 3]), order=order, vocab_size=4)
    with pytest.raises(ValueError, match="the text have words"):
        build_kneser_ney(np.array([], dtype=int), order=1, vocab_size=4)


@pytest.mark.parametrize("order", [1, 3, 5])
def test_a_text_is_scored_alike_in_blocks(monkeypatch, order):
    text, other = random_text(1, 400, 30), random_text(2, 90, 31)
    model = build_kneser_ney(text, order=order, vocab_size=30)
    whole = model.perplexity(other)
    for block in (1, 2, 7, 89):
        monkeypatch.setattr("lstmgen.ngrams.kneser_ney.BLOCK", block)
        assert model.perplexity(other) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_a_stored_model_gives_the_same_probabilities(order):
    text, other = random_text(1, 600, 40), random_text(2, 80, 42)
    model = build_kneser_ney(text, order=order, vocab_size=40)
    again = from_arrays(model.to_arrays(), vocab_size=40)
    np.testing.assert_array_equal(again.probabilities(other), model.probabilities(other))


def break_arrays(how):
    arrays = build_kneser_ney(random_text(1, 60, 9), order=2, vocab_size=9).to_arrays()
    keys, counts = arrays["keys.2"], arrays["counts.2"]
    changes = {
        "missing": {"keys.2": None},
        "named": {"keys.3": keys, "keys.2": None},
        "dtype": {"keys.2": keys.astype(np.int32)},
        "counts": {"counts.2": counts.astype(np.int64)},
        "shape": {"keys.2": keys[:, None]},
        "length": {"counts.2": counts[1:]},
        "empty": {"keys.2": keys[:0], "counts.2": counts[:0]},
        "zero": {"counts.2": np.where(np.arange(len(counts)) == 1, 0, counts).astype(np.uint32)},
        "order": {"keys.2": keys[::-1].copy()},
        "twice": {"keys.2": np.repeat(keys[:1], len(keys))},
        "negative": {"keys.2": keys - keys[0] - 1},
        "below": {"keys.2": np.append([-2], keys[1:])},
        "context": {"keys.2": np.append(keys[:-1], 10**9)},
        "word": {"keys.2": np.append(keys[:-1], keys[-1] - keys[-1] % 10 + 9)},
    }[how]
    return {name: array for name, array in (arrays | changes).items() if array is not None}


@pytest.mark.parametrize("how", [
    "missing", "named", "dtype", "counts", "shape", "length", "empty", "zero", "order", "twice",
    "negative", "below", "context", "word",
])  # fmt: skip
def test_arrays_that_are_no_model_are_rejected(how):
    with pytest.raises(ValueError, match="arrays|array"):
        from_arrays(break_arrays(how), vocab_size=9)


def test_a_model_of_no_order_or_of_a_higher_one_is_rejected():
    """The highest, of five words, is not."""
    arrays = build_kneser_ney(random_text(1, 60, 9), order=5, vocab_size=9).to_arrays()
    assert from_arrays(arrays, vocab_size=9).order == 5
    longer = {"keys.6": arrays["keys.5"], "counts.6": arrays["counts.5"]}
    for others in ({}, arrays | longer):
        with pytest.raises(ValueError, match="other arrays than a model has"):
            from_arrays(others, vocab_size=9)


def count_expected(text, word, other, groups):
    """How often chance would give a pair, 0 if the text has it, from the text itself."""
    folded = [groups[i] for i in text]
    pair = (groups[word], groups[other])
    if pair in set(zip(folded[:-1], folded[1:], strict=True)):
        return 0.0
    return folded.count(pair[0]) * folded.count(pair[1]) / len(folded)


def test_unseen_pairs_are_expected_as_often_as_counts_say():
    groups = [0, 1, 2, 1, 3, 4, 2, 5, 6]  # ids 1 and 3 are one word, so are 2 and 6
    text = random_text(6, 120, 8).tolist()  # id 8 does not occur
    ngrams = build_kneser_ney(np.array(text), order=3, vocab_size=9)
    pairs = find_unseen_pairs(ngrams, np.bincount(text, minlength=9).tolist(), groups)
    assert pairs is not None
    unseen = 0
    for word in range(9):
        expected = [count_expected(text, word, other, groups) for other in range(9)]
        np.testing.assert_allclose(pairs.expected(word), expected, rtol=1e-12)
        unseen += sum(each > 0 for each in expected)
    assert unseen > 5
    assert not pairs.expected(9).any()  # an unknown word


def test_a_model_of_single_words_knows_no_pairs():
    model = build_kneser_ney(np.array([1, 2]), order=1, vocab_size=4)
    assert find_unseen_pairs(model, [0, 1, 1, 0], [0, 1, 2, 3]) is None
