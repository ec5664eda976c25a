"""Signals set a flag; the training looks at it between two steps.

The first SIGINT, SIGTERM or SIGHUP asks for a stop, a second one of any of them
stops at once. SIGUSR1 asks for a checkpoint.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequests:
    """What the user has asked for by signals.

    Attributes:
        stop: number of the signal that asked to stop; 0 where none has.
        save: a checkpoint was asked for.
    """

    stop: int = 0
    save: bool = False


@contextmanager
def listening() -> Iterator[StopRequests]:
    """Turn signals into flags while training."""
    requests = StopRequests()

    def stop(number: int, frame: FrameType | None) -> None:
        if requests.stop:
            os._exit(128 + number)  # the second time: at once, files are whole at any instant
        requests.stop = number

    def save(number: int, frame: FrameType | None) -> None:
        requests.save = True

    stops = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in stops}
    before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, save)
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
