"""Sharing the cores with other programs. Nothing here loads torch."""

import os
import time
from pathlib import Path

PROBES, INTERVAL = 5, 0.004  # seconds
SPIN_COUNT = "1000"  # of a waiting thread; libgomp's default is 300,000


def share_cores() -> None:
    """Let waiting threads sleep sooner if other programs are running.

    To be called before torch is loaded, by commands that compute for a moment; a training decides
    again and again (``waiting_threads``, which also says why).

    libgomp, torch's thread library, reads this once, when it is loaded; an existing environment
    setting is kept. Results do not depend on it.
    """
    configured = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if not configured and other_programs_run():
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT


def other_programs_run() -> bool:
    """Whether other programs are using a core, at each of a few probes."""
    for probe in range(PROBES):
        if probe:
            time.sleep(INTERVAL)
        if runnable_threads() < 2:
            return False
    return True


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def busy_seconds() -> float | None:
    """How long the cores of this process have been busy since the system started, with any
    program; None if unknown."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores, ticks = {f"cpu{core}" for core in os.sched_getaffinity(0)}, 0
    try:
        for line in Path("/proc/stat").read_text().splitlines():
            name, *counts = line.split()
            if name in cores:
                user, nice, system, _idle, _waiting, irq, softirq = map(int, counts[:7])
                ticks += user + nice + system + irq + softirq
        return ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None


def runnable_threads() -> int:
    """Threads running or waiting for a core, including this one; 0 if unknown."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].split("/")[0])
    except (OSError, ValueError, IndexError):
        return 0
