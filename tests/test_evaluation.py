"""Perplexity: the protocol, and that nothing else moves."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstmgen.evaluation.perplexity import evaluate, evaluate_from_zero
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.text.corpus import Part

VOCAB = 17


def make_dropout_model():
    return LanguageModel(
        VOCAB,
        embedding_dim=5,
        hidden_sizes=[9, 6],
        dropout=DropoutRates(0.5, 0.5, 0.5),
        seen_once=(3, 4),
        seed=1,
    ).double()


def random_ids(length, seed=0):
    return np.random.default_rng(seed).integers(0, VOCAB, length)


def part(ids, **sizes):
    counted = {"tokens": len(ids) - 1, "unknown": 0, "characters": 5 * (len(ids) - 1),
               "unknown_characters": 0}  # fmt: skip
    return Part(ids=ids, **(counted | sizes))


def long_pass(model, ids):
    model.eval()
    inputs = torch.from_numpy(ids[:-1])[None]
    features, _ = model.read(inputs, model.zero_states(1), carry=torch.tensor([inputs.shape[1]]))
    return model.logits(features[0])


@pytest.mark.parametrize("length", [2, 65, 700])
def test_t39_every_word_is_scored_once(length):
    """In a text of two words, too; the figures are those of one long pass."""
    model, ids = make_dropout_model(), random_ids(length)
    logits = long_pass(model, ids)
    targets = torch.from_numpy(ids[1:])
    result = evaluate(model, part(ids), unknown_id=VOCAB, exact=True)
    expected = float(functional.cross_entropy(logits, targets, reduction="sum").detach())
    assert result.nats == pytest.approx(expected, rel=0, abs=1e-9)
    assert result.words == length - 1
    assert result.correct == int((logits.argmax(dim=1) == targets).sum())
    assert result.perplexity == pytest.approx(math.exp(expected / (length - 1)))
    assert result.bits_per_character == pytest.approx(expected / math.log(2) / 5 / (length - 1))


def test_lanes_agree_with_one_pass_within_a_thousandth():
    model, ids = make_dropout_model(), random_ids(9000)
    a = evaluate(model, part(ids), unknown_id=VOCAB)
    b = evaluate(model, part(ids), unknown_id=VOCAB, exact=True)
    assert a.words == b.words == 8999
    assert a.perplexity == pytest.approx(b.perplexity, rel=1e-3)
    assert a.nats != b.nats  # it did read in lanes


def test_windows_from_a_zero_state_score_each_word_by_the_words_before_it():
    model, ids = make_dropout_model(), random_ids(40)
    result = evaluate_from_zero(model, part(ids), unknown_id=VOCAB, window=4)
    expected = 0.0
    for place in range(1, 40):
        logits = long_pass(model, ids[max(0, place - 4) : place + 1])
        expected += float(functional.cross_entropy(logits[-1], torch.tensor(ids[place])).detach())
    assert result.words == 39
    assert result.nats == pytest.approx(expected, rel=0, abs=1e-9)


def test_unknown_words_that_the_model_lacks_are_read_and_not_scored():
    model, ids = make_dropout_model(), random_ids(60)
    ids[[5, 20, 21]] = VOCAB
    counted = part(ids, tokens=59, unknown=3, characters=300, unknown_characters=30)
    result = evaluate(model, counted, unknown_id=VOCAB, exact=True)
    assert (result.words, result.unknown_share) == (56, 3 / 59)
    assert result.characters == 270
    logits = long_pass(model, ids)
    targets = torch.from_numpy(np.where(ids[1:] == VOCAB, -100, ids[1:]))
    expected = float(functional.cross_entropy(logits, targets, reduction="sum").detach())
    assert result.nats == pytest.approx(expected, rel=0, abs=1e-9)


def test_unknown_words_that_the_model_has_are_scored():
    model, ids = make_dropout_model(), random_ids(60)
    counted = part(ids, tokens=59, unknown=9, characters=300, unknown_characters=30)
    result = evaluate(model, counted, unknown_id=1)
    assert (result.words, result.characters) == (59, 300)


def test_t08_evaluating_draws_nothing_and_changes_nothing():
    """Neither a random number nor a weight."""
    model, ids = make_dropout_model(), random_ids(600)
    model.train()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    a = evaluate(model, part(ids), unknown_id=VOCAB)
    assert a == evaluate(model, part(ids), unknown_id=VOCAB)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
