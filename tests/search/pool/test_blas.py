from __future__ import annotations

import threading

import pytest

from search.pool.blas import _openblas, one_thread


def test_products_have_one_thread_within_blocks_and_as_many_as_before_after_the_last() -> None:
    limit = _openblas()
    if limit is None:
        pytest.skip("this numpy has no OpenBLAS")
    before = limit.count()
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with one_thread():
            entered.set()
            leave.wait(300)

    other = threading.Thread(target=stay)
    with one_thread():
        other.start()
        assert entered.wait(300)
        assert limit.count() == 1
    assert limit.count() == 1
    leave.set()
    other.join()

    assert limit.count() == before
