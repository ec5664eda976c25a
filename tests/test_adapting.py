"""Cache, dynamic evaluation and mixtures: each by its definition, and that none looks ahead."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstmgen.config.schema import SampleConfig
from lstmgen.evaluation.adaptive_mixtures import LINES, NGRAM, STATIC, adapt, measure, tune
from lstmgen.evaluation.cache_mixture import Cache
from lstmgen.evaluation.dynamic import FLOOR, Dynamic, gradient_sizes, read_segments
from lstmgen.evaluation.mixture import fit_weights, mix, perplexity
from lstmgen.evaluation.perplexity import evaluate
from lstmgen.generation.cache import RecentWords
from lstmgen.model.language_model import LanguageModel
from lstmgen.ngrams.kneser_ney import build_kneser_ney
from lstmgen.text.corpus import Part

VOCAB = 9


def make_tripled_model(seed=0):
    model = LanguageModel(VOCAB, embedding_dim=4, hidden_sizes=[6, 5], seed=seed).double()
    with torch.no_grad():
        for parameter in model.parameters():  # far from zero, so that all of it matters
            parameter.mul_(3)
    return model


def stored_ids(length, seed=0):
    return np.random.default_rng(seed).integers(0, VOCAB, length).astype(np.uint32)


def together(pieces):
    return torch.cat([piece.probabilities for piece in pieces]).numpy()


@pytest.mark.parametrize("rows", [1, 3, 40])
def test_the_cache_is_its_definition_however_the_text_is_cut(rows):
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(40, 5, generator=generator, dtype=torch.float64)
    words = stored_ids(40, seed=2).astype(np.int64)
    words[7] = VOCAB  # a word that is no entry is not held
    cache = Cache(11, (0.3, 2.0), vocab_size=VOCAB)
    found = np.concatenate(
        [cache.score(outputs[i : i + rows], words[i : i + rows]) for i in range(0, 40, rows)],
        axis=1,
    )
    assert np.isnan(found[:, 0]).all()
    for place in range(1, 40):
        held = [i for i in range(max(0, place - 11), place) if words[i] != VOCAB]
        for number, theta in enumerate((0.3, 2.0)):
            weights = [float(torch.exp(theta * (outputs[place] @ outputs[i]))) for i in held]
            same = sum(w for i, w in zip(held, weights, strict=True) if words[i] == words[place])
            assert found[number, place] == pytest.approx(same / sum(weights), abs=1e-12)


def test_the_cache_of_generation_is_that_of_evaluation():
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(30, 5, generator=generator, dtype=torch.float64)
    logits = torch.randn(30, VOCAB, generator=generator, dtype=torch.float64).numpy()
    words = stored_ids(30, seed=2).astype(np.int64)
    words[7] = VOCAB
    recent = RecentWords(
        SampleConfig(cache_weight=0.3, cache_window=11, cache_theta=0.7, cache_last_word=True),
        vocab_size=VOCAB,
    )
    expected = Cache(11, (0.7,), vocab_size=VOCAB).score(outputs, words)[0]
    for place, word in enumerate(words):
        mixed = recent.fork().mix(logits[place], outputs[place].numpy())
        total = np.exp(logits[place]).sum()  # the mixture keeps the model's
        assert np.exp(mixed).sum() == pytest.approx(total)
        if place and word < VOCAB:
            alone = np.exp(logits[place, word]) / np.exp(logits[place]).sum()
            share = 0.7 * alone + 0.3 * expected[place]
            assert mixed[word] == pytest.approx(np.log(share * total), abs=1e-12)
        recent.add(outputs[place].numpy(), int(word))


def test_the_cache_of_generation_does_not_repeat_the_last_word():
    """It is the cache of evaluation without the last word, with the other weights as they were."""
    outputs = np.random.default_rng(1).normal(size=(30, 5))
    logits = np.random.default_rng(2).normal(size=(30, VOCAB))
    words = stored_ids(30, seed=2).astype(np.int64)
    words[10], words[20] = words[9], VOCAB
    settings = {"cache_weight": 0.3, "cache_window": 11, "cache_theta": 0.7}
    recent = RecentWords(SampleConfig(**settings), vocab_size=VOCAB)
    full = RecentWords(SampleConfig(**settings, cache_last_word=True), vocab_size=VOCAB)
    for place, word in enumerate(words):
        alone = np.exp(logits[place]) / np.exp(logits[place]).sum()
        cached = [
            np.exp(r.mix(logits[place], outputs[place])) / np.exp(logits[place]).sum() - 0.7 * alone
            for r in (recent, full)
        ]
        last = words[place - 1]
        if place > 1 and last < VOCAB:
            assert cached[0][last] == pytest.approx(0, abs=1e-12)
            cached[1][last] = 0
        if place > 1:
            expected = 0.3 * cached[1] / cached[1].sum()
            np.testing.assert_allclose(cached[0], expected, rtol=0, atol=1e-12)
        else:  # nothing but the last word is in the cache
            np.testing.assert_allclose(cached[0], 0.3 * alone, rtol=0, atol=1e-12)
        for cache in (recent, full):
            cache.add(outputs[place], int(word))


def test_the_shares_of_all_words_in_a_cache_sum_to_one():
    outputs = torch.randn(30, 5, generator=torch.Generator().manual_seed(1))
    total = np.zeros(1)
    for word in range(VOCAB):
        cache = Cache(20, (0.5,), vocab_size=VOCAB)
        cache.score(outputs[:29], stored_ids(29).astype(np.int64))
        total += cache.score(outputs[29:], np.array([word]))[0]
    assert total[0] == pytest.approx(1, abs=1e-12)


def test_read_without_adapting_is_what_evaluate_says():
    model, ids = make_tripled_model(), stored_ids(150)
    ids[[20, 77]] = VOCAB
    shares = together(read_segments(model, ids, segment=7, dynamic=None, sizes=None))
    known = ids[1:] < VOCAB
    assert (shares[~known] == 0).all()
    part = Part(ids=ids, tokens=149, unknown=2, characters=1, unknown_characters=0)
    expected = evaluate(model, part, unknown_id=VOCAB, exact=True)
    assert -np.log(shares[known]).sum() == pytest.approx(expected.nats, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["sgd", "rms"])
def test_dynamic_evaluation_is_its_definition(rule):
    """Two segments by hand: scored, stepped, drawn back; the state carried from the old weights."""
    model, ids = make_tripled_model(), stored_ids(25)
    trained = [p.detach().clone() for p in model.parameters()]
    sizes = measure(model, stored_ids(60, seed=3))
    dynamic = Dynamic(rate=0.05, decay=0.2, segment=8, rule=rule)
    found = together(read_segments(model, ids, segment=64, dynamic=dynamic, sizes=sizes))
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), trained, strict=True))

    twin, expected = make_tripled_model().eval(), []
    states = twin.zero_states(1)
    for start in (0, 8, 16):
        piece = torch.from_numpy(ids[start : start + 9].astype(np.int64))
        features, states = twin.read(piece[None, :-1], states, carry=torch.tensor([8]))
        nats = functional.cross_entropy(twin.logits(features[0]), piece[1:], reduction="none")
        expected += (-nats).exp().tolist()
        gradients = torch.autograd.grad(nats.mean(), list(twin.parameters()))
        with torch.no_grad():
            for p, g, before, size in zip(
                twin.parameters(), gradients, trained, sizes, strict=True
            ):
                if rule == "sgd":
                    p += -0.05 * g + 0.2 * (before - p)
                else:
                    p += -0.05 * g / (size + FLOOR) + (0.2 * size).clamp(max=1) * (before - p)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_no_word_is_learnt_before_it_is_scored():
    """Words that come later change nothing about those before them."""
    model, ids = make_tripled_model(), stored_ids(64)
    other = ids.copy()
    other[40:] = (other[40:] + 1) % VOCAB
    dynamic = Dynamic(rate=0.1, decay=0.01, segment=8, rule="sgd")
    a, b = (
        together(read_segments(model, each, segment=8, dynamic=dynamic, sizes=None))
        for each in (ids, other)
    )
    np.testing.assert_array_equal(a[:39], b[:39])
    assert (a[40:] != b[40:]).any()


def test_a_model_that_adapts_learns_a_text_that_repeats_itself():
    model, ids = make_tripled_model(), np.tile(stored_ids(12), 40)
    still, moved = (
        perplexity(together(read_segments(model, ids, segment=10, dynamic=d, sizes=None)))
        for d in (None, Dynamic(rate=0.3, decay=0.0, segment=10, rule="sgd"))
    )
    assert moved < 0.7 * still


def test_sizes_are_root_mean_squares_of_gradients_with_the_mean_one():
    model = make_tripled_model()
    pieces = [stored_ids(9, seed=s) for s in range(4)]
    sizes = gradient_sizes(model, pieces)
    total = sum(float(size.sum()) for size in sizes) / sum(size.numel() for size in sizes)
    assert total == pytest.approx(1)
    sums = [torch.zeros_like(p) for p in model.parameters()]
    for piece in pieces:
        words = torch.from_numpy(piece.astype(np.int64))
        features, _ = model.read(words[None, :-1], model.zero_states(1), carry=None)
        nats = functional.cross_entropy(model.logits(features[0]), words[1:])
        for total, g in zip(sums, torch.autograd.grad(nats, list(model.parameters())), strict=True):
            total += g**2
    roots = torch.cat([(total / 4).sqrt().flatten() for total in sums])
    found = torch.cat([size.flatten() for size in sizes])
    torch.testing.assert_close(found, roots / roots.mean(), rtol=0, atol=1e-10)


def test_weights_of_a_mixture_are_the_likeliest_ones():
    rng = np.random.default_rng(0)
    shares = rng.uniform(0.01, 1, (3, 400)) * np.array([[1.0], [0.6], [0.2]])
    weights = fit_weights(shares)
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()
    best = perplexity(mix(shares, weights))
    for _ in range(300):
        other = rng.dirichlet(np.ones(3))
        assert best <= perplexity(mix(shares, other)) + 1e-9
    assert mix(shares, np.array([0, 1, 0])).tolist() == shares[1].tolist()


@pytest.mark.slow
def test_what_is_tuned_holds_for_another_text(monkeypatch):
    monkeypatch.setattr("lstmgen.evaluation.adaptive_mixtures.WINDOWS", (10, 50))
    monkeypatch.setattr(
        "lstmgen.evaluation.adaptive_mixtures.RATES", {"rms": (0.01,), "sgd": (0.1,)}
    )
    monkeypatch.setattr("lstmgen.evaluation.adaptive_mixtures.DECAYS", (0.0, 0.01))
    model, train = make_tripled_model(), np.tile(stored_ids(30), 20)
    ngrams = build_kneser_ney(train, order=3, vocab_size=VOCAB)
    sizes = measure(model, train)
    valid = np.tile(stored_ids(30, seed=5), 8)
    valid[33] = VOCAB
    tuned, lines = tune(model, valid, ngrams=ngrams, sizes=sizes)
    assert [line.parts for line in lines] == list(LINES)
    by_parts = {line.parts: line.perplexity for line in lines}
    part = Part(ids=valid, tokens=239, unknown=1, characters=1, unknown_characters=0)
    static = evaluate(model, part, unknown_id=VOCAB, exact=True).perplexity
    assert by_parts[(STATIC,)] == pytest.approx(static, rel=1e-9)
    for parts, value in by_parts.items():  # a mixture is no worse than each of its parts
        assert value <= by_parts[parts[:1]] + 1e-9
    again = adapt(model, valid, tuned, ngrams=ngrams, sizes=sizes)
    for line, same in zip(lines, again, strict=True):
        assert same.perplexity == pytest.approx(line.perplexity, rel=1e-9)
    alone = adapt(
        model, stored_ids(50, seed=7), tune(model, valid, ngrams=None, sizes=sizes)[0],
        ngrams=None, sizes=sizes,
    )  # fmt: skip
    assert [line.parts for line in alone] == [p for p in LINES if NGRAM not in p]
