"""Signal handlers that set flags, which the training checks between two steps.

The first SIGINT, SIGTERM or SIGHUP requests a stop, a second one exits at once. SIGUSR1
requests a checkpoint.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequests:
    """What signals have requested.

    Attributes:
        stop: number of the signal that requested a stop; 0: none.
        save: whether a checkpoint was requested.
    """

    stop: int = 0
    save: bool = False


@contextmanager
def listening() -> Iterator[StopRequests]:
    """Install the signal handlers while training."""
    requests = StopRequests()

    def stop(number: int, frame: FrameType | None) -> None:
        if requests.stop:
            os._exit(128 + number)  # files are consistent at any instant
        requests.stop = number

    def save(number: int, frame: FrameType | None) -> None:
        requests.save = True

    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, stop) for number in stops}
    previous[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, save)
    try:
        yield requests
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
