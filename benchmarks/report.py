"""Print a table of figures, and write it to RESULTS.md."""

import datetime
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Table:
    """Results of a benchmark.

    Attributes:
        section: name of its section marks in RESULTS.md.
    """

    section: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def report(table: Table, command: str, *, write: bool) -> None:
    """Print a table with a line about the machine.

    Args:
        command: the command that was run.
        write: also write it to RESULTS.md.
    """
    import torch  # not above: preparing.py measures children without torch

    lines = ["| " + " | ".join(table.heads) + " |", "|" + "---|" * len(table.heads)]
    lines += ["| " + " | ".join(row) + " |" for row in table.rows]
    head = (
        f"{datetime.date.today()}, {processor()}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}."
    )
    print(head, "", *lines, sep="\n")
    if not write:
        return
    text = RESULTS.read_text(encoding="utf-8")
    begin, end = f"<!-- {table.section} -->", f"<!-- /{table.section} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    body = "\n".join([begin, f"`{command}`: {head}", "", *lines, end])
    RESULTS.write_text(before + body + after, encoding="utf-8")


def processor() -> str:
    """The CPU's name and the number of cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        name = platform.processor()
    return f"{os.cpu_count()} cores of {name}"
