"""The product of a large matrix with a few vectors, in two halves that may take a core each.

OpenBLAS sums in another order with another number of threads, so a choice of threads by their speed
would change texts. Halves are computed alike, one after the other or at once, so their results are
equal bit by bit, and which way is faster can be measured: it differs from CPU to CPU.
"""

import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from lstmgen.cells.building_blocks import Array

SMALLEST, LARGEST = 4_000_000, 30_000_000  # bytes of the matrices that are halved
ALIGNED = 16  # rows, so that both halves have whole vectors
TRIALS = 5  # of each way
GAIN = 0.8  # at once is chosen below this fraction of the time


def is_halved(matrix: Array) -> bool:
    """Whether a matrix is multiplied in halves; with larger ones BLAS uses all cores itself."""
    return SMALLEST <= matrix.nbytes <= LARGEST


class HalvedProduct:
    """Products with a matrix (rows, columns)."""

    def __init__(self, matrix: Array) -> None:
        self.rows = len(matrix)
        self._cut = self.rows // 2 // ALIGNED * ALIGNED
        self._halves = matrix[: self._cut].T, matrix[self._cut :].T
        self._worker: _Worker | None = None
        self._is_free = threading.Lock()
        self._is_chosen = False

    def __call__(self, vectors: Array) -> Array:
        """The products, (..., rows), of vectors, (..., columns)."""
        if not self._is_chosen:
            self._choose(vectors)
        worker = self._worker
        if worker is not None and self._is_free.acquire(blocking=False):
            try:
                return self._at_once(worker, vectors)
            finally:
                self._is_free.release()
        return self._one_by_one(vectors)

    @property
    def is_parallel(self) -> bool:
        """Whether both halves are computed at once."""
        return self._worker is not None

    def _choose(self, vectors: Array) -> None:
        self._is_chosen = True
        worker = _Worker()
        alone = _least_seconds(lambda: self._one_by_one(vectors))
        both = _least_seconds(lambda: self._at_once(worker, vectors))
        if both < GAIN * alone:
            self._worker = worker
            weakref.finalize(self, worker.end)
        else:
            worker.end()

    def _one_by_one(self, vectors: Array) -> Array:
        result, (first, second) = self._result(vectors), self._halves
        np.matmul(vectors, first, out=result[..., : self._cut])
        np.matmul(vectors, second, out=result[..., self._cut :])
        return result

    def _at_once(self, worker: "_Worker", vectors: Array) -> Array:
        result, (first, second) = self._result(vectors), self._halves
        try:
            worker.begin(vectors, second, result[..., self._cut :])
            np.matmul(vectors, first, out=result[..., : self._cut])
            worker.wait()
        except BaseException:  # Ctrl-C: the worker may not be done, so it is not asked again
            self._worker = None
            raise
        return result

    def _result(self, vectors: Array) -> Array:
        dtype = np.result_type(vectors, self._halves[0])
        return np.empty((*vectors.shape[:-1], self.rows), dtype=dtype)


class _Worker(threading.Thread):
    """A thread that multiplies when it is told to."""

    def __init__(self) -> None:
        super().__init__(name="lstmgen-product", daemon=True)
        self._job: tuple[Array, Array, Array] | None = None
        self._begun, self._done = threading.Lock(), threading.Lock()  # free: it is so
        self._begun.acquire()
        self._done.acquire()
        self.start()

    def run(self) -> None:
        """Multiply until the end."""
        while True:
            self._begun.acquire()
            if self._job is None:
                return
            vectors, matrix, out = self._job
            np.matmul(vectors, matrix, out=out)
            self._job = None
            del vectors, matrix, out  # which a waiting thread would keep
            self._done.release()

    def begin(self, vectors: Array, matrix: Array, out: Array) -> None:
        """Begin a product."""
        self._job = vectors, matrix, out
        self._begun.release()

    def wait(self) -> None:
        """Wait for it."""
        self._done.acquire()

    def end(self) -> None:
        """End the thread."""
        self._job = None
        with suppress(RuntimeError):  # it has been told to begin, and was left behind
            self._begun.release()


def _least_seconds(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(TRIALS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)
