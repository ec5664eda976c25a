"""Texts with tags: one model, several voices."""

from pathlib import Path

import numpy as np
import pytest

import lstmgen
from lstmgen.config.schema import DataConfig, SampleConfig
from lstmgen.errors import UsageError
from lstmgen.generation.constraints import resolve_constraints
from lstmgen.text.copy_index import build_copy_index
from lstmgen.text.in_memory import encode_files
from lstmgen.text.passage_unit import WORDS
from lstmgen.text.prepared import prepare
from lstmgen.text.spacing import detokenize
from lstmgen.text.tags import file_tags, is_tag, tag_entry
from lstmgen.text.vocabulary import STORY, UNKNOWN, build_vocabulary, listed_vocabulary
from tests.helpers.program import call_cli, write_session

TEXTS = {
    "max/a.txt": "The dog ran to the mill.\n\nThe dog's cart stood by Mr. Hill's mill.\n" * 3,
    "rosa/a.txt": 'The cat sat by the river. "It is cold," said the cat.\n' * 3,
    "rosa/b.txt": "The cat's river was cold.\n" * 3,
}


def write_texts(folder, texts=TEXTS):
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def prepare_voices(tmp_path, **data):
    train = str(write_texts(tmp_path / "texts"))
    settings = {"train": train, "tags": True, "valid_fraction": 0.0}
    return prepare(DataConfig(**settings | data), folder=tmp_path / "prepared")


def entries_of(part, vocabulary):
    return [vocabulary.entries[i] if i < len(vocabulary) else UNKNOWN for i in part.ids]


@pytest.mark.parametrize("tokenizer", ["word", "whitespace", "character"])
def test_a_tag_opens_each_document_and_the_text_is_the_same(tmp_path, tokenizer):
    tagged = prepare_voices(tmp_path, tokenizer=tokenizer)
    plain = prepare_voices(tmp_path, tokenizer=tokenizer, tags=False)
    entries = entries_of(tagged.train, tagged.vocabulary)
    opened = [after for entry, after in zip(entries, entries[1:], strict=False) if entry == STORY]
    assert opened == [tag_entry(name) for name in ("max", "rosa", "rosa")]
    assert sum(map(is_tag, entries)) == 3
    bare = [entry for entry in entries if not is_tag(entry)]
    assert bare == entries_of(plain.train, plain.vocabulary)
    if tokenizer == "word":
        words = [entry for entry in bare if entry != STORY]
        assert detokenize(words).startswith(TEXTS["max/a.txt"])
    for size in ("tokens", "unknown", "characters"):
        assert getattr(tagged.train, size) == getattr(plain.train, size)
    words = [entry for entry in tagged.vocabulary.entries if not is_tag(entry)]
    assert tuple(words) == plain.vocabulary.entries


def test_what_is_learned_of_a_text_does_not_depend_on_its_tags(tmp_path):
    tagged, plain = prepare_voices(tmp_path), prepare_voices(tmp_path, tags=False)

    def surfaces(vocabulary, ids):
        return {vocabulary.entries[i] for i in ids}

    new, old = tagged.vocabulary, plain.vocabulary
    assert surfaces(new, new.possessive_stems) == surfaces(old, old.possessive_stems) != set()
    assert new.style.openers == old.style.openers and new.style.wrapped == old.style.wrapped
    assert surfaces(new, new.style.abbreviations) == surfaces(old, old.style.abbreviations)


def test_without_tags_the_prepared_text_is_as_before(tmp_path):
    """Neither the fingerprint nor the ids depend on the names of folders."""
    plain = prepare_voices(tmp_path, tags=False)
    moved = {name.replace("rosa", "zoe"): text for name, text in TEXTS.items()}
    train = str(write_texts(tmp_path / "moved", moved))
    for tags, same in ((False, True), (True, False)):
        data = DataConfig(train=train, valid_fraction=0.0, tags=tags)
        other = prepare(data, folder=tmp_path / "prepared")
        first = plain if not tags else prepare_voices(tmp_path)
        assert (other.fingerprint == first.fingerprint) == same
    assert plain.vocabulary.tags == {} and plain.vocabulary.specials == (0,)


def test_a_part_that_begins_inside_a_document_begins_with_its_tag(tmp_path):
    corpus = prepare_voices(tmp_path, valid_fraction=0.4)
    entries = entries_of(corpus.valid, corpus.vocabulary)
    assert entries[:2] == [STORY, tag_entry("rosa")] and entries[2] != tag_entry("rosa")
    others = {"x/rosa/c.txt": "The cat.\n", "x/zoe/d.txt": "The dog.\n"}
    valid = str(write_texts(tmp_path / "valid", others))
    corpus = prepare_voices(tmp_path, valid=valid)
    entries = entries_of(corpus.valid, corpus.vocabulary)
    assert entries[:2] == [STORY, tag_entry("rosa")]
    place = len(entries) - entries[::-1].index(STORY)
    assert entries[place] == UNKNOWN  # a tag that the training text does not have
    assert corpus.valid.unknown == 0  # and no word
    scored = encode_files(
        str(tmp_path / "valid/x/rosa/c.txt"), corpus.vocabulary, data=DataConfig(tags=True), key="t"
    )
    assert entries_of(scored, corpus.vocabulary)[:2] == [STORY, tag_entry("rosa")]


def test_files_are_tagged_by_folder_or_by_name():
    assert file_tags([Path("a/x.txt"), Path("b/x.txt")]) == ["a", "b"]
    assert file_tags([Path("a/x.txt"), Path("a/y.txt")]) == ["x", "y"]
    assert file_tags([Path("a/x.txt")], known=["a"]) == ["a"]
    assert file_tags([Path("a/x.txt"), Path("b/y.txt")], known=["y", "a"]) == ["a", "y"]
    assert file_tags([Path("a/x\x1b\udcff.txt")]) == ["x ?"]


def test_tags_stay_in_every_vocabulary_and_no_word_is_one():
    counts = {STORY: 2, tag_entry("a"): 1, tag_entry("b"): 1, "x": 9, "y": 1}
    vocabulary = build_vocabulary(counts, min_count=5)
    assert vocabulary.entries == (STORY, UNKNOWN, tag_entry("a"), tag_entry("b"), "x")
    assert vocabulary.specials == (0, 1, 2, 3) and vocabulary.tags == {"a": 2, "b": 3}
    assert build_vocabulary(counts, vocabulary_size=4).tags == vocabulary.tags
    listed = listed_vocabulary(["x", tag_entry("b")], counts)
    assert listed.tags == {"b": 3, "a": 4}  # in the order of the list
    assert listed_vocabulary(listed.entries, counts).entries == listed.entries


def test_tags_are_never_drawn_and_break_copied_passages(tmp_path):
    corpus = prepare_voices(tmp_path)
    vocabulary = corpus.vocabulary
    constraints = resolve_constraints(
        SampleConfig(), vocabulary, kind="word", bound=None, unit=WORDS
    )
    assert set(vocabulary.tags.values()) <= constraints.forbidden
    index = build_copy_index(
        corpus.train.ids, corpus.line_ends, vocabulary, kind="word",
        file_starts=corpus.file_starts, names=["a", "b", "c"],
    )  # fmt: skip
    assert not np.isin(index.words, list(vocabulary.tags.values())).any()
    assert (index.canonical[list(vocabulary.specials)] == 0).all()


CONFIG = """\
data: {train: texts, tags: true, documents: line}
model: {hidden_sizes: [24], embedding_dim: 12, dropout: {input: 0, hidden: 0, output: 0}}
train: {window: 8, batch_size: 2, epochs: 30, learning_rate: 2e-2, schedule: constant,
  init_from: none}
"""


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    texts = {"rosa/a.txt": "cat river cold sat\n" * 20, "max/a.txt": "dog mill cart ran\n" * 20}
    write_texts(folder / "texts", texts)
    (folder / "my.yaml").write_text(CONFIG)
    done = call_cli("train", "my.yaml", "-q", "--name", "voices", cwd=folder, check=0)
    return folder, folder / done.stdout.strip()


def test_a_tag_chooses_the_voice_in_every_way_to_generate(voices, tmp_path):
    folder, run = voices
    model = lstmgen.load(run)
    for tag, own in (("rosa", {"cat", "river", "cold", "sat"}), ("max", {"dog", "mill", "cart"})):
        options = ("--tag", tag, "--words", 3, "--temperature", 0, "-q")
        done = call_cli("generate", run, *options, "--receipt", tmp_path / "r", cwd=folder, check=0)
        words = set(done.stdout.split())
        assert words & own and not is_tag(done.stdout)
        again = call_cli("generate", "--replay", tmp_path / "r", cwd=folder, check=0)
        assert again.stdout == done.stdout
        settings = {"tag": tag, "words": 3, "temperature": 0.0}
        assert model.generate(**settings)[0].text.strip() == done.stdout.strip()
        beams = model.generate(**settings, beams=2)[0].text
        assert set(beams.split()) & own
    with pytest.raises(UsageError, match="--tag zoe: the model has no such tag. There are max, ro"):
        model.generate(tag="zoe")
    text, _ = write_session(folder, ["/go 2"], run, "--tag", "rosa", "--temperature", 0)
    assert text.split()[0] in ("cat", "river", "cold", "sat")


def test_a_run_with_tags_is_evaluated_resumed_and_built_upon(voices):
    folder, run = voices
    done = call_cli("evaluate", run, "--text", "texts/rosa/a.txt", cwd=folder, check=0)
    assert "perplexity" in done.stdout
    call_cli("train", "--resume", run, "train.epochs=31", "-q", cwd=folder, check=0)
    write_texts(folder, {"more/zoe/a.txt": "cat mill sat ran\n" * 9, "more/max/a.txt": "dog\n" * 9})
    for source in ("text", "base", "both"):
        done = call_cli(
            "train", "my.yaml", "-q", "--name", source, "data.train=more",
            f"train.init_from={run}", f"data.vocabulary_from={source}", "train.max_steps=2",
            cwd=folder, check=0,
        )  # fmt: skip
        model = lstmgen.load(folder / done.stdout.strip())
        assert {"max", "zoe"} <= set(model.generator.vocabulary.tags)
        assert ("rosa" in model.generator.vocabulary.tags) == (source != "text")
        model.generate(tag="zoe", words=2)
