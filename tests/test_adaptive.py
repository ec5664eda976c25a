"""The adaptive softmax: a distribution, torch's own, the same in numpy, and labelled."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from lstmgen.generation.numpy_engine import Engine
from lstmgen.model.initialize import smoothed_counts
from lstmgen.model.language_model import LanguageModel
from lstmgen.text.clusters import COVERAGE, frequency_clusters
from tests.helpers.program import call_cli

VOCAB, ROWS = 23, 17
CLUSTERS = [[7, 2, 0, 21, 5], [1, 3, 4, 6, 8, 9, 10], [11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22]]
GENERATOR = torch.Generator().manual_seed(0)
HIDDEN = torch.randn(ROWS, 32, generator=GENERATOR, dtype=torch.float64)
TARGETS = torch.randint(0, VOCAB, (ROWS,), generator=GENERATOR)


def make_adaptive_model(**options):
    settings = {"embedding_dim": 9, "hidden_sizes": [32], "tie_weights": False}
    return LanguageModel(VOCAB, **(settings | {"clusters": CLUSTERS} | options)).double()


def test_it_is_a_distribution_over_all_words():
    chances = make_adaptive_model().logits(HIDDEN).exp()
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(ROWS).double(), rtol=0, atol=1e-12)


def test_it_is_the_one_of_torch():
    """torch's module wants the words sorted by frequency, and has no bias in its tails."""
    model = make_adaptive_model()
    theirs = nn.AdaptiveLogSoftmaxWithLoss(32, VOCAB, [5, 12], div_value=4.0, head_bias=True)
    theirs = theirs.double()
    with torch.no_grad():
        for tail in model.adaptive.tails:
            tail.bias.zero_()
        theirs.head.weight.copy_(model.adaptive.weight)
        theirs.head.bias.copy_(model.adaptive.bias)
        for ours, pair in zip(model.adaptive.tails, theirs.tail, strict=True):
            pair[0].weight.copy_(ours.projection)
            pair[1].weight.copy_(ours.weight)
    order = torch.tensor([i for ids in CLUSTERS for i in ids])
    ranked = model.logits(HIDDEN)[:, order]
    torch.testing.assert_close(ranked, theirs.log_prob(HIDDEN), rtol=0, atol=1e-12)
    expected = theirs(HIDDEN, order.argsort()[TARGETS]).output.sum()
    nats = model.summed_nats(HIDDEN, TARGETS)
    torch.testing.assert_close(nats, -expected, rtol=0, atol=1e-11)


def test_its_nats_and_gradients_are_those_of_its_probabilities():
    model = make_adaptive_model()
    hidden = HIDDEN.clone().requires_grad_()
    parameters = [hidden, *model.adaptive.parameters()]
    ours = torch.autograd.grad(model.summed_nats(hidden, TARGETS), parameters)
    nats = functional.nll_loss(model.logits(hidden), TARGETS, reduction="sum")
    for a, b in zip(ours, torch.autograd.grad(nats, parameters), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    scored, correct = model.score(HIDDEN, TARGETS)
    assert scored == pytest.approx(nats.item(), abs=1e-11)
    assert correct == int((model.logits(HIDDEN).argmax(dim=1) == TARGETS).sum())


def test_words_of_one_cluster_alone_leave_the_others_without_a_gradient():
    model = make_adaptive_model()
    model.summed_nats(HIDDEN, torch.tensor([7] * ROWS)).backward()
    assert all(tail.weight.grad is None for tail in model.adaptive.tails)
    assert model.adaptive.weight.grad.abs().sum() > 0


def test_it_starts_as_the_unigram_model():
    counts = [(i * 7) % 11 for i in range(VOCAB)]
    model = make_adaptive_model(counts=counts, clusters=frequency_clusters(counts))
    with torch.no_grad():
        chances = model.logits(torch.zeros(1, 32).double()).exp()[0]
    times = smoothed_counts(counts)  # of which no word has none
    torch.testing.assert_close(chances, times / times.sum(), rtol=0, atol=1e-7)  # float32 biases


def test_in_numpy_it_is_the_same_forwards_and_back():
    model = make_adaptive_model()
    engine = Engine(
        {name: p.detach().numpy() for name, p in model.named_parameters()},
        vocab_size=VOCAB,
        hidden_sizes=[32],
        seen_once=(2,),
        clusters=[np.array(ids) for ids in CLUSTERS],
    )
    hidden = HIDDEN.clone().requires_grad_()
    logits = model.logits(hidden)
    found = engine.output.logits(HIDDEN.numpy())
    np.testing.assert_allclose(found, logits.detach().numpy(), rtol=0, atol=1e-12)
    pull = torch.randn(ROWS, VOCAB, generator=torch.Generator().manual_seed(1)).double()
    (expected,) = torch.autograd.grad(logits, hidden, pull)
    back = engine.output.backward(HIDDEN.numpy(), pull.numpy())
    np.testing.assert_allclose(back, expected.numpy(), rtol=0, atol=1e-12)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300))
def test_clusters_hold_every_word_once_the_commonest_first(counts):
    clusters = frequency_clusters(counts)
    order = np.concatenate(clusters)
    assert sorted(order.tolist()) == list(range(len(counts)))
    ranked = np.asarray(counts)[order]
    assert (np.diff(ranked) <= 0).all()
    assert 1 <= len(clusters) <= 3
    assert all(len(ids) for ids in clusters)
    if len(clusters) == 3:
        for place, share in enumerate(COVERAGE, start=1):
            head = np.concatenate(clusters[:place])
            made_up = sum(counts[i] for i in head)
            assert made_up >= share * sum(counts) * (1 - 1e-12)
            if place == 1:  # and not with a word less
                assert made_up - counts[head[-1]] < share * sum(counts) * (1 + 1e-12)


def test_it_cannot_be_tied(tiny, tmp_path):
    done = call_cli("train", tiny, "model.output=adaptive", cwd=tmp_path, check=2)
    assert "model.output = adaptive: the adaptive softmax gives rare words narrower" in done.stderr
    assert "Set model.tie_weights: false" in done.stderr


def test_its_perplexity_is_labelled(tiny, tmp_path):
    settings = ("model.output=adaptive", "model.tie_weights=false", "train.max_steps=2")
    done = call_cli("train", tiny, *settings, cwd=tmp_path, check=0)
    assert " parameters, adaptive softmax\n" in done.stderr
    assert "on validation, adaptive softmax, at step 2" in done.stderr
    run = done.stdout.strip()
    table = call_cli("evaluate", run, cwd=tmp_path, check=0).stdout
    (line,) = [line for line in table.splitlines() if line.startswith("perplexity ")]
    assert line.endswith(", adaptive softmax")
    scored = json.loads(call_cli("evaluate", run, "--json", cwd=tmp_path, check=0).stdout)
    assert scored["output"] == "adaptive"
