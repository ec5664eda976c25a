"""Reading, the vocabulary, prepared ids, and the bundled texts."""

import errno
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmgen.config.schema import DataConfig
from lstmgen.errors import CheckpointError, DataError, StorageError, printable
from lstmgen.text import reading, unfinished
from lstmgen.text.copy_index import build_copy_index
from lstmgen.text.documents import split_documents
from lstmgen.text.encodings import EncodingError
from lstmgen.text.finding import find_files
from lstmgen.text.in_memory import encode_files
from lstmgen.text.prepared import prepare
from lstmgen.text.reading import normalize, read_blocks
from lstmgen.text.spacing import detokenize
from lstmgen.text.tokenizer import Tokenizer
from lstmgen.text.vocabulary import STORY, UNKNOWN, Vocabulary, build_vocabulary, from_json
from tests.helpers import SOAK

LINE_ENDS = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # beside \r and \n, as str.splitlines has them
DATA = Path(__file__).parent.parent / "data"
CLEAN = "One day, the “cat” sat.\nIt didn't move - not once.\n\nSo\tit was: café.\n" * 40


def prepare_text(tmp_path, content, name="text.txt", **settings):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return prepare(DataConfig(train=str(path), **settings), folder=tmp_path / "prepared")


def decode(part, vocabulary, kind="word"):
    words = [vocabulary.entries[i] for i in part.ids if i != 0]
    return detokenize(words, kind=kind)


@pytest.mark.parametrize(
    "content",
    [
        ("\ufeff" + CLEAN).encode(),
        CLEAN.encode("utf-16"),
        CLEAN.replace("\n", "\r\n").encode(),
        CLEAN.replace("\n", "\r").encode(),
        CLEAN.replace("é", "e\u0301").encode(),
        CLEAN.replace("cat ", "cat\x07 ").replace("move ", "move\x1f").encode(),
        CLEAN.replace("\n", "\ufeff\n\ufeff").encode(),
        *(CLEAN.replace("\n", end).encode() for end in LINE_ENDS),
    ],
    ids=[
        "bom",
        "utf-16",
        "crlf",
        "cr",
        "decomposed",
        "control",
        "boms",
        *map(hex, map(ord, LINE_ENDS)),
    ],
)
def test_t37_the_same_text_in_other_clothes_is_the_same_text(tmp_path, content):
    """With a byte order mark, in UTF-16, with other line ends, decomposed, with control codes."""
    clean, other = prepare_text(tmp_path, CLEAN), prepare_text(tmp_path, content, name="other.txt")
    assert (clean.train.ids == other.train.ids).all()
    assert clean.vocabulary == other.vocabulary
    assert decode(clean.train, clean.vocabulary) + decode(clean.valid, clean.vocabulary) == CLEAN


def test_t37_control_characters_are_told_of(tmp_path):
    """They are removed, or a space between two letters, and counted in one notice."""
    corpus = prepare_text(tmp_path, CLEAN.replace("cat", "c\x07\x08at"))
    assert decode(corpus.train, corpus.vocabulary).startswith("One day, the “c at” sat.")
    assert corpus.notices == (
        "data.train: 80 control characters were removed, and replaced by a space between two "
        "letters",
    )


def test_text_of_windows_1252_that_was_read_as_latin_1_is_reported_and_kept(tmp_path):
    misread = "We didn’t — “ask”.\n".encode("cp1252").decode("latin-1") * 20
    corpus = prepare_text(tmp_path, misread, valid_fraction=0)
    assert decode(corpus.train, corpus.vocabulary) == misread
    assert corpus.notices[0].startswith(
        "data.train: 80 characters, as in 'didn\\x92t', look like Windows-1252 that was once read"
    )


def test_files_of_another_encoding_are_all_named_at_once(tmp_path):
    text = "“Stay,” she said — we didn’t. Café £5.\n" * 20
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(text, encoding="utf-8")
    for name in ("b.txt", "c.txt"):
        (folder / name).write_text(text, encoding="cp1252")
    with pytest.raises(EncodingError) as caught:
        prepare(DataConfig(train=str(folder)), folder=tmp_path / "prepared")
    first, b, c = str(caught.value).split("\n")
    assert first == "2 files are not UTF-8:"
    assert b.endswith(
        "b.txt: line 1: byte 0x93 at offset 0 is not UTF-8; it looks like Windows-1252"
    )
    assert "c.txt: line 1" in c and f"iconv -f WINDOWS-1252 -t UTF-8 {folder}/b.txt > utf8.txt" in c
    assert c.endswith("or set data.encoding=windows-1252")
    data = DataConfig(train=str(folder), encoding="windows-1252", valid_fraction=0)
    corpus = prepare(data, folder=tmp_path / "prepared")  # the file in UTF-8 is read as such
    assert decode(corpus.train, corpus.vocabulary) == text * 3


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        ("Elle était déjà là, où aller après ça? Naïve.\n", "latin-1", "Windows-1252"),
        ("吾輩は猫である。名前はまだ無い。\n", "shift_jis", "Shift-JIS"),
        ("我冒着严寒，回到相隔二千余里的故乡去。\n", "gb18030", "GB18030"),
        ("Он ушёл домой. Она ждала у моря.\n", "cp1251", "Windows-1251"),
        ("Žluťoučký kůň příliš úpěl ďábelské ódy.\n", "cp1250", "Windows-1250"),
        ("“Don’t,” she said — and left.\n", "utf-16-le", "UTF-16 without a byte order mark"),
        ("吾輩は猫である。\n", "utf-16-be", "UTF-16 without a byte order mark"),
    ],
)
@pytest.mark.parametrize("times", [1, 500])
def test_the_encoding_of_a_text_is_guessed(tmp_path, text, encoding, name, times):
    (tmp_path / "text.txt").write_bytes((text * times).encode(encoding))
    with pytest.raises(EncodingError, match=f"it looks like {name}"):
        list(read_blocks(tmp_path / "text.txt"))


DOCUMENTS = ["Soup\n\n1. Boil, wait.", "A line", "x", "He said <nothing>.\nShe left."]


@pytest.mark.parametrize("block", [1, 3, 16, 1 << 20])
@pytest.mark.parametrize(
    ("rule", "separator"),
    [("<|endoftext|>", "\n<|endoftext|>\n"), ("<|endoftext|>", "<|endoftext|>"),
     ("---", "\n --- \n\n"), ("line", "\n"), ("line", "\n \n\n"), ("blank_line", "\n\n"),
     ("blank_line", " \n  \n\n\n")],
)  # fmt: skip
def test_documents_are_what_the_rule_separates(tmp_path, rule, separator, block):
    documents = DOCUMENTS if separator.strip() else [d.replace("\n", " ") for d in DOCUMENTS]
    path = tmp_path / "all.txt"
    path.write_text("\n" + separator.join(documents * 3) + separator, encoding="utf-8")
    pieces = list(split_documents(read_blocks(path, block=block), rule))
    found: list[str] = []
    for piece in pieces:
        found += [piece.text] if piece.begins else []
        found[-1] += "" if piece.begins else piece.text
    assert found == documents * 3
    whole = "\n" + separator.join(documents * 3) + separator
    assert sum(p.lines + p.text.count("\n") for p in pieces) == whole[
        : whole.rindex(documents[-1])
    ].count("\n") + (documents[-1].count("\n"))


def test_a_document_begins_and_ends_with_story(tmp_path):
    text = "<|endoftext|>\n".join(["One two three.\n"] * 60)
    corpus = prepare_text(tmp_path, text, documents="<|endoftext|>")
    document = [0, *(corpus.vocabulary.ids[w] for w in ("One", "two", "three", "."))]
    assert corpus.train.ids.tolist() == document * 54
    assert corpus.valid is not None and corpus.valid.ids.tolist() == document * 6
    assert corpus.file_starts == (0,)
    assert prepare_text(tmp_path, text).notices == (
        "data.train: <|endoftext|> stands in the text 59 times. If it separates documents: "
        "data.documents='<|endoftext|>'",
    )


def test_copies_are_located_in_the_lines_of_the_file(tmp_path):
    recipes = [f"Soup {n}\n\nBoil number{n} well.\n" for n in range(30)]
    for text, line in (("\n###\n".join(recipes), 6 * 9 + 3), ("\n\n\n".join(recipes), 6 * 9 + 3)):
        rule = "###" if "###" in text else "blank_line"
        corpus = prepare_text(tmp_path, text, documents=rule, valid_fraction=0)
        index = build_copy_index(
            corpus.train.ids, corpus.line_ends, corpus.vocabulary, kind="word",
            file_starts=corpus.file_starts, names=["text.txt"],
        )  # fmt: skip
        word = corpus.vocabulary.ids["number9"]
        lines = text.split("\n")
        expected = next(n for n, line in enumerate(lines, 1) if "number9" in line)
        assert index.locate(int(index.places([word])[0])).line == expected


HEADER = "The Project Gutenberg eBook\n\n*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***\n\n\n"
LICENCE = "\n\n*** END OF THE PROJECT GUTENBERG EBOOK EMMA ***\n\nLicence of the book.\n"


def test_the_marks_of_project_gutenberg_are_reported_and_cut_off(tmp_path):
    whole = prepare_text(tmp_path, HEADER + CLEAN + LICENCE)
    assert whole.notices == (
        "data.train: the header and licence of Project Gutenberg are in the text. To cut them off: "
        "data.strip_gutenberg=true",
    )
    text = HEADER + CLEAN + LICENCE
    corpus = prepare_text(tmp_path, text, strip_gutenberg=True, valid_fraction=0)
    assert decode(corpus.train, corpus.vocabulary) == CLEAN and corpus.notices[:-1] == ()
    assert corpus.line_ends[0] == 1  # the lines of the header are counted
    clean = prepare_text(tmp_path, CLEAN, strip_gutenberg=True, valid_fraction=0)
    assert (clean.train.ids == corpus.train.ids).all()
    padded = "\n\n" + CLEAN + "\n"  # without marks nothing is cut
    whole = prepare_text(tmp_path, padded, strip_gutenberg=True, valid_fraction=0)
    assert decode(whole.train, whole.vocabulary) == padded


def test_several_books_of_project_gutenberg_in_one_file_are_all_kept(tmp_path):
    text = HEADER + CLEAN + LICENCE + HEADER + CLEAN.replace("cat", "dog") + LICENCE
    corpus = prepare_text(tmp_path, text, strip_gutenberg=True, valid_fraction=0)
    assert decode(corpus.train, corpus.vocabulary) == CLEAN + CLEAN.replace("cat", "dog")
    assert (corpus.train.ids == 0).sum() == 2
    index = build_copy_index(
        corpus.train.ids, corpus.line_ends, corpus.vocabulary, kind="word",
        file_starts=corpus.file_starts, names=["text.txt"],
    )  # fmt: skip
    dog = index.locate(int(index.places([corpus.vocabulary.ids["dog"]])[0]))
    assert dog.line == 1 + text[: text.index("dog")].count("\n")
    unopened = prepare_text(tmp_path, CLEAN + LICENCE, strip_gutenberg=True, valid_fraction=0)
    assert decode(unopened.train, unopened.vocabulary) == CLEAN


@pytest.mark.parametrize("block", [7, 40, 333])
def test_blocks_cut_no_token(tmp_path, monkeypatch, block):
    text = (CLEAN + "naïve “quotes”,  and   spaces\n\n\n\n" + "x" * 300 + "\n") * 3
    whole = prepare_text(tmp_path, text, valid_fraction=0)
    monkeypatch.setattr(reading.read_blocks, "__kwdefaults__", {"block": block, "encoding": None})
    # One space more gives another hash, so that the ids are made anew.
    cut = prepare_text(tmp_path, text + " ", name="cut.txt", valid_fraction=0)
    assert len(list(read_blocks(tmp_path / "cut.txt"))) > 3
    assert "".join(read_blocks(tmp_path / "cut.txt")) == text + " "
    assert decode(whole.train, whole.vocabulary) == text
    assert decode(cut.train, cut.vocabulary) == text + " "


def test_sources_are_files_folders_globs_and_lists(tmp_path):
    for name in ("b.txt", "a.txt", "c.md"):
        (tmp_path / name).write_text("x")

    def names(source):
        return [path.name for path in find_files(source, key="data.train").files]

    assert names(str(tmp_path)) == ["a.txt", "b.txt", "c.md"]
    assert names(str(tmp_path / "*.md")) == ["c.md"]
    assert names([str(tmp_path / "c.md"), str(tmp_path)]) == ["c.md", "a.txt", "b.txt", "c.md"]
    (tmp_path / "2019" / "spring").mkdir(parents=True)
    for name in ("2019/B.TXT", "2019/spring/x.Text", "2019/._a.txt", ".hidden.txt", "cover.png"):
        (tmp_path / name).write_text("x")
    (tmp_path / "runs" / "fable").mkdir(parents=True)
    for name in ("log.txt", "resolved.yaml"):
        (tmp_path / "runs" / "fable" / name).write_text("x")
    found = find_files(str(tmp_path), key="data.train")
    assert [str(path.relative_to(tmp_path)) for path in found.files] == [
        "2019/B.TXT", "2019/spring/x.Text", "a.txt", "b.txt", "c.md",
    ]  # fmt: skip
    assert "1 file is left out (cover.png), since a folder stands for its" in found.notices[0]
    (tmp_path / "empty").mkdir()
    for source, message in (
        ("nothing.txt", "data.train = nothing.txt: no such file or folder"),
        ("no*.txt", "data.train = no*.txt: no file matches the pattern"),
        (str(tmp_path / "empty"), "the folder holds no .txt, .text or .md file"),
        ([], "no text is named. Write a path: data.train=story.txt"),
        ("/dev/null", "is not a plain file"),
        ("bad\x1b2Jname", r"bad\x1b2Jname: no such file"),
    ):
        with pytest.raises(DataError) as caught:
            find_files(source, key="data.train")
        assert message in str(caught.value)


def test_the_split_is_contiguous_and_at_a_line_end(tmp_path):
    corpus = prepare_text(tmp_path, CLEAN)
    text = decode(corpus.valid, corpus.vocabulary)
    assert CLEAN.endswith(text)
    assert CLEAN[: -len(text)].endswith("\n")
    share = corpus.valid.tokens / (corpus.valid.tokens + corpus.train.tokens)
    assert 0.1 <= share <= 0.2
    assert corpus.valid.ids[0] == 0  # it opens like a text


def test_the_vocabulary_is_of_the_training_part_only(tmp_path):
    corpus = prepare_text(tmp_path, "a b c d e\n" * 30 + "zebra f\n" * 3, valid_fraction=0.2)
    assert "zebra" not in corpus.vocabulary.ids
    assert not corpus.vocabulary.models_unknown
    assert corpus.valid.unknown == 6
    assert (corpus.valid.ids == len(corpus.vocabulary)).sum() == 6
    assert corpus.valid.unknown_characters == 3 * len("zebra f")


def test_a_text_with_a_validation_file_is_not_split(tmp_path):
    (tmp_path / "valid.txt").write_text("the cat")
    corpus = prepare_text(tmp_path, CLEAN, valid=str(tmp_path / "valid.txt"))
    assert decode(corpus.train, corpus.vocabulary) == CLEAN
    assert corpus.valid.tokens == 2


def test_a_tiny_text_has_no_validation_and_says_so(tmp_path):
    corpus = prepare_text(tmp_path, "The cat sat by the mill, and that was that. So.")
    assert corpus.valid is None
    assert "14 tokens are too few to hold out 10% of them" in corpus.notices[0]


def test_stories_are_opened_and_counted(tmp_path):
    for n in range(3):
        (tmp_path / f"{n}.txt").write_text(f"story {n} .\n")
    corpus = prepare(DataConfig(train=str(tmp_path), valid_fraction=0), folder=tmp_path / "p")
    assert (corpus.train.ids == 0).sum() == 3 == corpus.vocabulary.counts[0]
    assert corpus.train.tokens == 12 and corpus.files == 3


def test_prepared_ids_are_found_by_content_and_settings(tmp_path):
    first = prepare_text(tmp_path, CLEAN)
    stamp = next((tmp_path / "prepared").iterdir()).stat().st_mtime_ns
    again = prepare_text(tmp_path, CLEAN, name="renamed.txt")
    assert again.fingerprint == first.fingerprint
    assert next((tmp_path / "prepared").iterdir()).stat().st_mtime_ns == stamp
    assert prepare_text(tmp_path, CLEAN, min_count=2).fingerprint != first.fingerprint
    assert prepare_text(tmp_path, CLEAN + "x").fingerprint != first.fingerprint
    assert not list((tmp_path / "prepared").glob(".making*"))


def test_vocabulary_counts_and_limits():
    counts = Counter({STORY: 2, "a": 5, "b": 3, "c": 3, "d": 1})
    full = build_vocabulary(counts)
    assert full.entries == (STORY, "a", "b", "c", "d") and full.unknown_id == 5
    assert full.seen_once == (4,)
    cut = build_vocabulary(counts, min_count=2)
    assert cut.entries == (STORY, UNKNOWN, "a", "b", "c") and cut.counts == (2, 1, 5, 3, 3)
    assert cut.unknown_id == 1 and cut.specials == (0, 1)
    small = build_vocabulary(counts, vocabulary_size=4)
    assert small.entries == (STORY, UNKNOWN, "a", "b") and small.counts[1] == 4
    assert build_vocabulary(counts, vocabulary_size=5) == full


def test_a_literal_unk_in_a_tokenised_text_is_the_unknown_word(tmp_path):
    corpus = prepare_text(
        tmp_path, "the <unk> sat\n" * 20, tokenizer="whitespace", valid_fraction=0
    )
    assert corpus.vocabulary.entries[:2] == (STORY, UNKNOWN)
    assert corpus.train.unknown == 20


def test_a_vocabulary_file_is_taken_as_it_is(tmp_path):
    (tmp_path / "words.txt").write_text("sat\nthe\nzebra\n\\n\n")
    corpus = prepare_text(tmp_path, "the cat sat\n" * 20, vocabulary=str(tmp_path / "words.txt"))
    assert corpus.vocabulary.entries == (STORY, UNKNOWN, "sat", "the", "zebra", "\n")
    (tmp_path / "none.txt").write_text("\n")
    with pytest.raises(DataError, match="has no words"):
        prepare_text(tmp_path, CLEAN, vocabulary=str(tmp_path / "none.txt"))


def test_a_text_read_by_an_old_vocabulary_is_the_same_ids(tmp_path):
    corpus = prepare_text(tmp_path, CLEAN, valid_fraction=0)
    part = encode_files(
        str(tmp_path / "text.txt"), corpus.vocabulary, data=DataConfig(), key="--text"
    )
    assert np.array_equal(part.ids, corpus.train.ids)
    assert (part.tokens, part.characters) == (corpus.train.tokens, len(CLEAN))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must hold entries and counts"),
        ({"entries": ["<story>"], "counts": []}, "two lists of one length"),
        ({"entries": ["<story>", 3], "counts": [1, 1]}, "different, non-empty words"),
        ({"entries": ["<story>", "a", "a"], "counts": [1, 1, 1]}, "different, non-empty words"),
        ({"entries": ["a"], "counts": [1]}, "must begin with <story>"),
        ({"entries": ["<story>", "\x1b[2J"], "counts": [1, 1]}, "holds control characters"),
        ({"entries": ["<story>"], "counts": [-1]}, "must count in integers"),
    ],
)
def test_t18_a_vocabulary_from_a_stranger_is_checked(data, message):
    """Its kind, its words, its counts, and control characters."""
    with pytest.raises(CheckpointError, match=message):
        from_json(data, source="x")
    good = Vocabulary((STORY, "a"), (1, 2))
    assert from_json(good.as_json(), source="x") == good


@pytest.mark.parametrize(
    "line",
    ["Старый мельник сказал: «Вода — это жизнь».\n", "老磨坊主慢慢地说。\n", "a b c\n", "水流得慢",
     "Один два три ", "नमस्ते दुनिया\n"],
)  # fmt: skip
def test_a_text_in_any_script_is_read_in_blocks(tmp_path, line):
    (tmp_path / "long.txt").write_text(line * 3000, encoding="utf-8")
    blocks = list(read_blocks(tmp_path / "long.txt", block=2000))
    assert "".join(blocks) == line * 3000
    assert max(map(len, blocks)) < 4100
    whole, parts = Tokenizer("word"), Tokenizer("word")
    expected = whole.encode(line * 3000)
    numbers = np.concatenate([parts.encode(normalize(block)) for block in blocks])
    forms, part_forms = whole.forms(), parts.forms()
    assert [part_forms[n] for n in numbers] == [forms[n] for n in expected]


HARD = "ab .,\n\n\r\t  é\u0301中文の。'’\"“„¬-\x07\u200d🙂\u2028Σσς İ한\u1161"


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=HARD, max_size=150), st.integers(3, 60), st.booleans())
def test_any_text_read_in_blocks_has_the_tokens_of_the_whole(folder, text, block, lowercase):
    path = folder / "text.txt"
    path.write_bytes(text.encode())
    parts, whole = Tokenizer("word"), Tokenizer("word")
    numbers = [
        number
        for piece in read_blocks(path, block=block)
        for number in parts.encode(normalize(piece, lowercase=lowercase))
    ]
    expected = whole.encode(normalize(text, lowercase=lowercase))
    forms, whole_forms = parts.forms(), whole.forms()
    assert [forms[n] for n in numbers] == [whole_forms[n] for n in expected]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("blocks")


@pytest.mark.parametrize(
    "harm", ["meta", "number", "edited", "empty", "cut", "gone", "pipe", "flipped"]
)
def test_prepared_ids_that_were_damaged_are_made_again(tmp_path, harm):
    first = prepare_text(tmp_path, CLEAN)
    expected = [part.ids.tolist() for part in (first.train, first.valid)]
    home = next((tmp_path / "prepared").iterdir())
    if harm in ("meta", "number"):
        (home / "meta.json").write_text("" if harm == "meta" else "7")
    elif harm == "edited":
        meta = json.loads((home / "meta.json").read_text(encoding="utf-8"))
        (home / "meta.json").write_text(json.dumps(meta | {"notices": ["a word of my own"]}))
    elif harm == "flipped":
        data = bytearray((home / "valid.ids").read_bytes())
        data[0] ^= 1
        (home / "valid.ids").write_bytes(data)
    elif harm in ("gone", "pipe"):
        (home / "valid.ids").unlink()
        if harm == "pipe":
            os.mkfifo(home / "valid.ids")
    else:
        data = (home / "train.ids").read_bytes()
        (home / "train.ids").write_bytes(b"" if harm == "empty" else data[:400])
    again = prepare_text(tmp_path, CLEAN)
    assert [part.ids.tolist() for part in (again.train, again.valid)] == expected
    assert again.notices == first.notices
    assert sorted(path.name for path in home.iterdir() if path.is_file()) == [
        "meta.json", "train.ids", "train.lines", "valid.ids",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC])
def test_where_nothing_may_be_written_a_text_is_prepared_elsewhere(tmp_path, monkeypatch, number):
    """But for a full disk, whose free bytes are told: another one may be as full."""
    (tmp_path / "first").mkdir()
    expected = prepare_text(tmp_path / "first", CLEAN).train.ids.tolist()
    real, folder = os.fsync, tmp_path / "prepared"

    def refuse(handle):
        if Path(os.readlink(f"/proc/self/fd/{handle}")).is_relative_to(folder):
            raise OSError(number, os.strerror(number))
        real(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    if number == errno.ENOSPC:
        with pytest.raises(
            StorageError,
            match=r"which needs about [\d,]+ bytes, cannot be written "
            r"\(No space left on device, [\d,]+ bytes are free",
        ):
            prepare_text(tmp_path, CLEAN)
    else:
        assert prepare_text(tmp_path, CLEAN).train.ids.tolist() == expected
    assert not list(folder.iterdir())


def test_a_text_that_another_process_has_prepared_meanwhile_is_taken(tmp_path, monkeypatch):
    """Both have the same ids, and neither waits for the other."""
    path, real = tmp_path / "text.txt", os.fsync
    path.write_text(CLEAN, encoding="utf-8")
    data = DataConfig(train=str(path))
    first = prepare(data, folder=tmp_path / "other")

    def slow(handle):
        real(handle)
        shutil.copytree(tmp_path / "other", tmp_path / "prepared", dirs_exist_ok=True)

    monkeypatch.setattr(os, "fsync", slow)
    second = prepare(data, folder=tmp_path / "prepared")
    assert second.train.ids.tolist() == first.train.ids.tolist()
    assert len(list((tmp_path / "prepared").iterdir())) == 1


def test_a_copy_of_standard_input_has_the_mode_that_the_umask_gives(tmp_path):
    """So that users of one group can share it; what a killed process has left is removed."""
    left = tmp_path / f"{unfinished.prefix().rsplit('-', 2)[0]}-{ended_process()}-stdin"
    left.write_bytes(b"half")
    program = ("import sys; from pathlib import Path;"
               "from lstmgen.text.standard_input import save_stdin;"
               "print(save_stdin(Path(sys.argv[1])))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program, tmp_path], input=CLEAN, text=True,
                          capture_output=True, check=True, umask=0o027)  # fmt: skip
    (saved,) = tmp_path.iterdir()
    assert saved == Path(done.stdout.strip())
    assert saved.read_text(encoding="utf-8") == CLEAN
    assert stat.S_IMODE(saved.stat().st_mode) == 0o640


def test_t39_a_validation_text_with_nothing_to_score(tmp_path):
    """Empty is refused; of unknown words alone it is left out, and that is said."""
    (tmp_path / "valid.txt").write_text("")
    with pytest.raises(DataError, match="data.valid: the text is empty"):
        prepare_text(tmp_path, CLEAN, valid=str(tmp_path / "valid.txt"))
    (tmp_path / "valid.txt").write_text("zebra yak")
    corpus = prepare_text(tmp_path, CLEAN, valid=str(tmp_path / "valid.txt"))
    assert corpus.valid is None
    assert corpus.notices == ("no word of the validation text is known: the last checkpoint is "
                              "the best",)  # fmt: skip


def test_a_vocabulary_that_keeps_no_word_is_refused(tmp_path):
    with pytest.raises(DataError, match="data.min_count = 99.*no word is left to learn"):
        prepare_text(tmp_path, "a b c\n" * 10, min_count=99)


def test_a_vocabulary_file_is_normalised_like_the_text(tmp_path):
    (tmp_path / "words.txt").write_text("cafe\u0301\n\x07bar\x07\n")
    corpus = prepare_text(tmp_path, "caf\u00e9 bar\n" * 20, vocabulary=str(tmp_path / "words.txt"))
    assert corpus.vocabulary.entries == (STORY, UNKNOWN, "caf\u00e9", "bar")


def test_t40_what_is_shown_holds_no_control_characters():
    """Whatever is said of a name or a word goes through one function."""
    assert printable("a\x1b[2J\x9bb\u202ec\n\td") == "a\\x1b[2J\\x9bb\\u202ec\n\td"
    assert printable("Zoë 中 🙂") == "Zoë 中 🙂"


# The bundled texts


def stories():
    return {p.name: p.read_text(encoding="utf-8") for p in sorted((DATA / "stories").glob("*.txt"))}


def words(text):
    return re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower())


def test_the_stories_are_one_small_world():
    everything = [word for text in stories().values() for word in words(text)]
    assert len(stories()) >= 20
    assert len(everything) >= 30_000
    assert len(set(everything)) <= 3_500
    assert f"{len(everything):,} words, {len(set(everything)):,} different" in (
        DATA / "README.md"
    ).read_text(encoding="utf-8")


def test_no_eight_words_in_a_row_stand_more_than_three_times():
    runs = Counter()
    for text in stories().values():
        told = words(text)
        runs.update(tuple(told[i : i + 8]) for i in range(len(told) - 7))
    assert max(runs.values()) <= 3


def test_the_stories_are_clean_prose():
    for name, text in stories().items():
        assert normalize(text) == text and text.endswith(".\n") or text.endswith('."\n'), name
        assert not re.search(r" [.,?!]|\. [a-z]|  |[^\S\n ]|\n\n\n", text), name
        assert all(line.count('"') % 2 == 0 for line in text.split("\n")), name


def test_the_fable_has_its_length():
    assert 150 <= len((DATA / "fable.txt").read_text(encoding="utf-8").split()) <= 250


MIXED = ["a", "b ", "\n", "\n\n", " ", "##", "<a b>", "<a ", "é", "\t", "中", "\u2028", "\x0c", "."]
RULES = ["line", "blank_line", "##", "<a b>"]


@pytest.mark.soak
@settings(max_examples=20_000 if SOAK else 300, deadline=None)
@given(st.lists(st.sampled_from(MIXED), max_size=40), st.sampled_from(RULES))
def test_documents_do_not_depend_on_blocks_and_lose_no_word(folder, parts, rule):
    path, text = folder / "documents.txt", normalize("".join(parts))
    path.write_text("".join(parts), encoding="utf-8")

    def documents(block):
        found: list[str] = []
        for piece in split_documents(map(normalize, read_blocks(path, block=block)), rule):
            found += [""] * piece.begins
            found[-1] += piece.text
        return found

    whole = documents(1 << 20)
    assert documents(1) == documents(3) == whole
    separator = "\n" if "line" in rule else rule
    assert re.sub(r"\s", "", "".join(whole)) == re.sub(r"\s", "", text.replace(separator, ""))
    assert all(map(str.strip, whole))
    assert rule == "blank_line" or not any(separator in document for document in whole)


def test_entries_of_a_vocabulary_file_that_never_occur_are_named(tmp_path):
    (tmp_path / "words.txt").write_text("the\ncat\nzebra\nyak\n")
    corpus = prepare_text(tmp_path, "the cat sat\n" * 40, vocabulary=str(tmp_path / "words.txt"))
    assert corpus.notices[0].endswith(
        "words.txt: 2 of 4 entries never occur in the training text ('zebra', 'yak')"
    )


def test_two_stars_take_each_file_once_whatever_links_there_are(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / "in" / "deep" / "b.txt").write_text("b", encoding="utf-8")
    (tmp_path / "in" / ".hidden").mkdir()
    (tmp_path / "in" / ".hidden" / "c.txt").write_text("c", encoding="utf-8")
    (tmp_path / "in" / "again").symlink_to(".")
    (tmp_path / "in" / "twice").symlink_to("deep")
    (tmp_path / "in" / "deep" / "up").symlink_to("..")
    for pattern in ("in/**/*.txt", "**/*.txt", "in/**"):
        found = find_files(str(tmp_path / pattern), key="data.train").files
        assert sorted(path.name for path in found) == ["a.txt", "b.txt"], pattern


def test_a_file_under_several_names_is_taken_once_unless_each_is_named(tmp_path):
    path, other = tmp_path / "a.txt", tmp_path / "d.txt"
    path.write_text("a", encoding="utf-8")
    other.write_text("a", encoding="utf-8")
    (tmp_path / "b.txt").symlink_to("a.txt")
    (tmp_path / "c.txt").hardlink_to(path)
    for source in (tmp_path, tmp_path / "*.txt", tmp_path / "**" / "*.txt"):
        assert find_files(str(source), key="data.train").files == [path, other], source
    named = [str(tmp_path / name) for name in ("a.txt", "b.txt", "a.txt")]
    assert [str(file) for file in find_files(named, key="data.train").files] == named


def test_two_stars_match_what_glob_matches_without_links(tmp_path, monkeypatch):
    for name in ("a.txt", "x/b.txt", "x/y/c.txt", "x/y/d.md", "z[1]/e.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for pattern in ("**/*.txt", "x/**/*.txt", "*/**/c.*", "**/y/*", "x/**", "z*/**/*.txt"):
        expected = {path for path in glob.glob(pattern, recursive=True) if Path(path).is_file()}
        found = find_files(pattern, key="data.train").files
        assert {str(path) for path in found} == expected, pattern


@given(st.lists(st.sampled_from("a\u0301\u0323\u0345\u05b0 \u4e00"), max_size=200))
def test_no_text_keeps_a_long_row_of_combining_marks(characters):
    text = "".join(characters)
    result = normalize(text)
    assert normalize(result) == result
    row = 0
    for character in unicodedata.normalize("NFD", result):
        row = row + 1 if unicodedata.combining(character) else 0
        assert row <= 33  # a composed character brings one or two marks of its own
    if "\u034f" not in result:
        assert result == unicodedata.normalize("NFC", text)


def test_very_long_rows_of_marks_are_normalized_at_once():
    """Sorting 400,000 marks at once would take minutes, deaf to Ctrl-C."""
    text = "a" + "\u0301\u0323" * 200_000
    assert normalize(text).count("\u034f") >= 400_000 // 31 - 1
    parts = normalize("\u05d0" + "\u05b0" * 100).split("\u034f")
    assert [part.count("\u05b0") for part in parts] == [30, 30, 30, 10]


def ended_process():
    """The number of a process that is no more."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_what_a_killed_process_has_left_is_removed_and_what_another_makes_stays(tmp_path):
    machine, process = unfinished.prefix().split("-")[1], ended_process()
    gone = tmp_path / f".making-{machine}-{process}-abc"
    running = tmp_path / f".making-{machine}-{os.getppid()}-abc"
    elsewhere = tmp_path / f".making-00000000-{process}-abc"
    working = tmp_path / f".making-00000001-{process}-abc"  # of which only the files are new
    old = tmp_path / ".making-old"
    for folder in (gone, running, elsewhere, working, old):
        folder.mkdir()
        (folder / "numbers").write_bytes(b"1")
    file = tmp_path / f".making-{machine}-{process}-stdin"
    file.write_bytes(b"text")
    for path in (old / "numbers", old, working):
        os.utime(path, (1, 1))
    unfinished.sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {running, elsewhere, working}
    assert unfinished.prefix().split("-")[2] == str(os.getpid())


def test_what_a_process_of_another_user_makes_stays(tmp_path, monkeypatch):
    """The system only says that this one may send it no signal."""

    def forbid(process, number):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    (tmp_path / f"{unfinished.prefix()}abc").mkdir()
    monkeypatch.setattr(os, "kill", forbid)
    unfinished.sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_left_is_removed_when_the_next_text_is_prepared(tmp_path):
    left = tmp_path / "prepared" / f"{unfinished.prefix().rsplit('-', 2)[0]}-{ended_process()}-abc"
    left.mkdir(parents=True)
    prepare_text(tmp_path, CLEAN)
    assert not left.exists()


def test_files_of_other_devices_are_others(tmp_path, monkeypatch):
    """Two disks may number their files alike."""
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name, encoding="utf-8")
    real = os.stat

    def alike(path, *args, **kwargs):
        found = real(path, *args, **kwargs)
        if str(path).endswith(".txt"):
            facts = list(found)
            facts[1:3] = 7, ord(Path(path).stem)  # number, device
            return os.stat_result(facts)
        return found

    monkeypatch.setattr(os, "stat", alike)
    assert len(find_files(str(tmp_path), key="data.train").files) == 2
