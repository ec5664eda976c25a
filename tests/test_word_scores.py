"""The scores of lines and words: they add up to those of the text, and name the right places."""

import csv
import functools
import io
import json
import os
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstmgen.config.schema import DataConfig
from lstmgen.errors import CheckpointError
from lstmgen.evaluation.perplexity import evaluate
from lstmgen.evaluation.scored_text import find_part
from lstmgen.evaluation.text_stream import TextStream, open_text
from lstmgen.evaluation.word_scores import TextSums, score_words, sum_lines
from lstmgen.generation.load import load_checkpoint
from lstmgen.model.language_model import LanguageModel
from lstmgen.reporting.score_records import LINE_COLUMNS, format_records
from lstmgen.text import numbering, reading
from lstmgen.text.corpus import Part
from lstmgen.text.in_memory import encode_files
from lstmgen.text.tags import file_tags, is_tag
from lstmgen.text.token_stream import (
    LineCounts,
    Tokens,
    cut_stream,
    join_tokens,
    read_tokens,
    token_windows,
)
from lstmgen.text.vocabulary import Vocabulary
from lstmgen.windows.evaluation_lanes import CHUNK, lane_windows
from tests.helpers.program import call_cli, train
from tests.helpers.scenes import RUN

VOCAB = 17
TEXT = (
    "The cat sat by the old mill.\n\n\n\nWhere is\tthe zebra?\n  It was cold, so cold.\n\n"
    "* *\n\nThe dog ran.\nThe cat did not. Caf\u00e9!\n\n\n"
)


def tokens_of(ids, lines=None, files=None):
    zeros = np.zeros(len(ids), dtype=np.int64)
    return Tokens(
        np.asarray(ids, dtype=np.int64), [str(i) for i in ids], zeros > 0,
        zeros + 1 if lines is None else np.array(lines), zeros if files is None else files,
    )  # fmt: skip


def random_cuts(tokens, seed):
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(tokens) + 1, 9)).tolist()
    return [tokens.cut(a, b) for a, b in zip([0, *cuts], [*cuts, len(tokens)], strict=True)]


@pytest.mark.parametrize("length", [2, CHUNK, CHUNK + 1, CHUNK + 2, 5 * CHUNK + 3])
def test_windows_of_a_stream_are_those_of_one_lane(length):
    ids = np.random.default_rng(length).integers(0, VOCAB, length)
    expected = list(lane_windows(ids, lanes=1))
    for seed in range(5):
        found = list(token_windows(random_cuts(tokens_of(ids), seed), CHUNK))
        assert len(found) == len(expected)
        for tokens, window in zip(found, expected, strict=True):
            assert (tokens.ids[None, :-1] == window.inputs).all()
            assert (tokens.ids[None, 1:] == window.targets).all()


def test_a_stream_of_one_token_has_no_window():
    assert not list(token_windows([tokens_of([0])], CHUNK))
    assert not list(token_windows([], CHUNK))


def test_a_part_is_cut_out_of_a_stream():
    ids = np.arange(50)
    for skip, limit in ((0, 50), (7, 20), (49, 1), (10, 99)):
        parts = list(cut_stream(random_cuts(tokens_of(ids), 3), skip=skip, limit=limit))
        assert join_tokens(parts).ids.tolist() == ids[skip : skip + limit].tolist()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lowercase": True},
        {"tokenizer": "whitespace"},
        {"tokenizer": "character"},
        {"documents": "line"},
        {"documents": "blank_line"},
        {"documents": "* *"},
        {"tags": True},
        {"strip_gutenberg": True},
        {"documents": "line", "tags": True, "tokenizer": "character"},
    ],
    ids=str,
)
def test_a_stream_has_the_ids_of_the_text_and_its_lines(tmp_path, monkeypatch, settings):
    small = functools.partial(reading.read_blocks, block=16)  # bytes
    monkeypatch.setattr(numbering, "read_blocks", small)
    guten = "Head\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n"
    texts = {"a": guten + TEXT + "*** END OF THE PROJECT GUTENBERG EBOOK X ***\nTail\n",
             "b": "", "c": TEXT.rstrip("\n"), "d": "\n\nThe dog."}  # fmt: skip
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    data = DataConfig(**settings)
    entries = ("<story>", "<unk>", "<tag a>", "<tag d>", *sorted({*TEXT.lower(), *TEXT.split(),
               "the", "The", "cat", "cat.", ".", "\n", "\n\n", "dog"}))  # fmt: skip
    vocabulary = Vocabulary(entries, (1,) * len(entries))
    paths, counts = sorted(tmp_path.glob("*.txt")), LineCounts()
    tags = file_tags(paths, known=vocabulary.tags) if data.tags else []
    found = join_tokens(list(read_tokens(paths, vocabulary, data=data, counts=counts, tags=tags)))
    part = encode_files(str(tmp_path), vocabulary, data=data, key="--text")
    assert found.ids.tolist() == part.ids.tolist()
    assert int(found.unknown.sum()) == part.unknown
    special = set(vocabulary.specials) - {1}
    for surface, i, line, file in zip(
        found.surfaces, found.ids.tolist(), found.lines.tolist(), found.files.tolist(), strict=True
    ):
        lines = (texts[paths[file].stem].lower() if data.lowercase else
                 texts[paths[file].stem]).split("\n")  # fmt: skip
        if i not in special and surface.strip() and not is_tag(surface):
            assert surface in lines[line - 1]
    places = list(zip(found.files.tolist(), found.lines.tolist(), strict=True))
    assert places == sorted(places)
    if settings in ({}, {"tokenizer": "whitespace"}, {"tokenizer": "character"}):
        assert counts.lines == {
            file: len(texts[path.stem].splitlines()) for file, path in enumerate(paths)
        }


def make_model(dtype=torch.float64, **options):
    defaults = {"embedding_dim": 5, "hidden_sizes": [9, 6], "seen_once": (3, 4), "seed": 1}
    return LanguageModel(VOCAB, **defaults | options).to(dtype)


def stream_of(tokens, **facts):
    return TextStream("x", ("x", "y", "z"), iter([tokens]), LineCounts(), **facts)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("length", [2, 65, 700])
@pytest.mark.parametrize(
    "options",
    [{}, {"tie_weights": False, "clusters": [[*range(9)], [*range(9, 13)], [*range(13, VOCAB)]]}],
    ids=["softmax", "adaptive"],
)
def test_the_words_add_up_to_the_text(dtype, length, options):
    model = make_model(dtype, **options)
    ids = np.random.default_rng(length).integers(0, VOCAB, length)
    ids[5::50] = VOCAB  # unknown
    part = Part(ids, tokens=length - 1, unknown=0, characters=length, unknown_characters=0)
    whole = evaluate(model, part, unknown_id=VOCAB, exact=True)
    sums = TextSums()
    words = list(score_words(model, stream_of(tokens_of(ids)), sums=sums, details=True))
    assert [word.nats is None for word in words] == (ids[1:] == VOCAB).tolist()
    known = [word for word in words if word.nats is not None]
    assert [word.details is not None for word in words] == (ids[1:] != VOCAB).tolist()
    assert sum(word.nats for word in known) == pytest.approx(whole.nats, rel=1e-12)
    correct = sum(word.details.rank == 1 for word in known)
    assert (sums.words, correct) == (whole.words, whole.correct)
    plain = list(score_words(model, stream_of(tokens_of(ids)), sums=TextSums(), details=False))
    assert [word.nats for word in plain] == [word.nats for word in words]
    assert all(word.details is None for word in plain)
    assert sums.nats == pytest.approx(whole.nats, rel=1e-12)
    assert sums.perplexity == pytest.approx(whole.perplexity, rel=1e-12)


def test_each_word_has_the_figures_of_one_long_pass():
    model, ids = make_model(), np.random.default_rng(0).integers(0, VOCAB, 150)
    inputs = torch.from_numpy(ids[:-1])[None]
    with torch.no_grad():
        features, _ = model.eval().read(inputs, model.zero_states(1), carry=None)
        logits = model.logits(features[0])
    log_p = functional.log_softmax(logits, dim=1)
    words = list(score_words(model, stream_of(tokens_of(ids)), sums=TextSums(), details=True))
    for place, (word, i) in enumerate(zip(words, ids[1:].tolist(), strict=True)):
        assert word.surface == str(i)
        assert word.nats == pytest.approx(-float(log_p[place, i]), abs=1e-9)
        assert word.details.rank == 1 + int((logits[place] > logits[place, i]).sum())
        assert word.details.top == int(logits[place].argmax())
        assert word.details.top_probability == pytest.approx(float(log_p[place].max().exp()))
        entropy = -float((log_p[place].exp() * log_p[place]).sum())
        assert word.details.entropy == pytest.approx(entropy, abs=1e-9)


def test_equal_words_are_ranked_by_id():
    model = make_model()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    words = list(
        score_words(model, stream_of(tokens_of(range(VOCAB))), sums=TextSums(), details=True)
    )
    assert [word.details.rank for word in words] == list(range(2, VOCAB + 1))


def test_every_line_has_its_sums_and_lines_without_words_have_zeros():
    ids, lines = [0, 1, 2, 3, 0, 4, 5], [1, 2, 2, 4, 4, 1, 3]
    tokens = tokens_of(ids, lines, np.array([0, 0, 0, 0, 0, 2, 2]))
    text = stream_of(tokens)
    text.counts.lines.update({0: 5, 1: 0, 2: 4})
    words = list(score_words(make_model(), text, sums=TextSums(), details=True))
    expected = defaultdict(float)
    for word in words:
        expected[word.file, word.line] += word.nats
    found = list(sum_lines(words, text))
    assert [(line.file, line.line, line.words) for line in found] == [
        (0, 1, 0), (0, 2, 2), (0, 3, 0), (0, 4, 2), (0, 5, 0), (2, 1, 1), (2, 2, 0), (2, 3, 1),
        (2, 4, 0),
    ]  # fmt: skip
    assert all(line.nats == expected[line.file, line.line] for line in found)
    inside = list(sum_lines(words, TextStream("x", ("x",) * 3, iter(()), text.counts, inside=True)))
    assert inside == found[1:]


def sums_of(stdout):
    rows = list(csv.DictReader(io.StringIO(stdout), delimiter="\t", quoting=csv.QUOTE_NONE))
    nats = sum(float(row["nats"] or 0) for row in rows)
    return rows, nats, sum(int(row["unknown"]) for row in rows)


@pytest.mark.parametrize("arguments", [("--text", "new.txt"), ("--text", "new"), (),
                                       ("--split", "train")], ids=" ".join)  # fmt: skip
def test_the_program_prints_records_that_add_up(trained, arguments):
    (trained / "new.txt").write_text(TEXT * 9, encoding="utf-8")
    (trained / "new").mkdir(exist_ok=True)
    for name in ("a.txt", "b.txt"):
        (trained / "new" / name).write_text(TEXT * 3, encoding="utf-8")
    done = call_cli("evaluate", RUN, *arguments, "--exact", "--json", cwd=trained, check=0)
    whole = json.loads(done.stdout)
    for option in ("--per-line", "--per-word"):
        done = call_cli("evaluate", RUN, *arguments, option, cwd=trained, check=0)
        rows, nats, unknown = sums_of(done.stdout)
        assert nats == pytest.approx(whole["nats_per_word"] * whole["words"], rel=1e-9)
        assert unknown == whole["unknown"]
        assert f"{whole['words']:,} words scored in one pass" in done.stderr
        assert f"perplexity {whole['perplexity']:.2f}" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        done = call_cli("evaluate", RUN, *arguments, option, "--json", cwd=trained, check=0)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        assert sum(record["nats"] or 0 for record in found) == pytest.approx(nats, rel=1e-9)
        assert [str(record["line"]) for record in found] == [row["line"] for row in rows]
    if arguments == ("--text", "new.txt"):
        done = call_cli("evaluate", RUN, *arguments, "--per-line", cwd=trained, check=0)
        assert len(done.stdout.splitlines()) == 1 + len((TEXT * 9).splitlines())
        piped = call_cli("evaluate", RUN, "--text", "new.txt", "--per-word", cwd=trained, check=0)
        tokens = [row["token"] for row in sums_of(piped.stdout)[0]]
        assert tokens[:7] == ["The", "cat", "sat", "by", "the", "old", "mill"]
        assert {"\\n", "\\n\\n", "\\t"} <= set(tokens)


@pytest.mark.parametrize(
    ("settings", "files"),
    [
        (("data.valid=more.txt",), ()),
        (("data.tags=true", "data.valid_fraction=0.3"), ("texts/a.txt", "texts/b.txt")),
        (("data.documents=blank_line", "data.vocabulary_size=30"), ()),
        (("data.tokenizer=whitespace", "data.lowercase=true"), ()),
    ],
    ids=["valid_file", "tags", "documents", "whitespace"],
)
def test_a_split_is_streamed_as_it_was_prepared(tiny, tmp_path, settings, files):
    (tmp_path / "more.txt").write_text(TEXT * 3, encoding="utf-8")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TEXT * 9, encoding="utf-8")
    source = (f"data.train={tmp_path / 'texts'}",) if files else ()
    settings = [s.replace("more.txt", str(tmp_path / "more.txt")) for s in settings]
    run = train(tiny, *source, *settings, "train.max_steps=1", cwd=tmp_path)
    loaded = load_checkpoint(run, tmp_path)
    for split in ("train", "valid"):
        part, name = find_part(loaded, text=None, split=split)
        with open_text(loaded, text=None, split=split) as text:
            found = join_tokens(list(text.tokens))
            assert (found.ids.tolist(), text.name) == (part.ids.tolist(), name)
            assert int(found.unknown.sum()) == part.unknown


def test_a_text_that_changes_meanwhile_is_reported(tiny, tmp_path):
    run = train(tiny, "train.max_steps=1", cwd=tmp_path)
    with open_text(load_checkpoint(run, tmp_path), text=None, split="train") as text:
        story = tmp_path / "story.txt"
        story.write_text("A " + story.read_text(encoding="utf-8"), encoding="utf-8")
        with pytest.raises(CheckpointError, match="the run's text was changed while it was read"):
            list(text.tokens)


def test_a_model_without_finite_probabilities_is_reported():
    model = make_model()
    torch.nn.init.constant_(model.output_bias, torch.inf)
    with pytest.raises(CheckpointError, match="the model gives no finite probabilities"):
        list(score_words(model, stream_of(tokens_of([0, 1])), sums=TextSums(), details=False))


def test_fields_are_escaped_and_none_is_empty():
    record = dict(zip(LINE_COLUMNS, ("a\tb\\", 3, True, None, 0.1, "\n"), strict=True))
    assert list(format_records([record], LINE_COLUMNS, as_json=False)) == [
        "file\tline\twords\tunknown\tnats\tperplexity\n", "a\\tb\\\\\t3\t1\t\t0.1\t\\n\n",
    ]  # fmt: skip
    assert json.loads(next(format_records([record], LINE_COLUMNS, as_json=True))) == record


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--per-line", "--per-word"])
def test_a_reader_that_stops_early_ends_the_program_silently(trained, option):
    (trained / "long.txt").write_text(TEXT * 2000, encoding="utf-8")
    program = f"{sys.executable} -m lstmgen evaluate {RUN} --text long.txt {option}"
    done = subprocess.run(
        ["bash", "-c", f"{program} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=trained, capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")
    assert done.stdout.startswith("file\tline\t")
