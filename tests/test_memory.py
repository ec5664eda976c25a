"""How many words a model uses, and where its states come from: each against a plain loop."""

import numpy as np
import pytest
import torch

from lstmgen.cells import CELLS, forward_stack
from lstmgen.errors import DataError
from lstmgen.generation.numpy_engine import Engine
from lstmgen.inspection.memory import MemoryCurve, measure_memory
from lstmgen.inspection.nearest_states import NONE, SAME_CONTEXT, nearest_contexts
from lstmgen.inspection.text_reading import read_text
from lstmgen.inspection.unit_index import APART, strongest_places
from lstmgen.model.language_model import LanguageModel
from lstmgen.text.clusters import frequency_clusters

VOCAB = 23
MODELS = [
    *({"cell": cell} for cell in CELLS),
    {"one_hot": True, "tie_weights": False},
    {"clusters": frequency_clusters(range(VOCAB)), "tie_weights": False},
]


def engine_of(**options):
    """An engine with random weights in float64, two layers of unequal sizes."""
    sizes = {"hidden_sizes": [9, 7], "seen_once": (2, 7)}
    model = LanguageModel(VOCAB, seed=4, embedding_dim=5, **sizes, **options).double()
    for name, parameter in model.named_parameters():
        if name == "output_bias" or name.endswith("weight_ch_l0"):  # else 0, which tests nothing
            torch.nn.init.uniform_(parameter, -1, 1)
    weights = {name: p.detach().numpy() for name, p in model.named_parameters()}
    kept = {name: options[name] for name in ("cell", "clusters") if name in options}
    return Engine(weights, vocab_size=VOCAB, **sizes, **kept)


def text_of(words, *, seed=0):
    """Random ids, the unknown word among them."""
    return np.random.default_rng(seed).integers(0, VOCAB + 1, words).astype(np.uint32)


def hidden_after(engine, ids, *, layer=-1):
    """The layer's states along a text in one plain pass from zero, (words, hidden)."""
    run = forward_stack(engine.layers, engine.embed(ids.astype(np.int64))[None])[layer]
    return run.states


def loss_after(engine, context, word):
    logits = engine.output.logits(hidden_after(engine, context).hidden[0, -1:])[0]
    return np.logaddexp.reduce(logits) - logits[word]


@pytest.mark.parametrize("options", MODELS)
def test_memory_equals_a_loop_over_positions(options):
    engine, ids = engine_of(**options), text_of(60)
    found = measure_memory(engine, ids, contexts=(1, 2, 4, 64))
    targets = [t for t in range(1, len(ids)) if ids[t] < VOCAB]
    assert (found.scored, found.available) == (len(targets), len(targets))
    for context, nats in zip(found.contexts, found.nats, strict=True):
        losses = [loss_after(engine, ids[max(0, t - context) : t], ids[t]) for t in targets]
        assert nats == pytest.approx(np.mean(losses), abs=1e-9)
    assert found.full == pytest.approx(found.nats[-1], abs=1e-9)  # 64 words are the whole text


def test_of_a_long_text_evenly_spaced_words_are_scored():
    engine, ids = engine_of(), text_of(2000)
    found = measure_memory(engine, ids, contexts=(2, 200), max_scored=300)
    known = [t for t in range(1, len(ids)) if ids[t] < VOCAB]
    targets = [known[k * len(known) // 300] for k in range(300)]
    assert (found.scored, found.available) == (300, len(known))
    losses = [loss_after(engine, ids[max(0, t - 2) : t], ids[t]) for t in targets]
    assert found.nats[0] == pytest.approx(np.mean(losses), abs=1e-9)
    states = hidden_after(engine, ids).hidden[0]
    logits = engine.output.logits(states[np.array(targets) - 1])
    chosen = np.take_along_axis(logits, ids[targets].astype(int)[:, None], axis=1)[:, 0]
    full = np.mean(np.logaddexp.reduce(logits, axis=1) - chosen)
    assert found.full == pytest.approx(full, abs=1e-9)  # several lanes
    assert found.nats[1] == pytest.approx(full, abs=1e-9)


def test_words_used_are_the_first_within_a_hundredth_of_a_nat():
    def used(*nats):
        contexts = tuple(2**k for k in range(len(nats)))
        return MemoryCurve(contexts, nats, 3.0, scored=1, available=1).words_used

    assert used(4.0, 3.02, 3.0099, 3.0) == 4
    assert used(3.0) == 1
    assert used(4.0, 3.011) is None


def test_a_text_without_a_known_word_has_no_memory():
    with pytest.raises(DataError, match="none of the text's 3 words is known, nothing to score"):
        measure_memory(engine_of(), np.array([0, VOCAB, VOCAB, VOCAB], dtype=np.uint32))


@pytest.mark.parametrize("words", [1, 40, 1500])
def test_every_state_of_a_text_is_read_once(words):
    engine, ids = engine_of(), text_of(words)
    blocks = list(read_text(engine, ids, layer=0, cell=True))
    positions = np.concatenate([block.positions for block in blocks])
    assert sorted(positions) == list(range(words))
    values = np.concatenate([block.values for block in blocks])[np.argsort(positions)]
    expected = hidden_after(engine, ids, layer=0).cell[0]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("options", MODELS)
def test_nearest_contexts_equal_a_full_search(options):
    engine, ids = engine_of(**options), text_of(1300)
    ids[600:650] = ids[100:150]  # contexts that occur twice count once
    states = hidden_after(engine, ids).hidden[0]
    queries = np.concatenate([states[[120, 333]], np.random.default_rng(1).normal(size=(3, 7))])
    found = nearest_contexts(engine, ids, queries, count=4)
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    for query, places, values in zip(queries, found.positions, found.similarities, strict=True):
        similarities = unit[:-1] @ query / np.linalg.norm(query)
        expected = {}
        for place in np.argsort(-similarities, kind="stable") + 1:
            context = tuple(ids[max(0, place - SAME_CONTEXT) : place])
            expected.setdefault(context, int(place))
        assert places.tolist() == list(expected.values())[:4]
        np.testing.assert_allclose(values, similarities[places - 1], rtol=0, atol=1e-9)
    assert found.positions[1, 0] == 334
    assert found.similarities[1, 0] == pytest.approx(1, abs=1e-9)


def test_a_text_with_few_contexts_has_few_nearest_ones():
    found = nearest_contexts(engine_of(), text_of(3), np.ones((2, 7)), count=4)
    assert (np.sort(found.positions, axis=1) == [NONE, NONE, 1, 2]).all()
    assert (found.similarities[:, 2:] == -1).all()


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("cell", CELLS)
def test_strongest_places_equal_a_full_search(cell, layer):
    engine, ids = engine_of(cell=cell), text_of(1300)
    found = strongest_places(engine, ids, layer=layer, count=5, max_words=1200)
    states = hidden_after(engine, ids[:1200], layer=layer)
    memory = states.cell[0] if engine.layers[0].cell.has_cell else states.hidden[0]
    assert len(found.positions) == memory.shape[1]
    for unit, (places, values) in enumerate(zip(found.positions, found.values, strict=True)):
        expected = []
        for place in np.argsort(-memory[:, unit]):
            if all(abs(place - other) >= APART for other in expected):
                expected.append(place)
        assert places.tolist() == expected[:5]
        np.testing.assert_allclose(values, memory[places, unit], rtol=0, atol=1e-9)


def test_a_short_text_has_few_strongest_places():
    found = strongest_places(engine_of(), text_of(APART + 1), layer=1, count=3)
    assert (found.positions[:, 0] >= 0).all()
    assert (found.positions[:, 2] == -1).all()
    assert np.isnan(found.values[:, 2]).all()
