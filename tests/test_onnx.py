"""ONNX files: the same numbers as the numpy engine's, or no file."""

import json
import re

import numpy as np
import pytest
import torch

from lstmgen.cells import CELLS
from lstmgen.errors import CheckpointError
from lstmgen.generation import onnx_export, onnx_graph
from lstmgen.generation.load import load_generator
from lstmgen.generation.numpy_engine import Engine
from lstmgen.generation.onnx_export import largest_difference
from lstmgen.generation.onnx_graph import build_graph, check_exportable
from lstmgen.model.language_model import LanguageModel
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN, make_trained

VOCAB = 11
CLUSTERS = [[7, 2, 0], [1, 3, 4, 6], [8, 9, 10, 5]]
SHAPES = {
    "own output matrix": {"tie_weights": False},
    "tied through a projection": {"tie_weights": True},
    "tied": {"tie_weights": True, "hidden_sizes": [6, 5]},
    "one-hot": {"one_hot": True, "tie_weights": False},
    "adaptive": {"clusters": CLUSTERS, "tie_weights": False},
}


def make_engine(**settings):
    """An engine of random weights, none of which is 0."""
    options = {"embedding_dim": 5, "hidden_sizes": [6, 4], "seen_once": (2, 7)} | settings
    model = LanguageModel(VOCAB, seed=4, **options)
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, -1, 1, generator=generator)
    clusters = options.get("clusters")
    return Engine(
        {name: p.detach().numpy() for name, p in model.named_parameters()},
        vocab_size=VOCAB,
        hidden_sizes=options["hidden_sizes"],
        seen_once=options["seen_once"],
        cell=options.get("cell", "lstm"),
        clusters=None if clusters is None else [np.array(ids) for ids in clusters],
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def packages():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell", CELLS)
def test_every_model_computes_the_same(cell, shape):
    """With states carried from one call to the next, and unknown words."""
    engine = make_engine(cell=cell, **SHAPES[shape])
    data = build_graph(engine, metadata={}).SerializeToString(deterministic=True)
    assert largest_difference(engine, data) < 2e-6
    assert data == build_graph(engine, metadata={}).SerializeToString(deterministic=True)


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("cell", [cell for cell in CELLS if CELLS[cell].blocks > 1])
def test_the_check_finds_gates_in_the_wrong_order(cell, monkeypatch):
    engine = make_engine(cell=cell)
    name, order, attributes = onnx_graph.OPERATORS[cell]
    wrong = (*order[-2:], *order[:-2])
    monkeypatch.setitem(onnx_graph.OPERATORS, cell, (name, wrong, attributes))
    data = build_graph(engine, metadata={}).SerializeToString()
    assert largest_difference(engine, data) > 1e-2


@pytest.mark.usefixtures("packages")
def test_tied_weights_are_stored_once():
    engine = make_engine(tie_weights=True)
    graph = build_graph(engine, metadata={}).graph
    shapes = [tuple(weight.dims) for weight in graph.initializer]
    assert shapes.count((VOCAB, 5)) == 1 and (5, VOCAB) not in shapes


def test_full_peepholes_are_refused():
    engine = make_engine(cell="lstm_peephole", peephole="full")
    with pytest.raises(CheckpointError, match="run: model.peephole = full: .*Use --output"):
        check_exportable(engine, source="run")


def test_a_model_too_large_for_one_file_is_refused(monkeypatch):
    monkeypatch.setattr(onnx_graph, "MAX_BYTES", 1000)
    with pytest.raises(CheckpointError, match="an ONNX file holds at most 1,000. Use --output"):
        check_exportable(make_engine(), source="run")


@pytest.mark.usefixtures("packages")
def test_the_file_of_a_run_continues_a_cue_by_itself(trained, tmp_path):
    from onnxruntime import InferenceSession

    target = tmp_path / "cat.onnx"
    done = call_cli("export", RUN, "--onnx", target, cwd=trained, check=0)
    assert done.stdout == f"{target}\n"
    assert re.search(r"checked: .*the same logits and states \(to \d\.\de-\d\d\)", done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["cat.onnx"]
    session = InferenceSession(target)
    facts = session.get_modelmeta().custom_metadata_map
    words = json.loads(facts["vocabulary"])
    generator, source = load_generator(trained / RUN, trained, copies=False)
    assert words == list(generator.vocabulary.entries)
    assert json.loads(facts["checkpoint"]) == {"step": source.step, "digest": source.digest}
    assert json.loads(facts["tokenizer"])["tokenizer"] == "word"
    shapes = {each.name: each.shape for each in session.get_inputs()}
    assert shapes == {"ids": ["batch", "time"], "hidden_0": ["batch", 12], "cell_0": ["batch", 12]}
    inputs = {name: np.zeros((1, 12), np.float32) for name in ("hidden_0", "cell_0")}
    ids = [[words.index(word) for word in ("<story>", "The", "cat")]]
    states = generator.engine.zero_states(1)
    for i in ids[0]:
        states = generator.engine.read(np.array([i]), states)
    logits = session.run(["logits"], {"ids": ids, **inputs})[0]
    np.testing.assert_allclose(logits[:, -1], generator.engine.logits(states), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("packages")
def test_no_file_is_written_where_the_numbers_differ(trained, tmp_path, monkeypatch):
    order = onnx_graph.OPERATORS["lstm"]
    monkeypatch.setitem(onnx_graph.OPERATORS, "lstm", (order[0], (0, 1, 2, 3), {}))
    done = call_cli("export", RUN, "--onnx", tmp_path / "cat.onnx", cwd=trained)
    assert done.exit_code == 1 and "ONNX Runtime computes other logits than lst" in done.stderr
    assert "at most 1e-05 is allowed), so " in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_the_way_to_get_it(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    done = call_cli("export", RUN, "--onnx", tmp_path / "cat.onnx", cwd=trained)
    assert done.exit_code == 2
    assert "error: --onnx: the optional package onnx is not installed. Install it: pip " in (
        done.stderr
    )
    assert "pip install 'lstmgen[onnx]'" in done.stderr and not list(tmp_path.iterdir())


def test_an_existing_file_is_kept(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: True)
    (tmp_path / "cat.onnx").write_text("mine")
    done = call_cli("export", RUN, "--onnx", tmp_path / "cat.onnx", cwd=trained)
    assert done.exit_code == 2 and "cat.onnx: exists already. Choose a new name" in done.stderr
    assert (tmp_path / "cat.onnx").read_text() == "mine"
