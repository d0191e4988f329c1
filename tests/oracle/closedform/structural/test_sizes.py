from __future__ import annotations

import pytest

from oracle.closedform.structural.sizes import Peak, Poly, largest, plain, polynomial, symbol, value_at
from oracle.errors import OracleError
from oracle.optable import equal, prod

N, C = symbol("n"), symbol("c")


def test_sizes_calculate_as_ints_do() -> None:
    values = {"n": 3, "c": 5}
    size = 2 * N * C + C * (N - 1) - 7 + N

    assert value_at(size, values) == 2 * 15 + 5 * 2 - 7 + 3
    assert value_at(4, values) == 4
    assert value_at(1 - N, values) == -2
    assert prod((N, C, 2)) == 2 * C * N


def test_equal_sizes_are_written_alike() -> None:
    assert C * (N - 1) + C == C * N
    assert hash(C * (N - 1) + C) == hash(C * N)
    assert N - N == 0
    assert isinstance(N * C - C * N + 4, int)
    assert N != C
    assert N != 1
    assert equal(C * N + C, C * (N + 1))
    assert not equal(C * N, C)


def test_whether_a_size_is_larger_may_depend() -> None:
    with pytest.raises(OracleError, match=r"which of .* is larger depends on the sizes"):
        min(N, C)


def test_the_largest_for_all_values() -> None:
    assert largest(N, N * 2) == 2 * N
    assert largest(3 * N, N + 1) != 3 * N  # n may be 0 as far as it knows
    peak = largest(largest(N, C), N + 1)

    assert isinstance(peak, Peak)
    assert set(peak.sizes) == {C, N + 1}
    assert largest(peak, N + C + 1) == N + C + 1


def test_sizes_travel_as_plain_data() -> None:
    for size in (7, N * C * 2 + N - 3, N * N):
        data = plain(size)
        again = size if isinstance(data, int) else polynomial({tuple(names): factor for factor, *names in data})
        assert again == size
        assert isinstance(again, (int, Poly))
