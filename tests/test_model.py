"""Properties of the model: states, chunks, outputs, masks, initial weights."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstmgen.cells import CELLS
from lstmgen.model import chunked_softmax
from lstmgen.model.dropout_masks import Masks
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.model.layer_interface import State
from lstmgen.model.variable_lengths import run_stack

VOCAB, EMBED, SIZES, BATCH, TIME = 11, 4, [6, 5], 3, 9


def float64_model(seed=0, **kwargs):
    options = {"embedding_dim": EMBED, "hidden_sizes": SIZES, "seed": seed} | kwargs
    return LanguageModel(VOCAB, **options).double()


def ids(*shape, seed=1):
    return torch.randint(0, VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def close_tensors(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def full(inputs):
    return torch.full((len(inputs),), inputs.shape[1])


def test_layers_of_different_sizes_equal_torch_stacked_by_hand():
    model, inputs = float64_model(), ids(BATCH, TIME)
    features, states = model.read(inputs, model.zero_states(BATCH), carry=full(inputs))
    expected = functional.embedding(inputs, model.embedding.weight)
    for layer, state in zip(model.layers, states, strict=True):
        expected, (hidden, cell) = layer(expected)
        close_tensors(state.hidden, hidden[0])
        close_tensors(state.cell, cell[0])
    close_tensors(features, expected)
    assert features.shape == (BATCH, TIME, 5)


@pytest.mark.parametrize("stride", [1, 2, 4, 9])
def test_state_after_some_words_is_that_of_a_pass_that_ends_there(stride):
    model, inputs = float64_model(), ids(BATCH, TIME)
    begun = model.read(ids(BATCH, 5, seed=7), model.zero_states(BATCH), carry=torch.full((3,), 5))
    _, carried = model.read(inputs, begun[1], carry=torch.full((BATCH,), stride))
    _, ended = model.read(inputs[:, :stride], begun[1], carry=torch.full((BATCH,), stride))
    for a, b in zip(carried, ended, strict=True):
        close_tensors(a.hidden, b.hidden)
        close_tensors(a.cell, b.cell)


def test_rows_may_hand_on_their_states_after_different_words():
    model, inputs = float64_model(), ids(BATCH, TIME)
    carry = torch.tensor([0, 3, 9])
    _, mixed = model.read(inputs, model.zero_states(BATCH), carry=carry)
    for row, words in enumerate(carry.tolist()):
        if words == 0:
            assert all((s.hidden[row] == 0).all() and (s.cell[row] == 0).all() for s in mixed)
            continue
        alone = inputs[row : row + 1, :words]
        _, state = model.read(alone, model.zero_states(1), carry=torch.tensor([words]))
        for a, b in zip(mixed, state, strict=True):
            close_tensors(a.hidden[row], b.hidden[0])
            close_tensors(a.cell[row], b.cell[0])


def test_gradient_does_not_cross_the_window_but_the_value_does():
    model = float64_model()
    _, before = model.read(ids(1, 4), model.zero_states(1), carry=torch.tensor([2]))
    assert not any(s.hidden.requires_grad or s.cell.requires_grad for s in before)
    other = [State(s.hidden + 0.1, s.cell) for s in before]
    window, carry = ids(1, 4, seed=3), torch.tensor([4])
    a, b = (model.read(window, states, carry=carry)[0] for states in (before, other))
    assert (a - b).abs().max() > 1e-4


@pytest.mark.parametrize("rows", [1, 4, 7, 1000])
def test_nats_in_chunks_equal_cross_entropy_with_all_gradients(rows, monkeypatch):
    monkeypatch.setattr(chunked_softmax, "chunk_rows", lambda *_: rows)
    generator = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(size, generator=generator, dtype=torch.float64, requires_grad=True)
        for size in ((13, 6), (VOCAB, 6), (VOCAB,))
    ]
    hidden, weight, bias = tensors
    targets = ids(13)
    nats = chunked_softmax.summed_nats(hidden, weight, bias, targets)
    expected = functional.cross_entropy(hidden @ weight.T + bias, targets, reduction="sum")
    close_tensors(nats, expected, atol=1e-11)
    ours = torch.autograd.grad(nats * 0.3, tensors)
    theirs = torch.autograd.grad(expected * 0.3, tensors)
    for a, b in zip(ours, theirs, strict=True):
        close_tensors(a, b)


@pytest.mark.parametrize("rows", [1, 5, 1000])
def test_scoring_in_chunks_counts_nats_and_likeliest_words(rows, monkeypatch):
    monkeypatch.setattr(chunked_softmax, "chunk_rows", lambda *_: rows)
    model, targets = float64_model(), ids(13)
    features = torch.randn(13, 5, generator=torch.Generator().manual_seed(0)).double()
    logits = model.logits(features)
    nats, correct = model.score(features, targets)
    assert nats == pytest.approx(
        functional.cross_entropy(logits, targets, reduction="sum").item(), abs=1e-11
    )
    assert correct == int((logits.argmax(dim=1) == targets).sum())


def test_known_losses():
    eye = torch.eye(4, dtype=torch.float64)
    zero = torch.zeros(4, dtype=torch.float64)
    for logits, target, nats in (([1, 3, 5, 7], 3, 0.14507794), ([1, -9, 4, 8], 1, 17.01904505)):
        row = torch.tensor([logits], dtype=torch.float64)
        close_tensors(
            chunked_softmax.summed_nats(row, eye, zero, torch.tensor([target])),
            torch.tensor(nats, dtype=torch.float64),
            atol=5e-9,
        )
    row = torch.tensor([[1.0, 3, 5, 7]], dtype=torch.float64, requires_grad=True)
    chunked_softmax.summed_nats(row, eye, zero, torch.tensor([3])).backward()
    expected = torch.tensor([[0.00214401, 0.01584220, 0.11705891, -0.13504512]]).double()
    close_tensors(row.grad, expected, atol=5e-9)
    flat = torch.zeros(1, 4, dtype=torch.float64)
    close_tensors(
        chunked_softmax.summed_nats(flat, eye, zero, torch.tensor([2])),
        torch.tensor(math.log(4), dtype=torch.float64),
    )


def test_one_hot_input_equals_an_embedding_with_the_weights_shared():
    one_hot = float64_model(one_hot=True, tie_weights=False)
    embedded = float64_model(tie_weights=False, embedding_dim=VOCAB)
    with torch.no_grad():
        embedded.embedding.weight.copy_(torch.eye(VOCAB))
        for target, source in zip(embedded.layers, one_hot.layers, strict=True):
            target.load_state_dict(source.state_dict())
        embedded.output_weight.copy_(one_hot.output_weight)
    inputs = ids(BATCH, TIME)
    a, b = (
        m.logits(m.read(inputs, m.zero_states(BATCH), carry=full(inputs))[0])
        for m in (one_hot, embedded)
    )
    close_tensors(a, b)


@pytest.mark.parametrize("one_hot", [False, True])
def test_an_unknown_word_is_read_as_the_mean_of_the_words_seen_once(one_hot):
    model = float64_model(one_hot=one_hot, tie_weights=not one_hot, seen_once=(2, 5, 7)).eval()
    vectors = model.embed(torch.tensor([[2, 5, 7, VOCAB]]))[0]
    close_tensors(vectors[3], vectors[:3].mean(dim=0))


@pytest.mark.parametrize("cell", CELLS)
def test_products_that_are_looked_up_equal_those_with_one_hot_vectors(cell):
    """With dropout, for windows that overlap, with all gradients."""
    found = []
    for look_up in (True, False):
        model = float64_model(one_hot=True, tie_weights=False, look_up=look_up, hidden_sizes=[2, 5],
                              cell=cell, dropout=DropoutRates(0.3, 0.2, 0.2, 0.3))  # fmt: skip
        assert model.looks_up is look_up
        inputs, carry = ids(BATCH, TIME), torch.tensor([2, 0, TIME])
        masks = Masks(1, 2, range(BATCH), dtype=torch.float64)
        states = [State(s.hidden + 0.3, s.cell - 0.2) for s in model.zero_states(BATCH)]
        features, after = model.read(inputs, states, carry=carry, masks=masks)
        model.summed_nats(features.flatten(0, 1), ids(BATCH, TIME, seed=5).flatten()).backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        found.append([features.detach(), *(t for state in after for t in state), *gradients])
    for a, b in zip(*found, strict=True):
        close_tensors(a, b)
    assert not float64_model(one_hot=True, tie_weights=False, hidden_sizes=[5]).looks_up


def test_tied_output_is_one_tensor_and_a_projection_bridges_sizes():
    tied = float64_model()
    names = dict(tied.named_parameters())
    assert "output_weight" not in names
    assert names["projection.weight"].shape == (EMBED, 5)
    assert tied._output()[0] is tied.embedding.weight
    assert float64_model(hidden_sizes=[6, EMBED]).projection is None


def test_masks_do_not_depend_on_how_rows_are_grouped():
    whole = Masks(3, 17, range(0, 6))(1, 10, 0.4)
    parts = [Masks(3, 17, range(s, s + 2))(1, 10, 0.4) for s in (0, 2, 4)]
    assert torch.equal(whole, torch.cat(parts))
    assert set(whole.unique().tolist()) <= {0.0, torch.tensor(1 / 0.6).item()}
    for other in (Masks(4, 17, range(0, 6)), Masks(3, 18, range(0, 6))):
        assert not torch.equal(whole, other(1, 10, 0.4))
    assert not torch.equal(whole, Masks(3, 17, range(0, 6))(2, 10, 0.4))
    many = Masks(0, 0, range(0, 200))(0, 200, 0.25)
    assert abs((many == 0).double().mean().item() - 0.25) < 0.01
    assert abs(many.double().mean().item() - 1) < 0.01


def test_dropout_holds_one_mask_for_a_sequence():
    model = float64_model(dropout=DropoutRates(input=0.5, hidden=0.5, output=0.5)).train()
    masks = Masks(0, 1, range(BATCH), dtype=torch.float64)
    inputs = ids(BATCH, TIME)
    features, _ = model.read(inputs, model.zero_states(BATCH), carry=full(inputs), masks=masks)
    dropped = features == 0
    assert dropped.any()
    assert (dropped == dropped[:, :1]).all()


def test_a_layer_more_leaves_the_other_weights_and_the_global_generator():
    state = torch.random.get_rng_state()
    small, large = float64_model(hidden_sizes=[6]), float64_model(hidden_sizes=[6, 5])
    assert torch.equal(torch.random.get_rng_state(), state)
    shared = dict(small.named_parameters())
    for name, parameter in large.named_parameters():
        if name in shared and shared[name].shape == parameter.shape:
            assert torch.equal(parameter, shared[name]), name
    assert not torch.equal(float64_model(seed=1).embedding.weight, small.embedding.weight)


def test_the_output_bias_starts_as_the_unigram_model():
    counts = [3, 0, 1, 7, 2, 2, 9, 1, 0, 4, 5]
    model = float64_model(counts=counts)
    with torch.no_grad():
        model.embedding.weight.zero_()
    features, _ = model.read(ids(1, 1), model.zero_states(1), carry=torch.tensor([1]))
    # two words are seen once, so the two that are not seen count as much
    expected = torch.tensor(counts).double().clamp(min=1) / (sum(counts) + 2)
    close_tensors(model.logits(features).softmax(-1)[0, 0], expected, atol=1e-7)
    assert not float64_model().output_bias.any()


def test_one_of_the_two_forget_biases_is_one():
    layer = float64_model().layers[0]
    bias = layer.bias_ih_l0 + layer.bias_hh_l0
    assert bias.tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 12


@pytest.mark.parametrize(
    ("sizes", "parameters"), [([4, 5], 412 + 11 * 6 + 11 * 5 + 11), ([4], 192 + 66 + 44 + 11)]
)
def test_parameter_counts(sizes, parameters):
    """Six numbers a word into layers of 4 and 5: torch's two biases make 192 and 220."""
    model = float64_model(embedding_dim=6, hidden_sizes=sizes, tie_weights=False)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_a_word_has_one_fate_in_a_sequence_and_the_share_is_kept():
    ids = torch.randint(0, 50, (40, 60), generator=torch.Generator().manual_seed(0))
    masks = Masks(3, 17, range(0, 40))
    whole = masks.words(ids, 0.3)
    assert set(whole.unique().tolist()) == {0.0, np.float32(1 / 0.7).item()}
    for row in range(40):
        for word in ids[row].unique():
            assert len(whole[row][ids[row] == word].unique()) == 1
    assert len(set(whole[:, 0].tolist())) == 2  # other sequences do without other words
    parts = [Masks(3, 17, range(s, s + 20)).words(ids[s : s + 20], 0.3) for s in (0, 20)]
    assert torch.equal(whole, torch.cat(parts))
    for other in (Masks(4, 17, range(40)), Masks(3, 18, range(40))):
        assert not torch.equal(whole, other.words(ids, 0.3))
    every = torch.arange(2000).expand(50, 2000)
    assert float(Masks(0, 0, range(50)).words(every, 0.3).mean()) == pytest.approx(1, abs=0.01)


def test_dropped_words_are_read_as_zero_vectors():
    model = float64_model(dropout=DropoutRates(words=0.4))
    model.train()
    inputs, masks = ids(BATCH, 7), Masks(5, 1, range(BATCH), dtype=torch.float64)
    kept = masks.words(inputs, 0.4)
    vectors = model.embed(inputs) * kept[..., None]
    expected, _ = run_stack(model.recurrent, vectors)
    features, _ = model.read(inputs, model.zero_states(BATCH), carry=None, masks=masks)
    close_tensors(features, expected)


def test_recurrent_weights_are_dropped_for_a_while_and_so_are_their_gradients():
    model = float64_model(dropout=DropoutRates(recurrent=0.5))
    model.train()
    inputs, masks = ids(BATCH, 5), Masks(5, 1, range(BATCH), dtype=torch.float64)
    weights = [layer.get_parameter("weight_hh_l0") for layer in model.recurrent]
    before = [weight.detach().clone() for weight in weights]
    kept = [masks.weights(place, w.shape, 0.5) for place, w in enumerate(weights)]
    with model.recurrent_dropout(masks):
        for weight, whole, mask in zip(weights, before, kept, strict=True):
            assert torch.equal(weight, whole * mask) and not torch.equal(weight, whole)
        features, _ = model.read(inputs, model.zero_states(BATCH), carry=full(inputs), masks=masks)
        features.square().sum().backward()
    for weight, whole in zip(weights, before, strict=True):
        assert torch.equal(weight, whole)
    # the same by autograd through the product with the mask
    twin = float64_model(dropout=DropoutRates())
    layers = list(zip(twin.recurrent, kept, strict=True))
    replaced = [
        {"weight_hh_l0": layer.get_parameter("weight_hh_l0") * mask} for layer, mask in layers
    ]
    outputs = twin.embed(inputs)
    for (layer, _), replacement in zip(layers, replaced, strict=True):
        outputs, _ = torch.func.functional_call(layer, replacement, (outputs,))
    outputs.square().sum().backward()
    for (layer, _), weight in zip(layers, weights, strict=True):
        expected = layer.get_parameter("weight_hh_l0").grad
        close_tensors(weight.grad, expected)


def test_an_error_while_weights_are_dropped_brings_them_back():
    model = float64_model(dropout=DropoutRates(recurrent=0.5))
    before = model.layers[0].weight_hh_l0.detach().clone()
    with pytest.raises(KeyError), model.recurrent_dropout(Masks(5, 1, range(1))):
        raise KeyError
    assert torch.equal(model.layers[0].weight_hh_l0, before)


def test_dropped_weights_keep_their_share_and_expectation():
    shape = torch.Size([400, 101])
    mask = Masks(1, 2, range(3)).weights(0, shape, 0.3)
    assert mask.shape == shape and float(mask.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(mask, Masks(1, 2, range(3, 9)).weights(0, shape, 0.3))  # of all sequences
    for other in (Masks(2, 2, range(3)), Masks(1, 3, range(3))):
        assert not torch.equal(mask, other.weights(0, shape, 0.3))
    assert not torch.equal(mask, Masks(1, 2, range(3)).weights(1, shape, 0.3))
