"""What the documents say is what the program does."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import generated
from tests.helpers.program import call_cli

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", generated.GENERATED, ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path):
    """To write them: python -m tests.generated."""
    text = path.read_text(encoding="utf-8")
    assert generated.GENERATED[path](text) == text


def test_files_that_the_documents_name_exist():
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} names {target}"


def test_every_table_of_a_benchmark_has_its_place():
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    sections = set()
    for script in (ROOT / "benchmarks").rglob("*.py"):
        code = script.read_text(encoding="utf-8")
        sections |= set(re.findall(r"""Table\("([^"]+)",""", code))
    assert len(sections) > 15
    for section in sections:
        begin, end = f"<!-- {section} -->\n", f"<!-- /{section} -->\n"
        assert results.count(begin) == results.count(end) == 1, section


def test_functions_that_the_documents_name_exist():
    named = set()
    for document in (ROOT / "docs").glob("*.md"):
        named |= set(re.findall(r"lstmgen(?:\.\w+)+", document.read_text(encoding="utf-8")))
    assert len(named) > 10
    for name in named:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name


@pytest.mark.slow
def test_python_in_the_documents_runs(tmp_path):
    """Beside a small run, as the documents' readers have one."""
    call_cli("train", "fable", "train.max_steps=20", "-q", cwd=tmp_path, check=0)
    blocks = []
    for document in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = document.read_text(encoding="utf-8")
        blocks += re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()


def test_the_project_speaks_of_itself_alone():
    """No path of one machine and no package registry stands in what others read."""
    for path in ROOT.rglob("*"):
        inside = path.relative_to(ROOT).parts
        if inside[0] in (".git", ".venv", "runs") or path.suffix not in (".md", ".py", ".yaml"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/home/\w+/|/ro{2}t/|pypi\.o\w+", text), path
