"""Measures of generated text, each against its definition on small texts."""

import json
import math
import re
from argparse import Namespace

import numpy as np
import pytest

import benchmarks.samples
from lstmgen.cells.building_blocks import State
from lstmgen.config.schema import DataConfig
from lstmgen.evaluation.english import is_english
from lstmgen.evaluation.grammar import Lints, count_lints
from lstmgen.evaluation.held_out import read_held_out, read_train_ids
from lstmgen.evaluation.minimal_pairs import (
    ARTICLES,
    THESE,
    Agreement,
    find_minimal_pairs,
    score_minimal_pairs,
)
from lstmgen.evaluation.ngram_perplexity import estimate_scorer, spread_passages
from lstmgen.evaluation.sample_quality import measure_samples
from lstmgen.evaluation.text_quality import measure_texts
from lstmgen.generation.continuation import Endings
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import load_checkpoint, make_engine
from lstmgen.ngrams.kneser_ney import build_kneser_ney
from lstmgen.text.in_memory import read_last_forms
from lstmgen.text.prepared import prepare
from lstmgen.text.sentences import split_sentences
from lstmgen.text.spacing import detokenize
from lstmgen.text.tokenizer import tokenize
from tests.helpers.program import call_cli


class Pairs:
    """A model whose logits depend on the word before alone."""

    def __init__(self, table):
        self.table = np.asarray(table)

    def zero_states(self, batch):
        return [State(np.zeros((batch, 1)), np.zeros((batch, 1)))]

    def read(self, ids, states):
        return [State(ids[:, None].astype(float), states[0].cell + 1)]

    def logits(self, states):
        return self.table[states[-1].hidden[:, 0].astype(int)]


def surfaces_of(text, *others):
    tokens = tokenize(text)
    surfaces = [*dict.fromkeys([*tokens, *others])]
    return np.array([surfaces.index(token) for token in tokens]), surfaces


def pairs_of(text, *others):
    """The kind, the right and the wrong form of each minimal pair."""
    ids, surfaces = surfaces_of(text, *others)
    return [
        (pair.kind, surfaces[pair.right], surfaces[pair.wrong])
        for pair in find_minimal_pairs(ids, surfaces)
    ]


VERBS = ["is", "are", "was", "were", "has", "have", "does", "do", "am", "isn't", "aren't"]


def test_sentences_end_where_a_reader_ends_them():
    text = '"Stop!" he said. Mr. Gray met J. Bach... "Why?" It was 3.5 m. Done'
    assert list(split_sentences(text)) == [
        '"Stop!" he said.', 'Mr. Gray met J. Bach...', '"Why?"', "It was 3.5 m.", "Done",
    ]  # fmt: skip
    assert list(split_sentences("a cat. a dog.", cased=False)) == ["a cat.", "a dog."]
    assert list(split_sentences("The Gov. Sat.", abbreviations=("Sat",)))[0] == "The Gov. Sat."
    assert list(split_sentences("猫がいる。犬もいる。")) == ["猫がいる。", "犬もいる。"]
    assert list(split_sentences("  ")) == []


def test_a_text_is_measured_by_sentences_and_paragraphs():
    first = 'He came home. "Come in," she said.\nThe house was (very) old; it stood'
    second = '"Who is there?\n\nNobody at all.'
    found = measure_texts([first, second], endings=Endings())
    assert (found.words, found.sentence_lengths) == (20, (3, 4, 3, 3))
    assert (found.mean_sentence, found.sentence_quartiles) == (3.25, (3, 3, 3.25))
    assert (found.paragraphs, found.dialogue, found.unbalanced) == (4, 2, 1)
    assert (found.dialogue_fraction, found.unbalanced_fraction) == (0.5, 0.25)
    assert (found.texts, found.unfinished, found.unfinished_fraction) == (2, 1, 0.5)


def test_a_blank_line_ends_a_paragraph_of_wrapped_text():
    found = measure_texts(["He came\nhome late.\n\nShe slept."], endings=Endings(wrapped=True))
    assert (found.paragraphs, found.sentence_lengths) == (2, (4, 2))


@pytest.mark.parametrize(
    ("paragraph", "families", "quoted"),
    [
        ("«Oui», dit-il.", ["guillemets"], True),
        ("«Oui», dit-il.", ["straight"], False),
        ("‘Yes,’ he said.", ["single curly"], True),
        ("It’s late.", ["single curly"], False),
        ("'Yes,' he said.", ["single straight"], True),
        ("The horses' hay isn't here.", ["single straight"], False),
        ("「はい」", ["corner"], True),
        ("He (it is) said.", ["parentheses"], False),
    ],
)
def test_a_quotation_has_the_marks_of_the_text(paragraph, families, quoted):
    found = measure_texts([paragraph], endings=Endings(), families=families)
    assert found.dialogue == quoted


def test_nothing_to_measure_is_none():
    found = measure_texts([], endings=Endings())
    assert found.mean_sentence is found.sentence_quartiles is found.dialogue_fraction is None
    assert found.unbalanced_fraction is found.unfinished_fraction is None
    assert Agreement({}, {}).fraction is None
    assert estimate_scorer([], vocab_size=3, specials=(0,)) is None


def test_an_ngram_score_leaves_out_first_unknown_and_special_words():
    generator = np.random.default_rng(3)
    train, texts = generator.integers(0, 9, 80), [np.array([0, 3, 1, 9, 4, 0, 5]), np.array([0, 2])]
    scorer = estimate_scorer([train[:30], train[30:]], vocab_size=9, specials=(0, 1))
    model = build_kneser_ney(train, order=3, vocab_size=9)
    scored = [  # context, word
        (text[:k].tolist(), word)
        for text in texts
        for k, word in enumerate(text.tolist())
        if k and word not in (0, 1, 9)
    ]
    nats = -sum(math.log(model.distribution(_known(before))[word]) for before, word in scored)
    found = scorer.score(texts)
    assert (found.words, found.trained_tokens) == (len(scored), 80) == (4, 80)
    assert found.nats == pytest.approx(nats, abs=1e-12)
    assert found.perplexity == pytest.approx(math.exp(nats / 4))
    assert math.isnan(scorer.score([np.array([0])]).perplexity)


def _known(context):
    """The words after the last unknown one, since no context contains that."""
    return context[context.index(9) + 1 :] if 9 in context else context


def test_passages_are_spread_over_a_text():
    ids = np.arange(1000)
    passages = spread_passages(ids, 250)
    assert sum(map(len, passages)) == 250 and len(passages) == 2
    assert passages[0][0] == 0 and passages[-1][-1] == 999
    assert sum(map(len, spread_passages(ids, 5000))) == 1000
    assert len(spread_passages(ids, 3)[0]) == 3


def test_pairs_are_found_where_a_neighbor_decides():
    text = "I am here. He was old and they have it. We aren't late."
    assert pairs_of(text, *VERBS) == [
        ("is, are", "am", "are"), ("was, were", "was", "were"), ("has, have", "have", "has"),
        ("is, are", "aren't", "isn't"),
    ]  # fmt: skip
    assert pairs_of("It’s as she isn’t", "aren’t") == [("is, are", "isn’t", "aren’t")]
    assert pairs_of("He saw an owl. A cat", "An") == [(ARTICLES, "A", "An")]
    assert pairs_of("He saw an owl. A cat", "An", "a")[0] == (ARTICLES, "an", "a")
    assert pairs_of("All these stones and these old ones", "this") == [(THESE, "these", "this")]


@pytest.mark.parametrize(
    "text",
    [
        "The men were here.",  # no pronoun before it
        "If he was rich",  # were is right too
        "You and I were here.",  # not the form that is right after I alone
        'He had a "cat".',  # the next word is not known
        "This was it, these was and these.",
        "Er war in der Stadt.",
    ],
)
def test_no_pair_is_found_where_both_forms_may_be_right(text):
    assert pairs_of(text, *VERBS, "an", "this") == []


def test_a_pair_needs_both_forms_in_the_vocabulary():
    assert pairs_of("I am an ape. He is.") == []
    ids, surfaces = surfaces_of("he was here", "were")
    ids[1] = len(surfaces)  # an unknown word
    assert find_minimal_pairs(ids, surfaces) == []


def test_pairs_are_scored_by_the_form_and_the_word_that_decides_it():
    ids, surfaces = surfaces_of("he was here. she saw an owl. a bird. it was", "were")
    pairs = find_minimal_pairs(ids, surfaces)
    table = np.random.default_rng(1).normal(size=(len(surfaces),) * 2)
    number = {surface: i for i, surface in enumerate(surfaces)}
    table[number["it"], [number["was"], number["were"]]] = 1.0  # a tie
    logs = table - np.log(np.exp(table).sum(axis=1, keepdims=True))

    def log_p(pair, form):
        before, after = ids[pair.place - 1], pair.following
        return logs[before, form] + (0 if after is None else logs[form, after])

    likelier = [log_p(pair, pair.right) > log_p(pair, pair.wrong) for pair in pairs]
    assert [pair.kind for pair in pairs] == ["was, were", ARTICLES, ARTICLES, "was, were"]
    found = score_minimal_pairs(Pairs(table), ids, pairs)
    assert found.pairs == {"was, were": 2, ARTICLES: 2}
    assert found.right == {"was, were": likelier[0], ARTICLES: sum(likelier[1:3])}
    assert not likelier[3] and found.fraction == sum(likelier) / 4


def test_lanes_of_a_long_text_score_each_pair_once():
    ids, surfaces = surfaces_of("he was here and they were there. " * 900, "is")
    pairs = find_minimal_pairs(ids, surfaces)
    table = np.random.default_rng(2).normal(size=(len(surfaces),) * 2)
    found = score_minimal_pairs(Pairs(table), ids, pairs)
    number = {surface: i for i, surface in enumerate(surfaces)}
    good = table[number["he"], number["was"]] > table[number["he"], number["were"]]
    well = table[number["they"], number["were"]] > table[number["they"], number["was"]]
    assert len(ids) > 5000 and found.pairs == {"was, were": 1800}
    assert found.right == {"was, were": 900 * (int(good) + int(well))}


def test_a_language_is_english_by_its_commonest_words():
    assert is_english("The cat and the dog went to the end of the road.")
    assert not is_english("Der Hund und die Katze liefen in den Wald, als es dunkel war.")
    assert not is_english("Le chat et le chien sont allés au bout de la route à pied.")
    assert not is_english("")


@pytest.mark.parametrize("valid", [None, "valid.txt"])
def test_held_out_text_has_its_unknown_words(tmp_path, valid):
    """The forms of the validation part are those of its ids."""
    lines = [f"{name} saw the cat {k} times.\n" for k, name in enumerate(["Ann", "Bo"] * 40)]
    (tmp_path / "story.txt").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "valid.txt").write_text('Ann "met" a zebra.\n', encoding="utf-8")
    data = DataConfig(
        train=str(tmp_path / "story.txt"), valid=valid and str(tmp_path / valid), valid_fraction=0.2
    )
    corpus = prepare(data, folder=tmp_path)
    part, words = corpus.valid, corpus.vocabulary
    forms = read_last_forms(data.valid or data.train, len(part.ids), data=data, key="data.train")
    assert [words.lookup(form) for form in forms[1:]] == part.ids[1:].tolist()
    assert words.unknown_id in part.ids
    text = "".join(lines[64:]) if valid is None else (tmp_path / valid).read_text(encoding="utf-8")
    assert detokenize(forms[1:]) == text


def test_lints_of_three_kinds_are_counted():
    pytest.importorskip("harper")
    found = count_lints(["They was at the the house.", "She have a dog. Recieve it, an tree.", ""])
    assert found.kinds == {"agreement": 2, "grammar": 0, "repetition": 1}
    assert found.words == 14 and found.per_hundred_words == pytest.approx(300 / 14)
    assert count_lints(["They were at the house."]).per_hundred_words == 0
    assert Lints({}, 0).per_hundred_words is None


GERMAN = "Der Müller saß am Fluss. „Kommst du?“, fragte Anna. Die Katze schlief.\n"
FAST = ("train.epochs=1", "train.init_from=none", "model.hidden_sizes=[8]", "-q")


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    """A run on English text, and its folder."""
    folder = tmp_path_factory.mktemp("english")
    lines = [f'"It is the {k}. day," said Ann. They were at the end of the road. He was, you are.'
             for k in "abcdef"]  # fmt: skip
    (folder / "story.txt").write_text("\n".join(lines * 6), encoding="utf-8")
    call_cli("train", "story.txt", *FAST, "model.embedding_dim=8", cwd=folder, check=0)
    return folder


def evaluated(*arguments, cwd):
    done = call_cli("evaluate", *arguments, "--samples", 4, "--json", cwd=cwd, check=0)
    return json.loads(done.stdout)["samples"]


def test_samples_are_measured_beside_held_out_text(english):
    found = evaluated(cwd=english)
    both = ("novel_pairs", "forward_perplexity", "sentence_words", "dialogue_paragraphs",
            "unbalanced_paragraphs")  # fmt: skip
    assert (found["number"], found["seed"]) == (4, 0) and found["words"] > 100
    assert found["held_out_words"] > 10
    temperature = f"{found['settings']['temperature']:g}"
    for name in both:
        assert set(found[name]) == {"samples", "held_out"} and found[name]["held_out"] is not None
    assert min(found["reverse_perplexity"].values()) > 1
    assert found["agreement"]["kinds"].keys() == {"is, are", "was, were"}
    assert 0 <= found["unfinished_samples"] <= 1
    table = call_cli("evaluate", "--samples", 4, cwd=english, check=0).stdout
    for row in (
        f"samples +4, seed 0, temperature {temperature}, top-p 0.95",
        r"words sampled +\d",
        r" +samples +held-out text \(\d+ words\)",
        "forward 3-gram perplexity +[0-9.]+ +1",
        "reverse 3-gram perplexity +[0-9.]+ +\\(",
        "words per sentence .quartiles. +\\d",
    ):
        assert re.search(f"^{row}", table, re.MULTILINE), row


def test_the_measures_are_the_same_with_any_settings_passed(english):
    loaded = load_checkpoint(None, english / "runs", copies=True)
    engine = make_engine(loaded.config, loaded.vocabulary, loaded.weights)
    generator = Generator(loaded.config, loaded.vocabulary, engine, loaded.copies)
    settings = loaded.config.sample.model_copy(update={"temperature": 0.0, "words": 10})
    held_out, train = read_held_out(loaded), read_train_ids(loaded)
    found = measure_samples(
        generator, loaded.checkpoint, settings, held_out, train, samples=2, seed=5
    )
    assert (found.samples, found.seed, found.settings.words) == (2, 5, 10)
    assert found.text.words <= 2 * 15 and found.reverse.trained_tokens == found.tokens
    assert found.reverse_train.trained_tokens == found.tokens
    bare = measure_samples(generator, loaded.checkpoint, settings, None, None, samples=2, seed=5)
    assert bare.text == found.text and bare.novelty == found.novelty
    assert (
        bare.pairs is bare.forward is bare.reverse is bare.held_out_text is bare.agreement is None
    )


def test_without_harper_a_line_says_how_to_get_it(english, monkeypatch):
    monkeypatch.setattr("lstmgen.evaluation.sample_quality.has_harper", lambda: False)
    monkeypatch.setattr("lstmgen.reporting.sample_scores.has_harper", lambda: False)
    table = call_cli("evaluate", "--samples", 2, cwd=english, check=0).stdout
    assert table.endswith("lints per 100 words need Harper: pip install 'lstmgen[grammar]'\n")
    assert evaluated(cwd=english)["lints_per_100_words"] == {"samples": None, "held_out": None}


@pytest.mark.parametrize(
    ("setting", "absent"),
    [
        ("data.tokenizer=word", {"agreement", "lints_per_100_words"}),  # German
        ("data.tokenizer=whitespace", {"agreement", "dialogue_paragraphs"}),
        ("data.tokenizer=character", {"agreement", "lints_per_100_words"}),
        ("data.valid_fraction=0", {"agreement", "reverse_perplexity"}),
    ],
)
def test_what_a_text_does_not_have_is_left_out(tmp_path, setting, absent):
    (tmp_path / "story.txt").write_text(GERMAN * 30, encoding="utf-8")
    call_cli("train", "story.txt", *FAST, setting, "model.embedding_dim=8", cwd=tmp_path, check=0)
    found = evaluated("--split", "train", cwd=tmp_path)
    for name in absent:
        value = found[name]
        assert value is None or set(value.values()) == {None}
    assert found["forward_perplexity"]["samples"] > 1
    table = call_cli("evaluate", "--split", "train", "--samples", 2, cwd=tmp_path, check=0).stdout
    assert "Harper" not in table and "agreement" not in table and "None" not in table


def test_a_checkpoint_without_its_text_is_measured_by_itself(english, tmp_path):
    call_cli("export", "--output", tmp_path / "alone", cwd=english, check=0)
    found = evaluated(tmp_path / "alone", "--text", english / "story.txt", cwd=tmp_path)
    assert found["held_out_words"] is None and found["agreement"] is None
    assert found["forward_perplexity"] == {"samples": None, "held_out": None}
    assert found["sentence_words"]["samples"]["sentences"] >= 0


def test_a_sweep_over_temperatures_is_a_table_and_a_picture(english, tmp_path):
    run, picture = next((english / "runs").glob("story-*")), tmp_path / "samples.svg"
    args = Namespace(trained=run, words=100, top_p=None, output=picture)
    (table,) = benchmarks.samples.run(args)
    assert [row[0] for row in table.rows] == [*map(str, benchmarks.samples.TEMPERATURES),
                                              "held-out text"]  # fmt: skip
    assert {len(row) for row in table.rows} == {len(table.heads)}
    assert "forward 3-gram perplexity" in picture.read_text(encoding="utf-8")


def test_a_sweep_needs_held_out_text(english, tmp_path):
    call_cli("export", "--output", tmp_path / "alone", cwd=english, check=0)
    args = Namespace(trained=tmp_path / "alone", words=100, top_p=None, output=None)
    with pytest.raises(SystemExit, match="the run has no validation text, or its text is gone"):
        benchmarks.samples.run(args)
    with pytest.raises(SystemExit, match="nothing"):
        benchmarks.samples.run(Namespace(trained=tmp_path / "nothing", words=1, top_p=None))
