"""The entry of all benchmarks: ``python -m benchmarks NAME [options]``.

It is started from the root of the repository.

A module with a function ``run`` is a benchmark: its docstring is the help, ``add_options``, where
it has one, adds to the parser, and ``run`` measures and returns tables.
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
    "benchmarks.studies": "Studies, each made once to answer a question:",
    TOOLS: "Tools:",
}


def summaries(package: str) -> dict[str, str]:
    """The first line of each benchmark's docstring, by name; nothing is imported for it."""
    found = {}
    for path in sorted(ROOT.joinpath(*package.split(".")).glob("*.py")):
        code = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in code.body):
            found[path.stem] = (ast.get_docstring(code) or "").partition("\n")[0]
    return found


def listing() -> str:
    """All benchmarks in their groups."""
    lines = [f"usage: {PROGRAM} NAME [options]    (NAME --help describes one)"]
    for package, title in GROUPS.items():
        lines += ["", title]
        lines += [f"  {name:<16}{summary}" for name, summary in summaries(package).items()]
    return "\n".join(lines)


def quoted(arguments: Sequence[str]) -> str:
    """The command as RESULTS.md quotes it, absolute paths without their folders."""
    shown = [re.sub(r"(^|=)/([^,=]*/)?(?=[^/])", r"\1.../", each) for each in arguments]
    return f"{PROGRAM} {shlex.join(shown)}"


def main() -> None:
    """List the benchmarks, or run one and report what it has measured."""
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
    given = parser.parse_args(options)
    for table in module.run(given):
        report(table, quoted([name, *options]), write=given.write)


if __name__ == "__main__":
    main()
