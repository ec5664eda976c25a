"""The copy meter against a brute-force search, and the cap that it makes possible."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import lstmgen
from lstmgen.config.schema import DataConfig
from lstmgen.generation.novelty import copied_runs, measure_novelty
from lstmgen.generation.pieces import Piece, WordDetails
from lstmgen.runs import checkpoint
from lstmgen.text.copy_index import Location, RunMeter, build_copy_index, from_arrays
from lstmgen.text.passage_unit import CHARACTERS, WORDS, passage_unit
from lstmgen.text.prepared import prepare
from lstmgen.text.spacing import split_form
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import STORY as MARK
from lstmgen.text.vocabulary import Vocabulary
from tests.helpers.program import call_cli, run_cli
from tests.helpers.scenes import STORY, run_of, write_story

STORIES = sorted((Path(__file__).parent.parent / "data" / "stories").glob("*.txt"))


def index_of(ids, entries, names=("a.txt",), line_ends=()):
    vocabulary = Vocabulary(tuple(entries), (1,) * len(entries))
    return build_copy_index(
        np.array(ids, dtype=np.uint32),
        np.array(line_ends, dtype=np.int64),
        vocabulary,
        kind="word",
        file_starts=[place for place, word in enumerate(ids) if word == 0],
        names=names,
    )


def longest_run(words, corpora):
    """By trying all: how many of the last words stand together in one of the corpora."""
    for length in range(len(words), 0, -1):
        last = words[-length:]
        for corpus in corpora:
            starts = range(len(corpus) - length + 1)
            if any(corpus[start : start + length] == last for start in starts):
                return length
    return 0


@pytest.mark.parametrize("seed", range(3))
def test_the_meter_agrees_with_trying_all_on_random_words(seed):
    """Two files of words 1 to 4 and a mark, 5, that is no word."""
    generator = np.random.default_rng(seed)
    files = [generator.integers(1, 6, 120).tolist() for _ in range(2)]
    index = index_of([0, *files[0], 0, *files[1]], (MARK, "a", "b", "c", "d", ","), ("x", "y"))
    corpora = [[word for word in file if word != 5] for file in files]
    meter, words = RunMeter(index), []
    for word in generator.integers(1, 6, 120).tolist():
        assert meter.add(word) == (word != 5)
        if word == 5:
            continue
        words.append(word)
        assert meter.run == longest_run(words, corpora)
        for limit in (0, 1, 2, 3):
            copied = {w for w in (1, 2, 3, 4) if longest_run([*words, w], corpora) > limit}
            assert meter.would_exceed(limit) == copied
    meter.break_run()
    assert meter.run == 0 and meter.location() is None


@pytest.mark.slow
def test_the_meter_agrees_with_trying_all_on_real_text(tmp_path):
    """Sentences of the stories, joined at random places, found at their lines again."""
    corpus = prepare(DataConfig(train=str(STORIES[0].parent), valid_fraction=0), folder=tmp_path)
    index = build_copy_index(
        corpus.train.ids, corpus.line_ends, corpus.vocabulary, kind="word",
        file_starts=corpus.file_starts, names=[path.name for path in STORIES],
    )  # fmt: skip
    texts = [path.read_text(encoding="utf-8") for path in STORIES]
    surfaces = [
        [s for s in (split_form(t)[0] for t in tokenize(text)) if any(map(str.isalnum, s))]
        for text in texts
    ]
    generator = np.random.default_rng(0)
    meter, words = RunMeter(index), []
    for _ in range(9):
        file = int(generator.integers(len(texts)))
        start = int(generator.integers(len(surfaces[file]) - 12))
        for surface in surfaces[file][start : start + int(generator.integers(1, 12))]:
            meter.add(corpus.vocabulary.ids.get(surface, 0) or corpus.vocabulary.ids[surface + "¬"])
            words.append(surface)
            assert meter.run == longest_run(words[-40:], surfaces)
            found = meter.location()
            text = texts[[path.name for path in STORIES].index(found.file)]
            first = words[-meter.run]
            assert first in text.split("\n")[found.line - 1]
    assert len(words) > 30


def test_punctuation_breaks_no_run_and_another_spacing_is_the_same_word():
    entries = (MARK, "the", "cat", "cat¬", "sat", ",", "The")
    index = index_of([0, 1, 2, 5, 4], entries, line_ends=[3, 3])
    meter = RunMeter(index)
    for word, run in ((1, 1), (3, 2), (5, 2), (5, 2), (4, 3), (6, 0), (4, 1)):
        meter.add(word)
        assert meter.run == run
    assert meter.location() == Location("a.txt", 3)
    assert RunMeter(index).would_exceed(0) == {1, 2, 3, 4}


def test_lines_and_files_are_counted_from_the_text(tmp_path):
    (tmp_path / "1.txt").write_text("\n\none two\nthree\n\n\nfour", encoding="utf-8")
    (tmp_path / "2.txt").write_text("five\n\n\n\nsix seven\n", encoding="utf-8")
    for kind in ("word", "whitespace"):
        settings = DataConfig(train=str(tmp_path), valid_fraction=0, tokenizer=kind)
        corpus = prepare(settings, folder=tmp_path / "prepared")
        index = build_copy_index(
            corpus.train.ids, corpus.line_ends, corpus.vocabulary, kind=kind,
            file_starts=corpus.file_starts, names=["1", "2"],
        )  # fmt: skip
        expected = {"one": ("1", 3), "two": ("1", 3), "three": ("1", 4), "four": ("1", 7),
                    "five": ("2", 1), "six": ("2", 5), "seven": ("2", 5)}  # fmt: skip
        for word, place in expected.items():
            meter = RunMeter(index)
            meter.add(corpus.vocabulary.ids[word])
            assert (meter.location().file, meter.location().line) == place, (kind, word)


def test_a_run_of_thousands_of_words_is_one_run():
    """Words 1 to 40 in an order that never comes again."""
    text = np.random.default_rng(0).integers(1, 41, 3000).tolist()
    index = index_of([0, *text], (MARK, *(f"w{k}" for k in range(40))))
    meter = RunMeter(index)
    pieces = []
    for place, word in enumerate(text):
        meter.add(word)
        pieces.append(piece(f" w{word}", meter.run))
        if place == 2499:
            assert meter.run == 2500
            assert meter.would_exceed(2500) == {text[2500]}
            assert meter.would_exceed(2501) == set()
    runs = copied_runs(pieces, WORDS)
    assert [(run.length, run.first, run.last) for run in runs] == [(3000, 0, 2999)]


def test_words_of_a_text_tokenised_before_have_no_punctuation():
    vocabulary = Vocabulary((MARK, "The", "cat,", "cat", '"cat."', "--"), (1,) * 6)
    index = build_copy_index(
        np.array([0, 1, 2, 5, 3], dtype=np.uint32), np.zeros(0, np.int64), vocabulary,
        kind="whitespace", file_starts=[0], names=["a"],
    )  # fmt: skip
    assert index.canonical.tolist() == [0, 1, 2, 2, 2, 0]
    meter = RunMeter(index)
    for word in (1, 4, 5, 2):
        meter.add(word)
    assert meter.run == 3


def test_a_mark_inside_a_file_is_no_file(tmp_path):
    (tmp_path / "a.txt").write_text("one two\n<story> three\n" * 3, encoding="utf-8")
    settings = DataConfig(train=str(tmp_path), valid_fraction=0, tokenizer="whitespace")
    corpus = prepare(settings, folder=tmp_path / "prepared")
    assert corpus.file_starts == (0,)
    index = build_copy_index(
        corpus.train.ids, corpus.line_ends, corpus.vocabulary, kind="whitespace",
        file_starts=corpus.file_starts, names=["a.txt"],
    )  # fmt: skip
    found = from_arrays(index.to_arrays(), entries=len(corpus.vocabulary))
    meter = RunMeter(found)
    for word, run in (("one", 1), ("two", 2), ("three", 1)):
        meter.add(corpus.vocabulary.ids[word])
        assert meter.run == run
    assert meter.location() == Location("a.txt", 2)


def test_a_damaged_index_is_refused():
    entries = (MARK, "a", "b", ",")
    sound = index_of([0, 1, 2, 3, 1], entries).to_arrays()
    assert from_arrays(sound, entries=4).words.tolist() == [0, 1, 2, 1]
    for name, change in (
        ("order", lambda a: a + 9), ("offsets", lambda a: a[:-1]), ("offsets", lambda a: a - 1),
        ("words", lambda a: a + 7), ("canonical", lambda a: a + 4), ("words", lambda a: a[:0]),
        ("file_starts", lambda a: a + 1), ("file_lines", lambda a: a + 5),
        ("words", lambda a: a.astype(np.int64)), ("offsets", lambda a: a[::-1].copy()),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="array|text"):
            from_arrays(sound | {name: change(sound[name])}, entries=4)
    for name, change in (
        ("order", lambda a: a[:-1]), ("offsets", lambda a: np.insert(a, 0, 0)),
        ("offsets", lambda a: np.array([1, 1, 3, 4, 4])),
        ("offsets", lambda a: np.array([0, 1, 3, 3, 3])),
        ("offsets", lambda a: np.array([0, 3, 1, 4, 4])), ("canonical", lambda a: a[:-1]),
        ("canonical", lambda a: np.append(a, a[:1])), ("words", lambda a: a[:, None]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="array|text"):
            from_arrays(sound | {name: change(sound[name])}, entries=4)
    for names in (b"5", b"[" * 100_000, b"{}", b"[3]"):
        with pytest.raises(ValueError, match="name|text"):
            from_arrays(sound | {"names": np.frombuffer(names, np.uint8)}, entries=4)
    with pytest.raises(ValueError, match="other arrays"):
        from_arrays({"words": sound["words"]}, entries=4)


def piece(text, run=0, line=1):
    location = Location("a.txt", line) if run else None
    return Piece(0, text, details=WordDetails(1, -1.0, 1.0, 1, (), run, location))


def test_an_index_with_odd_files_or_lines_is_refused():
    """A search for a place would leave the arrays, or name another file or line."""
    names, ids = ("a.txt", "b.txt", "c.txt"), [0, 1, 2, 0, 1, 2, 0, 2]
    entries, lines = (MARK, "a", "b"), (2, 3, 5, 6, 8)
    sound = index_of(ids, entries, names=names, line_ends=lines).to_arrays()
    assert sound["file_starts"].tolist() == [0, 3, 6]
    assert sound["file_lines"].tolist() == [0, 2, 4]
    assert sound["line_starts"].tolist() == [2, 3, 5, 6, 8]
    found = from_arrays(sound, entries=3)
    assert [found.locate(place) for place in (2, 4, 7)] == [
        Location("a.txt", 2), Location("b.txt", 1), Location("c.txt", 1),
    ]  # fmt: skip
    for name, value in (
        ("file_starts", [1, 3, 6]), ("file_starts", [0, 6, 3]), ("file_starts", [0, 3]),
        ("file_lines", [1, 2, 4]), ("file_lines", [0, 4, 2]), ("file_lines", [0, 2]),
        ("file_lines", [0, 2, 6]), ("line_starts", [3, 2, 5, 6, 8]),
        ("line_starts", [2, 3, 5, 6, 9]),
    ):  # fmt: skip
        changed = sound | {name: np.array(value, dtype=sound[name].dtype)}
        with pytest.raises(ValueError, match="do not describe a text"):
            from_arrays(changed, entries=3)


def test_copied_words_are_those_inside_long_runs():
    runs = [1, 2, 3, 4, 5, 6, 2, 3, 4, 1]
    pieces = [piece(f" w{k}", run, line=k) for k, run in enumerate(runs)]
    pieces.insert(3, piece(","))
    found = measure_novelty([pieces, [piece(" w1", 3), piece(" w2", 9)]], WORDS)
    assert (found.words, found.copied, found.longest) == (12, 6 + 2, 9)
    assert (found.pairs, found.different) == (9 + 1, 9)
    (run,) = copied_runs(pieces, WORDS)
    assert (run.length, run.first, run.last, run.location.line) == (6, 0, 6, 5)
    assert measure_novelty([], WORDS).copied_fraction == 0.0


def brute_words(text):
    surfaces = (split_form(token)[0] for token in tokenize(text))
    return [s for s in surfaces if any(map(str.isalnum, s))]


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_no_run_is_longer_than_the_cap(parrot, limit):
    model = lstmgen.load(run_of(parrot))
    settings = {"words": 120, "temperature": 1.0, "stop": "words"}
    corpus = brute_words(STORY)
    free = model.generate("The cat", seed=1, **settings)[0].text
    assert max(longest_run(brute_words(free)[:k], [corpus]) for k in range(1, 60)) > 8
    for sample in model.generate("The cat", samples=4, seed=1, max_copied=limit, **settings):
        words = ["The", "cat", *brute_words(sample.text)]
        runs = [longest_run(words[max(0, k - 30) : k], [corpus]) for k in range(3, len(words) + 1)]
        assert len(runs) == 120
        assert max(runs) <= max(limit, 0)
        assert max(word.run for word in sample.words) <= limit


def test_copied_runs_are_marked_with_file_and_line(parrot):
    options = (
        "--cue",
        "The cat sat by the old",
        "--words",
        "12",
        "--temperature",
        0,
        "--stop",
        "words",
    )
    done = call_cli("generate", *options, "--show-copied", cwd=parrot, check=0)
    assert "[[" in done.stdout and "]]1" in done.stdout
    assert "words, story.txt, line 1" in done.stdout
    assert "copied passages of 5+ words: 12 of 12 words; longest " in done.stdout
    told = json.loads(call_cli("evaluate", "--split", "train", "--samples", 3, "--json", cwd=parrot,
                               check=0).stdout)  # fmt: skip
    assert told["copied_unit"] == "words"
    assert told["copied_share"] > 0.5 and told["longest_run"] > 5 and 0 < told["distinct_2"] <= 1
    table = call_cli("evaluate", "--split", "train", "--samples", 3, cwd=parrot, check=0).stdout
    assert re.search(r"^copied passages of 5\+ words +\d+ of \d+ words; longest \d+$", table, re.M)
    assert "distinct-2" in table


def test_the_index_is_one_file_for_all_checkpoints(parrot):
    run = run_of(parrot)
    steps = sorted((run / "checkpoints").glob("step-*"))
    inodes = {(step / checkpoint.COPY_INDEX).stat().st_ino for step in steps}
    assert inodes == {(run / checkpoint.COPY_INDEX).stat().st_ino}
    assert len(steps) > 1


def test_without_an_index_the_text_stays_out_and_that_is_said(parrot):
    call_cli("train", "my.yaml", "data.copy_index=false", "train.epochs=1", "--name", "bare", "-q",
             cwd=parrot, check=0)  # fmt: skip
    run = next((parrot / "runs").glob("bare-*"))
    assert not list(run.rglob(checkpoint.COPY_INDEX))
    for option in (("--max-copied", 4), ("--show-copied",)):
        done = call_cli("generate", run, *option, cwd=parrot, check=2)
        assert f"error: {option[0]}: this checkpoint holds no index" in done.stderr
    told = json.loads(call_cli("generate", run, "--json", "--words", 3, cwd=parrot, check=0).stdout)
    assert told["copied"] is None
    letters = ("data.tokenizer=character", "train.epochs=1", "--name", "chars")
    done = call_cli("train", "my.yaml", *letters, cwd=parrot, check=0)
    assert "note: no copy index is kept of a text read by characters" in done.stderr


def test_a_changed_index_is_refused(parrot, tmp_path):
    step = next((run_of(parrot) / "checkpoints").glob("step-*"))
    copy = tmp_path / "step"
    copy.mkdir()
    for file in step.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    data = bytearray((copy / checkpoint.COPY_INDEX).read_bytes())
    data[-1] ^= 1
    (copy / checkpoint.COPY_INDEX).write_bytes(data)
    done = call_cli("generate", copy, "--show-copied", cwd=tmp_path, check=2)
    assert "copy_index.safetensors has been changed" in done.stderr
    call_cli("generate", copy, "--words", 3, cwd=tmp_path, check=0)  # it is not needed for this


JAPANESE = (
    "むかし、川のそばの古い水車小屋に、一匹の白い猫がすんでいました。猫は毎朝、川へ魚をとりに行きました。\n"
    "ある日、となりの犬が来て言いました。「川はどこですか。」猫は水車のほうを見て、だまっていました。\n"
    "犬は川へ走り、猫も犬のあとを追いました。その夜はとても寒く、ふたりは小屋でならんで眠りました。\n"
)
THAI = (
    "แมวนั่งอยู่ข้างโรงสีเก่า สุนัขวิ่งไปที่แม่น้ำ และแมวก็วิ่งตามสุนัขไป\n"
    "สุนัขถามว่า แม่น้ำอยู่ที่ไหน แมวตอบว่า แม่น้ำอยู่ข้างโรงสี\n"
    "คืนนั้นอากาศหนาวมาก ทั้งสองจึงนอนด้วยกันจนถึงเช้า\n"
)
UNSPACED_TEXTS = {"japanese": JAPANESE, "thai": THAI}


def test_passages_are_counted_in_characters_where_most_words_are_characters():
    def unit(entries, counts, kind="word"):
        return passage_unit(Vocabulary((MARK, *entries), (1, *counts)), kind=kind)

    assert unit(("the", "cat", ","), (3, 2, 9)) == WORDS
    assert unit(("猫", "の", "。"), (3, 2, 9)) == CHARACTERS
    assert unit(("นั่", "แ¬"), (3, 2)) == CHARACTERS
    assert unit(("猫", "cat"), (5, 5)) == WORDS  # half is not most
    assert unit(("猫", "cat", "。", "!"), (6, 5, 0, 99)) == CHARACTERS  # marks are no words
    assert unit(("猫", "犬", "cat"), (1, 1, 9)) == WORDS  # tokens count, not entries
    assert unit(("猫", "の"), (3, 2), kind="whitespace") == WORDS  # words of a segmented text
    unknown = Vocabulary((MARK, "<unk>", "猫"), (1, 99, 1))
    assert passage_unit(unknown, kind="word") == CHARACTERS


@pytest.fixture(scope="module", params=list(UNSPACED_TEXTS))
def unspaced(request, tmp_path_factory):
    """A folder with a model that has learned a text of a script without spaces by heart."""
    folder = tmp_path_factory.mktemp(request.param)
    write_story(
        folder,
        "data: {train: story.txt, valid_fraction: 0}\n"
        "model: {hidden_sizes: [48], embedding_dim: 16,\n"
        "        dropout: {input: 0, hidden: 0, output: 0}}\n"
        "train: {window: 8, stride: 1, batch_size: 4, epochs: 40, learning_rate: 2e-2}\n",
    )
    text = UNSPACED_TEXTS[request.param]
    (folder / "story.txt").write_text(text, encoding="utf-8")
    call_cli("train", "my.yaml", "-q", cwd=folder, check=0)
    return folder, text


@pytest.mark.slow
def test_a_cap_in_words_allows_three_characters_for_each(unspaced):
    folder, text = unspaced
    model = lstmgen.load(run_of(folder))
    settings = {"words": 60, "temperature": 0.7, "stop": "words"}
    free = model.generate("", seed=1, **settings)[0]
    assert max(word.run for word in free.words) >= 15
    corpus = brute_words(text)
    for sample in model.generate("", samples=3, seed=1, max_copied=2, **settings):
        assert max(word.run for word in sample.words) == 6
        words = brute_words(sample.text)
        assert max(longest_run(words[:k], [corpus]) for k in range(1, 60)) == 6


def test_reports_of_copies_name_characters(unspaced):
    folder, _ = unspaced
    options = ("--words", 40, "--stop", "words", "--temperature", 0, "--show-copied")
    shown = call_cli("generate", *options, cwd=folder, check=0).stdout
    assert re.search(r"^1: \d\d characters, story.txt, line \d$", shown, re.M)
    assert re.search(r"^copied passages of 15\+ characters: \d+ of 40 characters; ", shown, re.M)
    told = json.loads(call_cli("generate", *options[:-1], "--json", cwd=folder, check=0).stdout)
    assert told["copied"]["unit"] == "characters"
    assert told["copied"]["runs"][0]["characters"] >= 15
    scored = ("evaluate", "--split", "train", "--samples", 2)
    table = call_cli(*scored, cwd=folder, check=0).stdout
    assert re.search(r"^characters sampled +\d+$", table, re.M)
    assert re.search(r"^copied passages of 15\+ characters +\d+ of \d+ characters;", table, re.M)
    scores = json.loads(call_cli(*scored, "--json", cwd=folder, check=0).stdout)
    assert scores["copied_unit"] == "characters"


def test_the_cap_of_write_counts_the_same_characters(unspaced):
    folder, text = unspaced
    commands = "/cap 2\n/go 40\n/quit\n"
    done = run_cli("write", "--seed", 3, cwd=folder, stdin=commands, check=0)
    words = brute_words(done.stdout)
    runs = [longest_run(words[:k], [brute_words(text)]) for k in range(1, len(words) + 1)]
    assert max(runs) == 6
