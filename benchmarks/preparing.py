"""Preparing a text: tokens a second, and memory against its length.

    python benchmarks/preparing.py            print the table
    python benchmarks/preparing.py --write    and put it into benchmarks/RESULTS.md

The bundled stories over and over, each size in a process of its own: the whole of
reading, tokenising, counting, splitting and writing ids, then opening them again
by content hash. Python's str.split of the same text stands beside it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import peak_megabytes

STORIES = Path(__file__).parent.parent / "data" / "stories"
MEGABYTES = (1, 10, 100, 1000)


def child(path: Path, folder: Path) -> None:
    """Prepare one text, twice, and print what it took as JSON."""
    from lstmgen.text.prepared import TextSettings, prepare

    begun = time.perf_counter()
    corpus = prepare(TextSettings(train=str(path)), folder=folder)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    prepare(TextSettings(train=str(path)), folder=folder)
    again = time.perf_counter() - begun
    tokens = corpus.train.tokens + (corpus.valid.tokens if corpus.valid else 0)
    print(json.dumps([tokens, first, again, peak_megabytes()]))


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="into benchmarks/RESULTS.md")
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child)
        return
    from benchmarks.report import report  # torch, which the children are measured without

    stories = "".join(p.read_text("utf-8") for p in sorted(STORIES.glob("*.txt")))
    rows = []
    for size in MEGABYTES:
        with tempfile.TemporaryDirectory() as name:
            text = Path(name) / "text.txt"
            with text.open("w", encoding="utf-8") as file:
                for _ in range(max(1, round(size * 1e6 / len(stories.encode())))):
                    file.write(stories)
            command = [sys.executable, "-m", "benchmarks.preparing", "--child"]
            command += [str(text), str(Path(name) / "ids")]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            tokens, first, again, memory = json.loads(done.stdout)
        begun = time.perf_counter()
        for _ in range(5):
            stories.split()
        split = 5 * len(stories.split()) / (time.perf_counter() - begun)
        rows.append(
            (f"{size:,} MB", f"{tokens:,}", f"{tokens / first / 1e6:.2f} million/s",
             f"{split / 1e6:.1f} million/s", f"{again:.2f} s", f"{memory:.0f} MB")
        )  # fmt: skip
    heads = ("text", "tokens", "prepared", "str.split, words", "opened again", "peak memory")
    report("preparing", "python benchmarks/preparing.py --write", heads, rows, write=given.write)


if __name__ == "__main__":
    main()
