"""How the cores are shared with other programs: to be looked at before torch is loaded."""

import os
import time
from pathlib import Path

LOOKS, APART = 5, 0.004  # seconds
BRIEF = "1000"  # turns that a waiting thread spins; libgomp's own choice is 300,000


def share_cores() -> None:
    """Let threads that wait for each other go to sleep soon, where other programs run too.

    A step has some hundred places at which its threads wait for the slowest of them. On
    cores of their own it is fastest to spin there. But a thread that spins keeps another
    program from its core, and where that is one for which it waits itself, or another
    training that spins likewise, small steps take a hundred times longer.

    libgomp, which torch's threads are, reads this once, when it is loaded. What the
    environment says of it already stands. No result depends on it.
    """
    said = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()
    if not said and others_run():
        os.environ["GOMP_SPINCOUNT"] = BRIEF


def others_run() -> bool:
    """Whether other programs keep a core busy just now: at each of a few looks."""
    for look in range(LOOKS):
        if look:
            time.sleep(APART)
        if running() < 2:
            return False
    return True


def running() -> int:
    """Threads that have a core or wait for one, this one too; 0 where no system tells."""
    try:
        return int(Path("/proc/loadavg").read_text().split()[3].split("/")[0])
    except (OSError, ValueError, IndexError):
        return 0
