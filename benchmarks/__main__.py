"""Entry point of all benchmarks: ``python -m benchmarks NAME [options]``, from the repository root.

A module with a function ``run`` is a benchmark: its docstring is the help, an optional
``add_options`` extends the parser, and ``run`` measures and returns tables.
"""

import argparse
import ast
import importlib
import re
import shlex
import sys
from collections.abc import Sequence

from benchmarks import ROOT
from benchmarks.report import report

PROGRAM = "python -m benchmarks"
TOOLS = "benchmarks.tools"
GROUPS = {
    "benchmarks": "Benchmarks:",
    "benchmarks.studies": "Studies, each run once to answer a question:",
    TOOLS: "Tools:",
}


def summaries(package: str) -> dict[str, str]:
    """The first line of each benchmark's docstring, by name, without importing it."""
    docstrings = {}
    for path in sorted(ROOT.joinpath(*package.split(".")).glob("*.py")):
        code = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in code.body):
            docstrings[path.stem] = (ast.get_docstring(code) or "").partition("\n")[0]
    return docstrings


def listing() -> str:
    """All benchmarks in their groups."""
    lines = [f"usage: {PROGRAM} NAME [options]    (NAME --help describes one)"]
    for package, title in GROUPS.items():
        lines += ["", title]
        lines += [f"  {name:<16}{summary}" for name, summary in summaries(package).items()]
    return "\n".join(lines)


def quoted(arguments: Sequence[str]) -> str:
    """The command as RESULTS.md quotes it, absolute paths without their folders."""
    shortened = [re.sub(r"(^|=)/([^,=]*/)?(?=[^/])", r"\1.../", each) for each in arguments]
    return f"{PROGRAM} {shlex.join(shortened)}"


def main() -> None:
    """List the benchmarks, or run one and report its tables."""
    name, *options = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(listing())
        return
    packages = {each: package for package in GROUPS for each in summaries(package)}
    if name not in packages:
        print(f"there is no benchmark {name}; choose one of {', '.join(packages)}", file=sys.stderr)
        raise SystemExit(2)
    module = importlib.import_module(f"{packages[name]}.{name}")
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} {name}", description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    if hasattr(module, "add_options"):
        module.add_options(parser)
    if packages[name] != TOOLS:  # they have no table
        parser.add_argument("--write", action="store_true", help="put tables into RESULTS.md")
    args = parser.parse_args(options)
    for table in module.run(args):
        report(table, quoted([name, *options]), write=args.write)


if __name__ == "__main__":
    main()
