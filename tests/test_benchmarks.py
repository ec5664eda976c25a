"""The entry of the benchmarks: python -m benchmarks NAME."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import cuda
from benchmarks.marks import (
    apostrophe_words,
    malformed,
    read_book,
    versions,
    wrong_side,
)
from lstmgen.generation.api import Sample, Word
from lstmgen.text.sentences import ends_inside
from lstmgen.text.spacing import split_form
from lstmgen.text.tokenizer import tokenize

ROOT = Path(__file__).parent.parent
ENTRY = (sys.executable, "-m", "benchmarks")


def call(*arguments):
    return subprocess.run(
        [*ENTRY, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def listed():
    done = call()
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^  (\w+) +(\S.*)$", done.stdout, re.MULTILINE))


def test_all_are_listed_by_what_they_measure():
    names = listed()
    studies = {path.stem for path in (ROOT / "benchmarks" / "studies").glob("[!_]*.py")}
    assert studies | {"cells", "startup", "clean_books"} < set(names)
    assert not {"measure", "report", "keras_tutorial"} & set(names)
    assert call("--help").stdout == call().stdout


def test_an_unknown_name_is_one_message_with_the_names():
    done = call("startpu")
    assert done.returncode == 2
    assert "startpu" in done.stderr and all(name in done.stderr for name in listed())
    assert done.stderr.count("\n") == 1


def test_the_documents_name_benchmarks_that_exist():
    names, documents = listed(), [ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md"]
    documents += [*(ROOT / "docs").glob("*.md"), *(ROOT / "configs").glob("*.yaml")]
    text = "".join(path.read_text(encoding="utf-8") for path in documents)
    called = set(re.findall(r"python -m benchmarks (\w+)", text))
    assert len(called) > 15
    assert called <= set(names)
    assert not re.search(r"benchmarks/\w+\.py", text)


def test_the_quoted_command_has_the_options_and_no_folder_of_the_machine():
    options = '["dense", "--text", "Brown=/my/texts/brown", "--try", "a=b.c=/x/y,d.e=2", "data/z"]'
    code = f"from benchmarks.__main__ import quoted; print(quoted({options}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == (
        "python -m benchmarks dense --text Brown=.../brown --try a=b.c=.../y,d.e=2 data/z"
    )


@pytest.mark.slow
def test_the_checks_of_a_gpu_can_be_tried_without_one():
    """Every part runs, with the CPU in the place of the GPU, and passes."""
    done = call("cuda", "--device", "cpu", "--quick")
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    verdicts = [row[-1].strip(" |") for row in rows[1:]]
    assert verdicts.count("passed") == 20 and "FAILED" not in verdicts


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_checks_say_so():
    done = call("cuda")
    assert done.returncode == 1
    assert (
        done.stderr
        == "torch sees no CUDA GPU. To try the script without one: --device cpu --quick\n"
    )


def test_a_check_of_a_gpu_can_fail(tmp_path):
    device = cuda.Device("cpu", quick=True, folder=tmp_path)
    assert device.check("losses", 2e-4, 1e-4)[-1] == "FAILED"
    assert device.check("losses", math.nan, 1e-4)[-1] == "FAILED"
    assert device.check("losses", 1e-4, 1e-4)[-1] == "passed"


def test_books_are_cleaned(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text("“It’s -- a\nbook.”\n\nEnd of Project Gutenberg\n")
    done = call("clean_books", str(tmp_path / "books"), str(tmp_path / "clean"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clean" / "a.txt").read_text() == '"It\'s—a book."\n'


BOOK = """“I can't,” said Tom, “and the horses' hay isn't here (yet).” He sat . . . “'Tis late.”
“He said: 'Do come in.' It is Tom's,” she said.
"""


def sample_of(text, tokens=None):
    """A sample that was drawn as these tokens; by default as the text is tokenized."""
    drawn = tokens or [split_form(token)[0] for token in tokenize(text)]
    return Sample(text, tuple(Word(each, 0.0, 0) for each in drawn))


def test_a_book_is_written_in_three_kinds_of_marks():
    made = versions(BOOK)
    assert '"I can\'t," said' in made["straight"] and "“" not in made["straight"]
    assert "‘Do come in.’" in made["curly"] and "“’Tis late.”" in made["curly"]
    assert made["guillemets"].startswith("«I can’t,» said")
    for text in made.values():
        book = read_book(text, wrapped=False)
        assert book.unbalanced == 0
        assert not malformed(sample_of(text), book) and not wrong_side(text, book)


def test_malformed_contractions_are_counted():
    book = read_book(versions(BOOK)["straight"], wrapped=False)
    faulty = {
        "He can 't.": ["'t"], "'s late.": ["'s"], "Toms' hay.": ["toms'"], "It isn't'.": ["isn't'"],
        "'Come in, she said.": ["'come"],
    }  # fmt: skip
    for text, words in faulty.items():
        assert malformed(sample_of(text), book) == words
    for text in ("The hay's here.", "'Come in,' she said.", "'Tis the horses' hay.", "She's in"):
        assert malformed(sample_of(text), book) == []
    assert set(malformed(sample_of("He can't", ["He", "can", "'t"]), book)) == {"'t", "can't"}
    assert list(apostrophe_words("She said, 'I can't.'")) == ["can't"]


def test_marks_beside_spaces_are_counted_where_the_book_has_none():
    book = read_book(versions(BOOK)["straight"], wrapped=False)
    assert wrong_side("He sat . . . He came , and ( so )", book) == [" , ", "( s", " )"]
    assert len(wrong_side('He said " come in " and went', book)) == 2
    assert not wrong_side('He said, "Come in!" and went', book)


def test_ends_inside_a_sentence():
    ended = ("He came.", "“Come!”\n", "He came...”", "(He came.)")
    assert not any(map(ends_inside, ended))
    assert all(map(ends_inside, ("", "He came", "He met Mr.", "He came,”")))
