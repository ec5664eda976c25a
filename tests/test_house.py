"""What must not be in the tree, and what a command must not load; layers are in pyproject.toml."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lstmgen"


def modules():
    return sorted(PACKAGE.rglob("*.py"))


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


def test_no_two_files_share_a_name_and_none_is_a_drawer():
    names = [path.name for path in modules() if path.name not in ("__init__.py", "__main__.py")]
    assert sorted(names) == sorted(set(names))
    assert not {"utils.py", "common.py", "base.py", "helpers.py"} & set(names)


def test_t44_nothing_in_the_tree_runs_what_it_reads():
    """No eval, exec, pickle, unsafe YAML or torch.load in the package."""
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("eval", "exec", "yaml.load", "torch.load"), path
        assert not {m.split(".")[0] for m, _ in imports(path)} & {"pickle", "shelve", "marshal"}


def test_t44_imported_packages_are_the_declared_dependencies():
    """Neither more nor fewer, and each is pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [
        package
        for extra, packages in project["optional-dependencies"].items()
        if extra not in ("dev", "browser")
        for package in packages
    ]
    declared = {re.split(r"[<>=]", name)[0] for name in project["dependencies"] + extras}
    imported = {module.split(".")[0] for path in modules() for module, _ in imports(path)}
    outside = imported - set(sys.stdlib_module_names) - {"lstmgen"}
    names = {"yaml": "pyyaml", "harper": "harper-py"}
    packages = {names.get(name, name).replace("_", "-") for name in outside}
    assert packages == declared
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    for name in declared:
        assert re.search(rf"^{name}==", constraints, re.MULTILINE), name


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("lstmgen.cli.app", {"torch", "numpy", "pydantic", "rich", "matplotlib"}),
        ("lstmgen.cli.generate", {"torch", "rich", "matplotlib", "onnx", "onnxruntime"}),
        ("lstmgen.cli.train", {"torch", "numpy", "matplotlib"}),
        ("lstmgen.cli.write", {"torch", "rich", "matplotlib"}),
        ("lstmgen.cli.export", {"torch", "rich", "matplotlib", "onnx", "onnxruntime"}),
        ("lstmgen.cli.inspect", {"torch", "matplotlib"}),
        ("lstmgen.cli.explain", {"torch", "matplotlib"}),
        ("lstmgen.cli.runs", {"torch", "numpy", "matplotlib"}),
        ("lstmgen.cli.config", {"torch", "numpy", "matplotlib"}),
        ("lstmgen.reporting.training_console", {"torch", "numpy", "matplotlib", "pydantic"}),
    ],
)
def test_what_a_command_does_not_need_is_not_loaded(module, absent):
    code = f"import sys, {module}; sys.exit(bool({absent} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
