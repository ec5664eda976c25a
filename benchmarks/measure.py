"""Measure two programs by turns, and compare their rates."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

TURNS = 7


def by_turns(sides: Sequence[Callable[[], float]], *, turns: int = TURNS) -> list[list[float]]:
    """Call every side once as a warm-up and then by turns; return the results of each."""
    for side in sides:
        side()
    results: list[list[float]] = [[] for _ in sides]
    for _ in range(turns):
        for values, side in zip(results, sides, strict=True):
            values.append(side())
    return results


def usual_environment() -> dict[str, str]:
    """The environment without PYTHONDONTWRITEBYTECODE, which containers often set: programs
    that have run before have their bytecode."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def peak_megabytes() -> float:
    """Peak memory of this process; Linux only.

    Not getrusage's figure, which is inherited from the parent process.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def rate(work: Callable[[], int]) -> Callable[[], float]:
    """The same work, but returning the amount done per second."""

    def timed() -> float:
        start = time.perf_counter()
        done = work()
        return done / (time.perf_counter() - start)

    return timed


def seconds(
    command: Sequence[str], *, folder: Path | None = None, check: bool = True
) -> Callable[[], float]:
    """A function that runs a command in a folder and returns the seconds it took.

    Args:
        check: raise if the command fails.
    """

    def timed() -> float:
        start = time.perf_counter()
        subprocess.run(
            command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=check,
            env=usual_environment(),
        )  # fmt: skip
        return time.perf_counter() - start

    return timed


def spread(values: Sequence[float], *, digits: int = 2) -> str:
    """The median with minimum and maximum."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ratios of each turn."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def compared(ours: Sequence[float], theirs: Sequence[float], unit: str) -> tuple[str, str, str]:
    """Three table cells: our median rate, theirs, and the ratio per turn."""
    return (
        f"{statistics.median(ours):,.0f} {unit}",
        f"{statistics.median(theirs):,.0f} {unit}",
        spread(ratios(ours, theirs)),
    )
