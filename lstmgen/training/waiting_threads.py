"""Threads that wait: spinning on idle cores, sleeping beside other programs.

A step has some hundred barriers, at which its threads wait for the slowest of them. On idle cores
it is fastest to spin there. But a spinning thread occupies a core that the thread it waits for may
need: two trainings of two threads each, on two cores, crawl. So a training that gets too little of
the cores' time lets its threads sleep at barriers until the cores are free again. Results do not
depend on it.
"""

import threading
import time
from types import TracebackType

import torch

from lstmgen.training.core_sharing import busy_seconds, other_programs_run

WINDOW = 0.5  # seconds of steps between two decisions
SHARE = 0.85  # of the cores' time that spinning threads get at least, if they are alone
OTHERS = 0.15  # of a core's time that other programs use at least, if there are any
FIRST_PAUSE, LAST_PAUSE = 8.0, 64.0  # seconds until the other way of waiting is tried again
SEEN_PAUSE = 64.0  # more until spinning is tried beside programs that are seen to run
PARALLEL = 1 << 18  # numbers that torch divides between threads


class WaitingThreads:
    """Decides, at the start and after each step on the CPU, how threads wait from then on.

    Args:
        threads: of a step.
        cores: that this process may use.
        ranks: of this training on this machine, which are no other programs.
    """

    def __init__(self, threads: int, cores: int, *, ranks: int = 1) -> None:
        self.threads, self.ranks = threads, ranks
        self._idle_needed = -(-(cores - threads + 1) // (threads - 1)) if threads > 1 else 0
        self._idle: list[_IdleThreads] = []
        self._pause, self._next_try = FIRST_PAUSE, 0.0
        self._spinning_rate = 0.0  # steps per second before they went to sleep
        self._was_low, self._is_trial, self._seen_others = False, False, False
        self._ended = time.monotonic()  # of the last step

    def __enter__(self) -> "WaitingThreads":
        if self._idle_needed and self.ranks == 1 and other_programs_run():
            self._sleep()
            self._next_try, self._seen_others = time.monotonic() + FIRST_PAUSE, True
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._spin()

    @property
    def asleep(self) -> bool:
        """Whether threads sleep at barriers."""
        return bool(self._idle)

    def after_step(self, seconds: float) -> None:
        """Count a step that took some seconds; decide after each window of steps."""
        if not self._idle_needed:
            return
        now, before = time.monotonic(), self._ended
        self._ended = now
        if now - before > 2 * seconds + 0.05:  # something else was done since the last step
            self._begin()
            return
        self._steps += 1
        wall = now - self._began
        if wall >= WINDOW:
            own = time.process_time() - self._cpu
            share, others = own / (wall * self.threads), self._others_run(own, wall)
            self._decide(now, wall=wall, share=share, rate=self._steps / wall, others=others)
            self._begin()

    def _begin(self) -> None:
        """Begin a window."""
        self._began, self._cpu = time.monotonic(), time.process_time()
        self._steps, self._busy = 0, busy_seconds()

    def _others_run(self, own: float, wall: float) -> bool | None:
        """Whether other programs ran in a window; None where the system does not tell.

        Args:
            own: seconds of the cores' time that this process had. wall: of the window.
        """
        before, now = self._busy, busy_seconds()
        if before is None or now is None or now - before < own - OTHERS * wall:
            return None  # unknown, or less than what this process had and so no true count
        return now - before - self.ranks * own > OTHERS * wall

    def _decide(
        self, now: float, *, wall: float, share: float, rate: float, others: bool | None
    ) -> None:
        due = self._next_try + (SEEN_PAUSE if others else 0.0)  # a step can take seconds there
        if not self.asleep:
            if share >= SHARE:
                self._pause, self._was_low = FIRST_PAUSE, False
            elif not self._was_low and wall < 2 * WINDOW:
                self._was_low = True  # the next window is wholly beside the other program
            elif now >= self._next_try:
                self._sleep()
                self._spinning_rate, self._is_trial, self._seen_others = rate, True, False
                self._next_try = now + self._pause
                self._pause = min(2 * self._pause, LAST_PAUSE)
        elif self._is_trial and rate < self._spinning_rate:
            self._spin()
        elif (self._seen_others and others is False) or now >= due:
            self._spin()
            self._next_try = now  # if the cores are not free, sleep again at once
        else:
            self._is_trial = False
            self._seen_others = self._seen_others or bool(others)

    def _sleep(self) -> None:
        self._idle = [_IdleThreads() for _ in range(self._idle_needed)]
        for thread in self._idle:
            thread.start()

    def _spin(self) -> None:
        for thread in self._idle:
            thread.end()
        self._idle = []


class _IdleThreads(threading.Thread):
    """Threads that do nothing, beside which all others sleep at barriers.

    libgomp, torch's thread library, lets threads spin only while it manages no more of them than
    there are cores (``gomp_managed_threads`` in its ``wait.h``). Each thread of Python that has
    computed in parallel has threads of its own there until it ends.
    """

    def __init__(self) -> None:
        super().__init__(name="lstmgen-idle", daemon=True)
        self._over = threading.Event()

    def run(self) -> None:
        """Compute in parallel once, then wait for the end."""
        torch.ones(PARALLEL).add_(1)
        self._over.wait()

    def end(self) -> None:
        """End the threads."""
        self._over.set()
        self.join()
