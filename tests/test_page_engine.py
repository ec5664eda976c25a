"""The engine in a run's page computes what the numpy engine computes."""

import math
import random

import numpy as np
import pytest

from lstmgen.cells import CELLS, forward_stack
from lstmgen.config.schema import Config
from lstmgen.generation.cue import read_cue
from lstmgen.generation.load import LoadedCheckpoint, make_engine
from lstmgen.generation.sampling import highest
from lstmgen.inspection.tracing import trace_gradient
from lstmgen.model.factory import build_model, to_arrays
from lstmgen.reporting import page_data
from lstmgen.reporting.equations import spelled_out
from lstmgen.text.config_text import index_copies, prepare_text
from lstmgen.text.copy_index import RunMeter
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import detokenize
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import Vocabulary
from tests.helpers.page_engine import PageEngine
from tests.helpers.scenes import STORY

MODELS = {
    **{cell: {"cell": cell} for cell in CELLS},
    "full_peepholes": {"cell": "lstm_peephole", "peephole": "full"},
    "one_hot": {"input": "one_hot", "tie_weights": False},
    "untied": {"tie_weights": False},
    "tied_without_projection": {"hidden_sizes": [9, 8]},
    "adaptive": {"output": "adaptive", "tie_weights": False},
    "one_layer": {"hidden_sizes": [5]},
}
CUES = (
    "", "The", "The old dog sat by the river.", '"Where is the river?" asked the cat.',
    "The old dog\n\nThe cat", "“Where is the mill?” asked the dog", "Nobody knows xylophones.",
    "It's the dog's river - isn't it?", "the mill... 3.14 (cold)", "L'eau d'Anna, où ça ?",
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "a.txt").write_text(STORY * 2 + "Its mill isn't the dog's.\n", encoding="utf-8")
    (folder / "b.txt").write_text("A cold river.\nThe cat ran by it.\n" * 3, encoding="utf-8")
    config = Config.model_validate({"data": {"train": str(folder), "valid_fraction": 0.1}})
    return prepare_text(config.data, folder), config.data


@pytest.fixture(scope="module", params=MODELS)
def pair(request, corpus):
    """A model with large random weights: as numpy's engine in float64, and as the page's."""
    sizes = {"hidden_sizes": [9, 7], "embedding_dim": 8}
    config = Config.model_validate({"model": sizes | MODELS[request.param]})
    vocabulary = corpus[0].vocabulary
    model = build_model(config.model, vocabulary, seed=3)
    generator = np.random.default_rng(4)
    weights = {
        name: (array + generator.normal(0, 0.5, array.shape)).astype(np.float32)
        for name, array in to_arrays(dict(model.named_parameters())).items()
    }
    loaded = LoadedCheckpoint(None, config, vocabulary, weights)
    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    data = {"model": page_data.model_data(loaded), "text": page_data.text_data(vocabulary, config)}
    return make_engine(config, vocabulary, exact), PageEngine(data), vocabulary


def encode(cue, vocabulary):
    return list(read_cue(cue, vocabulary, kind="word", lowercase=False)[1])


def log_probabilities(engine, ids):
    states = engine.zero_states(1)
    for word in ids:
        states = engine.read(np.array([word]), states)
    logits = engine.logits(states)[0]
    return logits - np.logaddexp.reduce(logits), states


def unsigned(line):
    """A line whose zeros have no sign, since that of a sum depends on the order of its terms."""
    return line.replace("- 0.0000", "+ 0.0000").replace("-0.0000", "0.0000")


@pytest.mark.parametrize("cue", CUES)
def test_predictions_after_ten_cues_are_equal(pair, cue):
    engine, page, vocabulary = pair
    ids = encode(cue, vocabulary)
    found = page.run("new Reading(model, ids).next()", ids=ids)
    np.testing.assert_allclose(found, log_probabilities(engine, ids)[0], rtol=0, atol=1e-9)


def test_a_greedy_continuation_is_equal_word_for_word(pair):
    engine, page, vocabulary = pair
    ids = encode("The old dog", vocabulary)
    expected = list(ids)
    for _ in range(50):
        scores = log_probabilities(engine, expected)[0]
        scores[list(vocabulary.specials)] = -np.inf
        expected.append(int(highest(scores, 1)[0]))
    page.context.eval(
        "function greedy(ids) { const read = new Reading(model, ids);"
        "for (let i = 0; i < 50; i++) { const scores = read.next();"
        "for (const id of text.specials) scores[id] = -Infinity;"
        "read.push(draw(scores, {temperature: 0, topP: 1}, new Random(1))); } return read.ids; }"
    )
    assert page.run("greedy(ids)", ids=ids) == expected


@pytest.mark.parametrize("layer", [0, -1])
def test_gradient_norms_are_those_of_backpropagation(pair, layer):
    engine, page, vocabulary = pair
    ids, target = encode(CUES[2], vocabulary), 5
    place = layer % len(engine.layers)
    found = page.run(
        "new Reading(model, ids).gradientNorms(ids.length, target, place)",
        ids=ids, target=target, place=place,
    )  # fmt: skip
    expected = trace_gradient(engine, np.array(ids), target, layer=place)
    np.testing.assert_allclose(found["states"], expected.states, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found["words"], expected.words, rtol=1e-9, atol=1e-15)


def test_the_equations_have_the_numbers_of_explain(pair):
    engine, page, vocabulary = pair
    ids = encode(CUES[2], vocabulary)
    runs = forward_stack(engine.layers, engine.embed(np.array(ids))[None])
    for place, run in enumerate(runs):
        for step, unit in ((0, 0), (4, 3)):
            lines = spelled_out(run, step=step, unit=unit, number=lambda x: f"{x:.4f}")
            found = page.run(
                "spellOut(model, place, new Reading(model, ids).steps[step][place], unit)",
                ids=ids, place=place, step=step, unit=unit,
            )  # fmt: skip
            assert list(map(unsigned, found)) == list(map(unsigned, lines))


def test_a_gate_that_is_held_keeps_its_value_and_changes_later_states(pair):
    _, page, vocabulary = pair
    ids = encode(CUES[2], vocabulary)
    for gate in page.run("model.gates.map((g) => g.name)"):
        clamp = {"layer": 0, "gate": gate, "unit": 2, "value": 0.25}
        held = "new Reading(model, ids, clamp)"
        values = page.run(
            f"{held}.steps.map((s) => s[0].gates[clamp.gate][2])", ids=ids, clamp=clamp
        )
        assert values == [0.25] * len(ids)
        after = page.run(f"{held}.next()", ids=ids, clamp=clamp)
        assert after != page.run("new Reading(model, ids).next()", ids=ids)


def test_an_untrained_copy_has_the_initial_biases_and_the_same_output(pair):
    engine, page, _ = pair
    layer = page.run("model.untrained(7).layers[0]")
    size = engine.layers[0].weights.weight_hh.shape[1]
    reach = 1 / math.sqrt(size)
    assert max(map(abs, layer["hh"]["values"])) < reach
    assert max(map(abs, layer["hh"]["values"])) > 0.8 * reach
    biases = engine.layers[0].cell.initial_biases
    fields = engine.layers[0].cell.fields._fields
    assert layer["biasIh"] == [float(biases.get(name, 0)) for name in fields for _ in range(size)]
    assert page.run("model.untrained(7).head === model.head")


@pytest.mark.parametrize("cue", CUES)
def test_a_cue_is_read_as_generate_reads_it(pair, cue):
    _, page, vocabulary = pair
    assert [0, *page.run("text.encode(cue).ids", cue=cue)] == encode(cue, vocabulary)


TEXTS = (
    *CUES,
    "«Où vas-tu?» dit-il. L’homme n'a rien dit… Aujourd'hui, qu'il pleuve!",
    "„Wohin?“ fragte sie. »Nach Hause.« ‚Ja‘, ›nein‹ -- oder?",
    "他说：“我不知道。”\nそれは猫です。 ภาษาไทย हिन्दी में लिखा",
    "'Tis o'clock; rock 'n' roll, the dogs' bones. ''quoted'' \"un\" 'nested \"in\"' ok",
    "e\u0301a 👩‍👩‍👧 👍🏽 🇫🇷🇩🇪 a-b_c/d\\e 1,000.5 12:30 $5 50% #tag @me a...b ----",
    "one\r\ntwo\n\n\nthree\t four  five ¬ six¬ ¬¬",
)


JOIN = "ids.map(((d) => (id) => d.add(id))(new Detokenizer(text))).join('')"


def numbered(texts, kind):
    """A vocabulary of all tokens of some texts, and its page."""
    tokens = [tokenize(normalize(text), kind=kind) for text in texts]
    forms = tuple(dict.fromkeys(form for text in tokens for form in text))
    vocabulary = Vocabulary(("<story>", *forms), (1,) * (1 + len(forms)))
    config = Config.model_validate({"data": {"tokenizer": kind}})
    return vocabulary, tokens, PageEngine({"text": page_data.text_data(vocabulary, config)})


@pytest.mark.parametrize("kind", ["word", "whitespace", "character"])
def test_texts_are_split_and_joined_by_the_same_rules(kind):
    vocabulary, tokens, page = numbered(TEXTS, kind)
    for text, forms in zip(TEXTS, tokens, strict=True):
        ids = [vocabulary.ids[form] for form in forms]
        assert page.run("text.encode(cue).ids", cue=text) == ids
        assert page.run(JOIN, ids=ids) == detokenize(forms, kind=kind)


def test_drawn_tokens_are_joined_by_the_same_rule():
    """Any sequence of tokens, as a model may write it."""
    vocabulary, _, page = numbered(TEXTS, "word")
    draw = random.Random(5)
    for _ in range(20):
        ids = [draw.randrange(1, len(vocabulary)) for _ in range(40)]
        forms = [vocabulary.entries[i] for i in ids]
        assert page.run(JOIN, ids=ids) == detokenize(forms)


def test_copied_passages_are_those_of_the_index(corpus):
    prepared, data = corpus
    index, _ = index_copies(data, prepared)
    vocabulary, ids = prepared.vocabulary, prepared.train.ids
    page = PageEngine({"training": page_data.training_data(ids, index, vocabulary, [])})
    draw = random.Random(6)
    texts = [ids[20:50].tolist(), [*ids[90:104].tolist(), *ids[30:50].tolist()]]
    texts += [[draw.randrange(len(vocabulary)) for _ in range(60)] for _ in range(5)]
    assert page.run("training.ids") == ids.tolist()
    for text in texts:
        meter, expected = RunMeter(index), []
        for word in text:
            counted = meter.add(word)
            place = meter.location()
            expected.append(
                [meter.run, f"{place.file}, line {place.line}"] if counted and place else [0, ""]
            )
        found = page.run(
            "training.runs(ids).map(({run, at}) => [run, run ? training.locate(at) : ''])", ids=text
        )
        assert found == expected


def test_words_are_drawn_as_often_as_they_are_likely():
    page = PageEngine({})
    page.context.eval(
        "function count(scores, temperature, topP, n) { const random = new Random(3);"
        "const counts = scores.map(() => 0);"
        "for (let i = 0; i < n; i++) counts[draw(Float64Array.from(scores, Math.log),"
        "{temperature, topP}, random)]++; return counts; }"
    )
    p, n = [0.5, 0.25, 0.15, 0.1], 20_000
    for temperature, top_p, kept in ((1.0, 1.0, 4), (0.5, 1.0, 4), (1.0, 0.7, 2), (1.0, 0.76, 3)):
        weights = np.array(p) ** (1 / temperature)
        weights[kept:] = 0
        expected = n * weights / weights.sum()
        counts = page.run("count(p, t, q, n)", p=p, t=temperature, q=top_p, n=n)
        spread = 4 * np.sqrt(expected + 1)
        assert (np.abs(np.array(counts) - expected) <= spread).all()
    assert page.run("count(p, 0, 1, 10)", p=p) == [10, 0, 0, 0]


def test_the_same_seed_draws_the_same_numbers_and_another_seed_others():
    page = PageEngine({})
    draws = "(() => { const r = new Random(seed); return [r.next(), r.next(), r.next()]; })()"
    first = page.run(draws, seed=0)
    assert first == page.run(draws, seed=0)
    others = [page.run(draws, seed=seed) for seed in range(1, 50)]
    assert first not in others
    assert all(0 <= number < 1 for draw in others for number in draw)
    assert 0.35 < np.mean([draw[0] for draw in others]) < 0.65  # near seeds, far apart


def test_units_are_found_by_the_correlation_of_their_memory(pair):
    engine, page, vocabulary = pair
    ids = encode(CUES[3] + " The dog did not.", vocabulary)
    memory = "cell" if engine.layers[0].cell.has_cell else "hidden"
    inside = [0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    inside = inside[: len(ids)]
    expected = {}
    runs = forward_stack(engine.layers, engine.embed(np.array(ids))[None])
    for layer, run in enumerate(runs):
        states = np.tanh(run.states.cell[0]) if memory == "cell" else run.states.hidden[0]
        for unit in range(states.shape[1]):
            expected[layer, unit] = np.corrcoef(states[:, unit], inside)[0, 1]
    found = page.run("unitsThatFollow(new Reading(model, ids), text, m, null)", ids=ids, m=memory)
    assert len(found) == len(expected)
    sizes = [abs(one["correlation"]) for one in found]
    assert sizes == sorted(sizes, reverse=True)
    for one in found:
        assert one["correlation"] == pytest.approx(expected[one["layer"], one["unit"]], abs=1e-9)
