"""How many words a model uses, and where its words come from: each against a plain loop."""

import json
import shutil

import numpy as np
import pytest
import torch
from rich.cells import cell_len

from lstmgen.cells import CELLS, forward_stack
from lstmgen.cli import inspect as inspect_command
from lstmgen.config.schema import DataConfig
from lstmgen.errors import CheckpointError, DataError
from lstmgen.generation.load import load_checkpoint, make_engine
from lstmgen.generation.numpy_engine import Engine
from lstmgen.inspection.memory import MemoryCurve, measure_memory
from lstmgen.inspection.nearest_states import NONE, SAME_CONTEXT, nearest_contexts
from lstmgen.inspection.text_reading import read_text
from lstmgen.inspection.unit_index import APART, strongest_places
from lstmgen.model.language_model import LanguageModel
from lstmgen.text.clusters import frequency_clusters
from lstmgen.text.config_text import index_copies, prepare_text
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN, best, make_trained

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


def test_words_used_are_those_from_which_the_loss_stays_near_the_full_one():
    def curve(*nats):
        return MemoryCurve(tuple(2**k for k in range(len(nats))), nats, 3.0, scored=1, available=1)

    assert curve(4.0, 3.02, 3.0099, 3.0).words_used == 4
    assert curve(3.0).words_used == 1
    assert curve(4.0, 3.011).words_used is None
    assert curve(2.5, 3.0, 3.2, 2.995).words_used == 8  # a loss that only passes by does not count
    assert curve(2.5, 3.0, 3.2, 2.995).shorter_is_better == 1
    assert curve(4.0, 2.995).shorter_is_better is None


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


def test_a_damaged_model_has_no_memory():
    engine = engine_of()
    engine.output.bias[:] = np.nan
    with pytest.raises(CheckpointError, match="the model gives no finite probabilities"):
        measure_memory(engine, text_of(5), contexts=(1,))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("trained"))


def look(folder, *options):
    return call_cli("inspect", RUN, *options, cwd=folder, check=0).stdout


def test_the_page_of_memory_shows_what_its_json_does(trained):
    found = json.loads(look(trained, "--memory", "--json"))
    loaded = load_checkpoint(trained / RUN, trained / "runs")
    engine = make_engine(loaded.config, loaded.vocabulary, loaded.weights)
    corpus = prepare_text(DataConfig(train=str(trained / "story.txt"), valid_fraction=0.2), trained)
    curve = measure_memory(engine, corpus.valid.ids)
    assert found["nats"] == list(curve.nats)
    assert (found["full"], found["scored"]) == (curve.full, curve.scored)
    assert (found["window"], found["text"]) == (8, "the validation text")
    page = look(trained, "--memory")
    rows = [line.split() for line in page.splitlines() if line[:4].strip().isdigit()]
    assert [int(row[0]) for row in rows] == found["contexts"]
    for row, nats in zip(rows, found["nats"], strict=True):
        assert float(row[1]) == pytest.approx(nats, abs=5e-5)
        assert float(row[2]) == pytest.approx(np.exp(nats), rel=5e-3)
        assert float(row[3]) == pytest.approx(nats - found["full"], abs=6e-5)
    assert f"{found['scored']} words scored" in page
    assert "(trained with window 8)" in page


def test_memory_is_measured_on_another_text(trained):
    (trained / "other.txt").write_text("The cat sat by the zebra.", encoding="utf-8")
    found = json.loads(look(trained, "--memory", "--text", "other.txt", "--json"))
    assert found["text"] == "other.txt"
    assert found["scored"] == found["available"] == 6  # and the zebra is not


@pytest.mark.parametrize("view", [("--memory",), ("--why", "--cue", "The old dog")])
def test_a_page_fits_a_narrow_terminal_and_a_pipe(trained, monkeypatch, view):
    assert max(map(cell_len, look(trained, *view).splitlines()[1:])) <= 100
    monkeypatch.setattr(inspect_command, "_width", lambda: 40)
    page = look(trained, *view)
    assert "\x1b" not in page
    assert max(map(cell_len, page.splitlines()[1:])) <= 40


def test_the_words_explained_are_those_that_generate_draws(trained):
    options = ("--cue", "The old zebra", "--seed", 5, "--words", 6)
    found = json.loads(look(trained, "--why", *options, "--json"))
    text = call_cli("generate", RUN, *options, cwd=trained, check=0).stdout
    assert found["cue"] + found["text"] + "\n" == text
    assert "".join(origin["word"] for origin in found["words"]) == found["text"].replace(" ", "")
    assert found["unknown_words"] == {"zebra": None}
    story = (trained / "story.txt").read_text(encoding="utf-8")
    for origin in found["words"]:
        values = [context["similarity"] for context in origin["contexts"]]
        assert values == sorted(values, reverse=True)
        assert len(origin["contexts"]) == 3
        for context in origin["contexts"]:
            assert context["file"] == "story.txt"
            line = story.split("\n")[context["line"] - 1]
            assert context["followed_by"].replace("\n", "") in line
            assert context["same"] == (context["followed_by"] == origin["word"])
            assert context["before"] in story
    first = sum(origin["contexts"][0]["same"] for origin in found["words"])
    assert found["confirmed"] == first
    page = look(trained, "--why", *options)
    assert f"in the nearest context of {first} of {len(found['words'])} words." in page
    assert "note: not in the vocabulary: zebra (read as an unknown word)" in page
    assert page.count("\n=") == sum(c["same"] for o in found["words"] for c in o["contexts"])


def test_after_a_cue_of_the_training_text_the_nearest_context_is_that_place(trained):
    """The story begins with these words, and so does the state."""
    found = json.loads(look(trained, "--why", "--cue", "The cat sat by the", "--json"))
    nearest = found["words"][0]["contexts"][0]
    assert nearest["similarity"] == pytest.approx(1, abs=1e-5)
    assert (nearest["before"], nearest["followed_by"]) == ("The cat sat by the", "old")
    assert nearest["line"] == 1


@pytest.mark.parametrize("kind", ["whitespace", "character"])
def test_other_tokenizers_are_looked_at_too(trained, kind):
    settings = (f"data.tokenizer={kind}", "train.max_steps=2", "--name", kind, "-q")
    run = call_cli("train", "my.yaml", *settings, cwd=trained, check=0).stdout.strip()
    memory = call_cli("inspect", run, "--memory", "--json", cwd=trained, check=0).stdout
    assert json.loads(memory)["scored"] > 20
    page = call_cli("inspect", run, "--memory", cwd=trained, check=0).stdout
    unit = "character" if kind == "character" else "word"
    assert f"Loss with only the last k {unit}s known: the validation text" in page
    why = ("--why", "--cue", "The cat sat", "--words", 3, "--json")
    found = json.loads(call_cli("inspect", run, *why, cwd=trained, check=0).stdout)
    story = (trained / "story.txt").read_text(encoding="utf-8")
    for origin in found["words"]:
        for context in origin["contexts"]:
            before = context["before"]
            assert (before if kind == "character" else before.split()[-1]) in story
    shutil.rmtree(trained / run)


def test_a_place_of_a_corpus_is_that_of_its_copy_index(tmp_path):
    (tmp_path / "a.txt").write_text("\nA cat.\n\n\nA dog", encoding="utf-8")
    (tmp_path / "b.txt").write_text("A cow\nand a hen.\n", encoding="utf-8")
    data = DataConfig(train=str(tmp_path), valid_fraction=0)
    corpus = prepare_text(data, tmp_path / "runs")
    index, _ = index_copies(data, corpus)
    for word, expected in {"cat": (0, 2), "dog": (0, 5), "cow": (1, 1), "hen": (1, 2)}.items():
        entry = corpus.vocabulary.ids[word]
        assert corpus.locate(int(np.flatnonzero(corpus.train.ids == entry)[0])) == expected
        place = index.locate(int(index.places([int(index.canonical[entry])])[0]))
        assert (place.file, place.line) == (f"{'ab'[expected[0]]}.txt", expected[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my.yaml", "--why"], "--why needs a trained model, and my.yaml is not a run folder"),
        (["nowhere", "--memory"], "--memory needs a trained model, and nowhere is not a run"),
        ([RUN, "--why", "train.window=3"], "train.window=3: the settings of a trained model can"),
        ([RUN, "--memory", "--units", "3"], "--units goes with --gates, not with --memory"),
        ([RUN, "--memory", "--cue", "A"], "--cue goes with --gates, --gradients or --why, not"),
        ([RUN, "--why", "--text", "a"], "--text goes with --gates, --gradients or --memory, not"),
        (
            [RUN, "--why", "--layer", "2"],
            "--layer goes with --gates or --gradients, not with",
        ),
        ([RUN, "--gates", "--seed", "2"], "--seed goes with --why, not with --gates"),
        ([RUN, "--gradients", "--words", "2"], "--words goes with --why, not with --gradients"),
        ([RUN, "--why", "--memory"], "choose what to inspect: --gates, --gradients, --memory or"),
    ],
)
def test_what_does_not_fit_is_one_message(trained, arguments, message):
    done = call_cli("inspect", *arguments, cwd=trained, check=2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_the_words_of_a_lone_checkpoint_have_no_training_text(trained, tmp_path):
    shutil.copytree(best(trained / RUN), tmp_path / "step")
    done = call_cli("inspect", tmp_path / "step", "--why", cwd=tmp_path, check=2)
    assert "outside a run folder, without its run's text. --why reads the text" in done.stderr
    assert "trained on, so name a run that has it" in done.stderr
    done = call_cli("inspect", tmp_path / "step", "--memory", cwd=tmp_path, check=2)
    assert "without its run's text. Use --text FILE" in done.stderr


def test_a_text_that_has_changed_or_holds_nothing_out_is_named(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    path, settings = tmp_path / "story.txt", ("data.valid_fraction=0", "train.max_steps=2", "-q")
    run = call_cli("train", "my.yaml", *settings, cwd=tmp_path, check=0).stdout.strip()
    done = call_cli("inspect", run, "--memory", cwd=tmp_path, check=2)
    assert "the run has no validation text, so there is nothing to score" in done.stderr
    assert "Use --text FILE, or evaluate --split train" in done.stderr
    path.write_text(path.read_text(encoding="utf-8") + "A zebra.\n", encoding="utf-8")
    done = call_cli("inspect", run, "--why", cwd=tmp_path, check=2)
    assert "the run's text has changed since it was trained on. --why reads the" in done.stderr
    done = call_cli("inspect", run, "--memory", cwd=tmp_path, check=2)
    assert "the run's text has changed since it was trained on. Use --text FILE" in done.stderr
