"""Peak memory of each rank, with a text of 1 MB and with one of 1 GB.

    python -m benchmarks long_text --text train.txt [--megabytes 1 1000] [--ranks 2]

The long text consists of the lines of a real one, repeated and shuffled. It is prepared and
trained on for some steps; a watcher reads each process's memory from the kernel.
"""

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.report import Table
from benchmarks.trainings import TORCHRUN, read_run

STEPS, APART = 200, 0.2
SETTINGS = (
    "data.tokenizer=whitespace", "data.vocabulary_size=16384", "data.valid_fraction=0",
    "data.copy_index=false", "model.hidden_sizes=[256]", "model.embedding_dim=126",
    "train.epochs=null", f"train.max_steps={STEPS}",
)  # fmt: skip


def lengthen(source: Path, megabytes: int, path: Path) -> None:
    """Write ``megabytes`` of a text's lines, shuffled again for each repetition."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    if len(lines) < 100:  # one line: any hundred words are one
        words = source.read_text(encoding="utf-8").split()
        lines = [" ".join(words[n : n + 100]) + "\n" for n in range(0, len(words), 100)]
    draw, left = random.Random(0), megabytes * 10**6
    with path.open("w", encoding="utf-8") as file:
        while left > 0:
            draw.shuffle(lines)
            for line in lines:
                if left <= 0:
                    break
                left -= file.write(line)


class Watcher(threading.Thread):
    """Records the peak memory of the ranks: total, and without file-backed pages."""

    def __init__(self, agent: int) -> None:
        super().__init__(daemon=True)
        self.agent, self.peaks = agent, dict[str, dict[str, float]]()

    def run(self) -> None:
        """Watch until the parent process of the ranks ends."""
        while Path(f"/proc/{self.agent}/status").exists():
            for path in Path("/proc").glob("[0-9]*"):
                self._look(path)
            time.sleep(APART)

    def _look(self, path: Path) -> None:
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
            status = dict(line.split(":", 1) for line in (path / "status").read_text().splitlines())
        except OSError:
            return
        rank = next((v[5:].decode() for v in environment if v.startswith(b"RANK=")), None)
        if rank is None or int(status["PPid"]) != self.agent or "VmHWM" not in status:
            return
        peaks = self.peaks.setdefault(rank, {"all": 0.0, "own": 0.0})
        peaks["all"] = max(peaks["all"], int(status["VmHWM"].split()[0]) / 1024)
        peaks["own"] = max(peaks["own"], int(status["RssAnon"].split()[0]) / 1024)


def row(source: Path, megabytes: int, ranks: int) -> tuple[str, ...]:
    """Prepare and train."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.txt"
        lengthen(source, megabytes, text)
        config = Path(folder) / "long.yaml"
        config.write_text("")
        start = time.perf_counter()
        process = subprocess.Popen(
            [*TORCHRUN, str(ranks), "-m", "lstmgen", "train", str(config), f"data.train={text}",
             *SETTINGS, "-q", "--runs-dir", str(Path(folder) / "runs")],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        watcher = Watcher(process.pid)
        watcher.start()
        run = Path((process.stdout or sys.stdin).readline().strip())
        prepared = time.perf_counter() - start
        if process.wait():
            raise SystemExit("a rank has failed")
        watcher.join()
        rows = read_run(run).rows
    peaks = [watcher.peaks[str(rank)] for rank in range(ranks)]
    return (
        f"{megabytes:,} MB",
        f"{prepared:,.0f} s",
        rows[-1]["step"],
        " / ".join(f"{peak['all']:,.0f}" for peak in peaks) + " MB",
        " / ".join(f"{peak['own']:,.0f}" for peak in peaks) + " MB",
    )


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--text", type=Path, required=True, help="a file to train on")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 1_000], help="lengths")
    parser.add_argument("--ranks", type=int, default=2, help="processes")


def run(args: Namespace) -> list[Table]:
    """Measure each length."""
    rows = [row(args.text.resolve(), size, args.ranks) for size in args.megabytes]
    heads = ("text", "until the run begins", "steps", "peak of each rank", "of it, not of files")
    return [Table("long text", heads, rows)]
