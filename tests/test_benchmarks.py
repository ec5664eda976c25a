"""The entry of the benchmarks: python -m benchmarks NAME."""

import re
import subprocess
import sys
from pathlib import Path

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


def test_books_are_cleaned(tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "a.txt").write_text("“It’s -- a\nbook.”\n\nEnd of Project Gutenberg\n")
    done = call("clean_books", str(tmp_path / "books"), str(tmp_path / "clean"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clean" / "a.txt").read_text() == '"It\'s—a book."\n'
