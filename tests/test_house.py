"""The house: which file may import which, and what must not be in the tree at all."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lstmgen"

# A file imports only from floors below its own, or from its own room.
FLOORS = {
    "__init__": 0,
    "errors": 0,
    "config": 1,
    "cells": 1,
    "ngrams": 1,
    "text": 2,
    "windows": 3,
    "model": 3,
    "runs": 3,
    "generation": 4,
    "evaluation": 5,
    "training": 6,
    "inspection": 7,
    "reporting": 8,
    "cli": 9,
    "__main__": 10,
}
TORCH_ROOMS = {"model", "training", "evaluation"}
TORCH_FILES: set[str] = set()


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path):
    """Every module that a file names in an import, absolute, wherever in the file it stands."""
    package = ("lstmgen", *path.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            module = (base + (node.module or "")).rstrip(".")
            for alias in node.names:
                yield (f"{module}.{alias.name}" if module == "lstmgen" else module), node


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    for module, _ in imports(path):
        parts = module.split(".")
        if parts[0] != "lstmgen":
            continue
        target = parts[1] if len(parts) > 1 and parts[1] in FLOORS else "__init__"
        if target != room(path):
            assert FLOORS[target] < FLOORS[room(path)], f"{path} imports {module}"


def test_every_room_has_a_floor_and_no_file_is_a_drawer():
    assert {room(path) for path in modules()} == set(FLOORS)
    drawers = {"utils.py", "common.py", "base.py", "helpers.py"}
    assert not [path for path in modules() if path.name in drawers]


def test_files_of_a_room_do_not_import_in_a_circle():
    graph = {}
    for path in modules():
        name = ".".join(("lstmgen", *path.relative_to(PACKAGE).with_suffix("").parts))
        known = {m for m, _ in imports(path)}
        graph[name.removesuffix(".__init__")] = known
    done, active = set(), []

    def visit(name):
        assert name not in active, f"circle: {active} {name}"
        if name in done or name not in graph:
            return
        active.append(name)
        for target in graph[name]:
            visit(target)
        active.pop()
        done.add(name)

    for name in graph:
        visit(name)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torch_is_named_only_where_models_are(path):
    named = {module.split(".")[0] for module, _ in imports(path)}
    if room(path) not in TORCH_ROOMS and str(path.relative_to(PACKAGE)) not in TORCH_FILES:
        assert "torch" not in named
    assert "click" not in named


def test_t44_nothing_in_the_tree_runs_what_it_reads():
    """No eval, exec, pickle, unsafe YAML or torch.load in the package."""
    forbidden = re.compile(r"\b(eval|exec|pickle\.|yaml\.load|torch\.load|weights_only=False)\b\(?")
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("eval", "exec", "yaml.load", "torch.load"), path
        assert not {m.split(".")[0] for m, _ in imports(path)} & {"pickle", "shelve", "marshal"}
    assert forbidden.search("torch.load(x)")


def test_t44_imported_packages_are_the_declared_dependencies():
    """Neither more nor fewer, and each is pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=]", name)[0] for name in project["dependencies"]}
    imported = {module.split(".")[0] for path in modules() for module, _ in imports(path)}
    outside = imported - set(sys.stdlib_module_names) - {"lstmgen"}
    assert {name.replace("yaml", "pyyaml") for name in outside} == declared
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    for name in declared:
        assert re.search(rf"^{name}==", constraints, re.MULTILINE), name


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("lstmgen.cli.app", {"torch", "numpy", "pydantic", "rich", "matplotlib"}),
        ("lstmgen.generation.load", {"torch", "numpy"}),
        ("lstmgen.inspection.subject", {"torch", "matplotlib"}),
        ("lstmgen.reporting.console", {"torch", "numpy", "matplotlib", "pydantic"}),
    ],
)
def test_what_a_command_does_not_need_is_not_loaded(module, absent):
    code = f"import sys, {module}; sys.exit(bool({absent} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
