"""Products in halves: the same numbers, one after the other or at once."""

import gc
import threading

import numpy as np
import pytest

from lstmgen.generation import halved_product
from lstmgen.generation.halved_product import HalvedProduct, is_halved

ROWS, COLUMNS = 1003, 40  # neither is a multiple of a vector's length


@pytest.fixture(params=["F", "C"])
def matrix(request):
    drawn = np.random.default_rng(0).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    return np.asarray(drawn, order=request.param)


@pytest.fixture(params=[(COLUMNS,), (1, COLUMNS), (8, COLUMNS), (2, 3, COLUMNS)], ids=str)
def vectors(request):
    return np.random.default_rng(1).standard_normal(request.param).astype(np.float32)


def make(matrix, monkeypatch, *, gain):
    """A product that is computed at once, or never."""
    monkeypatch.setattr(halved_product, "GAIN", gain)
    return HalvedProduct(matrix)


def test_both_ways_are_the_product_and_equal_bit_by_bit(matrix, vectors, monkeypatch):
    alone, both = (make(matrix, monkeypatch, gain=gain) for gain in (0, 1e9))
    monkeypatch.setattr(halved_product, "GAIN", 0)
    expected = alone(vectors)
    monkeypatch.setattr(halved_product, "GAIN", 1e9)
    found = [both(vectors) for _ in range(3)]
    assert both.is_parallel and not alone.is_parallel
    assert all(np.array_equal(each, expected) for each in found)
    np.testing.assert_allclose(expected, vectors @ matrix.T, rtol=1e-4, atol=1e-5)


def test_where_it_is_not_faster_no_thread_is_left(matrix, monkeypatch):
    before = {thread.name for thread in threading.enumerate()}
    product = make(matrix, monkeypatch, gain=0)
    product(np.ones((1, COLUMNS), dtype=np.float32))
    for thread in threading.enumerate():
        if thread.name not in before:
            thread.join(timeout=10)
    assert not product.is_parallel
    assert {thread.name for thread in threading.enumerate()} <= before


def test_a_model_that_is_dropped_leaves_no_thread(matrix, monkeypatch):
    product = make(matrix, monkeypatch, gain=1e9)
    product(np.ones((1, COLUMNS), dtype=np.float32))
    worker = product._worker
    assert worker.is_alive()
    del product
    gc.collect()
    worker.join(timeout=10)
    assert not worker.is_alive()


def test_after_an_interrupt_the_products_are_right(matrix, monkeypatch):
    """A session goes on after Ctrl-C, which may come between the two halves."""
    product = make(matrix, monkeypatch, gain=1e9)
    ones = np.ones((1, COLUMNS), dtype=np.float32)
    expected = product(ones)
    worker = product._worker

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        product(2 * ones)
    monkeypatch.undo()
    for _ in range(3):
        assert np.array_equal(product(ones), expected)
    assert not product.is_parallel


def test_two_threads_may_multiply_at_the_same_time(matrix, monkeypatch):
    product = make(matrix, monkeypatch, gain=1e9)
    vectors = [np.full((1, COLUMNS), n, dtype=np.float32) for n in range(8)]
    expected = [product(each) for each in vectors]
    failures = []

    def multiply(number):
        for _ in range(200):
            if not np.array_equal(product(vectors[number]), expected[number]):
                failures.append(number)

    running = [threading.Thread(target=multiply, args=(number,)) for number in range(8)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not failures


def test_only_matrices_of_a_middle_size_are_halved():
    sizes = (100, 20_000, 100_000)
    assert [is_halved(np.ones((size, 100), np.float32)) for size in sizes] == [False, True, False]
