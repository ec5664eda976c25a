"""What `lstmgen bench` counts and says."""

import json

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lstmgen.model.language_model import LanguageModel
from lstmgen.training.matmul_costs import Matmul, step_matmuls, time_matmuls
from tests.helpers.program import call_cli

VOCAB, BATCH, WINDOW, STRIDE = 48, 3, 7, 2


def make_loop_model(**options):
    settings = {"embedding_dim": 9, "hidden_sizes": [11, 6], "loop": True}
    return LanguageModel(VOCAB, **(settings | options))


@pytest.mark.parametrize("cell", ["elman", "lstm"])
def test_the_products_of_the_layers_are_those_that_torch_counts(cell):
    """Torch counts what its dispatcher sees, so the loop's (but no addmm_, as in a GRU's)."""
    model = make_loop_model(cell=cell)
    inputs = torch.randint(0, VOCAB, (BATCH, WINDOW))
    with FlopCounterMode(display=False) as counter:
        features, _ = model.read(inputs, model.zero_states(BATCH), carry=None)
        features.sum().backward()
    products = step_matmuls(model, batch=BATCH, window=WINDOW, stride=STRIDE, bf16=False)
    layers = products[: 2 * 6]
    assert sum(product.flop for product in layers) == counter.get_total_flops()


def test_the_products_of_the_output_are_three_of_each_matrix():
    def flop(model):
        products = step_matmuls(model, batch=BATCH, window=WINDOW, stride=STRIDE, bf16=False)
        return sum(product.flop for product in products[2 * 6 :])

    rows = BATCH * STRIDE
    assert flop(make_loop_model()) == 3 * 2 * rows * (6 * 9 + 9 * VOCAB)
    assert flop(make_loop_model(tie_weights=False)) == 3 * 2 * rows * 6 * VOCAB
    clusters = [list(range(8)), list(range(8, 20)), list(range(20, VOCAB))]
    model = make_loop_model(tie_weights=False, clusters=clusters)
    rare = 1 * (6 * 1 + 1 * 12) + 1 * (6 * 1 + 1 * 28)  # one row each, by vectors of 1
    assert flop(model) == 3 * 2 * (rows * 6 * 10 + rare)


def test_only_a_kernel_s_products_are_in_bf16():
    for loop, low in ((False, True), (True, False)):
        products = step_matmuls(
            make_loop_model(loop=loop), batch=BATCH, window=WINDOW, stride=STRIDE, bf16=True
        )
        assert {product.bf16 for product in products[: 2 * 6]} == {low}
        assert products[-1].bf16


def test_looked_up_products_are_none():
    dense = make_loop_model(one_hot=True, tie_weights=False, look_up=False)
    looked_up = make_loop_model(one_hot=True, tie_weights=False)
    assert looked_up.looks_up
    counts = [
        sum(p.flop for p in step_matmuls(m, batch=BATCH, window=WINDOW, stride=STRIDE, bf16=False))
        for m in (dense, looked_up)
    ]
    assert counts[0] - counts[1] == 2 * 2 * BATCH * WINDOW * VOCAB * 4 * 11  # forward and its own


def test_products_are_timed_as_often_as_they_are_taken():
    one, many = (
        time_matmuls([Matmul(64, 256, 256, times, False)], torch.device("cpu")) for times in (1, 50)
    )
    assert 0 < one < many


@pytest.mark.slow
def test_bench_tells_rates_and_keeps_nothing(tiny, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    done = call_cli("bench", tiny, "--seconds", 0.1, "--json", cwd=tmp_path, check=0)
    told = json.loads(done.stdout)
    assert told["training_words_per_second"] == pytest.approx(
        told["step_words"] / told["step_seconds"]
    )
    assert told["generating_words_per_second"] > 10
    assert told["weight_bytes"] == 4 * told["parameters"]
    assert told["share_of_floor"] > 0 and told["step_flop"] > 1000
    table = call_cli("bench", tiny, "--seconds", 0.1, cwd=tmp_path, check=0).stdout
    for label in ("device", "training", "one step", "generating", "from the shell"):
        assert f"\n{label}" in "\n" + table
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_bench_takes_one_config_with_a_text_that_stays(tiny, tmp_path):
    assert "one config at a time" in call_cli("bench", tiny, tiny, cwd=tmp_path, check=2).stderr
    refused = call_cli("bench", tiny, "data.train=-", cwd=tmp_path, check=2).stderr
    assert "data.train = -: bench cannot read standard input. Name a file" in refused
    assert "no such config file" in call_cli("bench", "nope", cwd=tmp_path, check=2).stderr
