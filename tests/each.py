"""Small checks of many values as one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["each"]

Case = TypeVar("Case")


def each(cases: Mapping[str, Case]) -> Callable[[Callable[[Case], None]], Callable[[], None]]:
    """Turn a check of one value into a test of all, which names every value that fails.

    For checks that take less than the milliseconds that a test of its own costs.

    Args:
        cases: name -> value; at least one.
    """

    def turned(check: Callable[[Case], None]) -> Callable[[], None]:
        def test() -> None:
            failed: dict[str, Exception] = {}
            for name, case in cases.items():
                try:
                    check(case)
                except Exception as error:  # noqa: BLE001, PERF203 - whatever it is, the others are checked as well
                    failed[name] = error
            assert cases
            if failed:
                told = "\n".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed.items())
                raise AssertionError(f"{len(failed)} of {len(cases)}:\n{told}") from next(iter(failed.values()))

        test.__name__, test.__qualname__ = check.__name__, check.__qualname__
        test.__doc__, test.__module__ = check.__doc__, check.__module__
        return test

    return turned
