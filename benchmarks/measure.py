"""Two sides that do the same by turns, and what their rates say."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TURNS = 7


def by_turns(sides: Sequence[Callable[[], float]], *, turns: int = TURNS) -> list[list[float]]:
    """Call every side once to warm it up and then by turns; what they return, side by side."""
    for side in sides:
        side()
    kept: list[list[float]] = [[] for _ in sides]
    for _ in range(turns):
        for values, side in zip(kept, sides, strict=True):
            values.append(side())
    return kept


def usual_environment() -> dict[str, str]:
    """The environment of a program that has been started before: Python keeps its bytecode,
    unless the environment forbids it, as those of containers often do."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def peak_megabytes() -> float:
    """The most memory that this process has held; Linux only.

    Not getrusage's figure: that one is inherited from the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def rate(work: Callable[[], int]) -> Callable[[], float]:
    """The same work, returning how much of it was done in a second."""

    def timed() -> float:
        begun = time.perf_counter()
        done = work()
        return done / (time.perf_counter() - begun)

    return timed


def seconds(
    command: Sequence[str], *, folder: Path | None = None, check: bool = True
) -> Callable[[], float]:
    """A way to run a command, in a folder, that returns how long it took.

    Args:
        check: raise where it fails.
    """

    def timed() -> float:
        begun = time.perf_counter()
        subprocess.run(
            command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=check,
            env=usual_environment(),
        )  # fmt: skip
        return time.perf_counter() - begun

    return timed


def spread(values: Sequence[float], *, digits: int = 2) -> str:
    """A median with the smallest and the largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Turn by turn."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def compared(ours: Sequence[float], theirs: Sequence[float], unit: str) -> tuple[str, str, str]:
    """Three cells of a table: our median rate, the other's, and the ratio of a turn."""
    return (
        f"{statistics.median(ours):,.0f} {unit}",
        f"{statistics.median(theirs):,.0f} {unit}",
        spread(ratios(ours, theirs)),
    )
