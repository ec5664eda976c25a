"""Preparing a text: tokens per second, and memory by length.

The bundled stories repeated, each size in a separate process: reading, tokenizing, counting,
splitting and writing ids, then opening them again by content hash; compared with Python's
str.split of the same text.
"""

import json
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path

from benchmarks import ROOT
from benchmarks.measure import peak_megabytes
from benchmarks.report import Table
from benchmarks.texts import stories

MEGABYTES = (1, 10, 100, 1000)


def child(path: Path, folder: Path) -> None:
    """Prepare one text twice, and print times and memory as JSON."""
    from lstmgen.config.schema import DataConfig
    from lstmgen.text.prepared import prepare

    start = time.perf_counter()
    corpus = prepare(DataConfig(train=str(path)), folder=folder)
    first = time.perf_counter() - start
    start = time.perf_counter()
    prepare(DataConfig(train=str(path)), folder=folder)
    again = time.perf_counter() - start
    tokens = corpus.train.tokens + (corpus.valid.tokens if corpus.valid else 0)
    print(json.dumps([tokens, first, again, peak_megabytes()]))


def run(args: Namespace) -> list[Table]:
    """Measure all sizes."""
    whole = stories()
    rows = []
    for size in MEGABYTES:
        with tempfile.TemporaryDirectory() as name:
            text = Path(name) / "text.txt"
            with text.open("w", encoding="utf-8") as file:
                for _ in range(max(1, round(size * 1e6 / len(whole.encode())))):
                    file.write(whole)
            command = [sys.executable, "-m", "benchmarks.preparing"]
            command += [str(text), str(Path(name) / "ids")]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
            tokens, first, again, memory = json.loads(done.stdout)
        start = time.perf_counter()
        for _ in range(5):
            whole.split()
        split = 5 * len(whole.split()) / (time.perf_counter() - start)
        rows.append(
            (f"{size:,} MB", f"{tokens:,}", f"{tokens / first / 1e6:.2f} million/s",
             f"{split / 1e6:.1f} million/s", f"{again:.2f} s", f"{memory:.0f} MB")
        )  # fmt: skip
    heads = ("text", "tokens", "prepared", "str.split, words", "opened again", "peak memory")
    return [Table("preparing", heads, rows)]


if __name__ == "__main__":  # a separate process per text
    child(Path(sys.argv[1]), Path(sys.argv[2]))
