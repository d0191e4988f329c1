"""What a command says while it takes long, and when it is interrupted."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import oracle.cli
import search.cli
from oracle.cli import _guard

LOGGER = logging.getLogger("oracle.closedform.store")


def said(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, times: Sequence[float], warning: str = "") -> list[str]:
    """Lines on standard error of a command that traces a cell at each of some times, in seconds after its start."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr", stream)
    clock = [0.0]
    monkeypatch.setattr(_guard.time, "monotonic", lambda: clock[0])

    def work(_: argparse.Namespace) -> int:
        for clock[0] in times:
            LOGGER.info("tracing a cell of a new kind, once: %s", "mine")
        if warning:
            LOGGER.warning("%s", warning)
        return 0

    def parser(_: Sequence[str]) -> argparse.ArgumentParser:
        made = argparse.ArgumentParser()
        made.set_defaults(run=work)
        return made

    assert _guard.guarded("oracle", parser, []) == 0
    return stream.getvalue().splitlines()


def test_a_terminal_hears_of_traces_at_once_and_then_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    word = "oracle: tracing a cell of a new kind, once: mine"
    assert said(monkeypatch, terminal=True, times=[0, 1, 2, 6, 7, 12]) == [
        word,
        f"{word} (4 so far)",
        f"{word} (6 so far)",
    ]


def test_a_log_hears_of_them_only_where_they_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, terminal=False, times=[0, 1, 2, 9]) == []
    assert len(said(monkeypatch, terminal=False, times=range(25))) == 2


def test_warnings_are_said_everywhere_and_nothing_stays_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers, level = list(logging.getLogger("oracle").handlers), logging.getLogger("oracle").level
    assert said(monkeypatch, terminal=False, times=[], warning="no cache") == ["oracle: no cache"]
    assert (logging.getLogger("oracle").handlers, logging.getLogger("oracle").level) == (handlers, level)


@pytest.mark.parametrize("main", [oracle.cli.main, search.cli.main], ids=["oracle", "oracle-search"])
def test_a_program_is_interrupted_while_it_loads(main: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    class Impatient:
        """Finds what `main` imports first."""

        @staticmethod
        def find_spec(name: str, *_: Any) -> None:
            if name == _guard.__name__:
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, _guard.__name__)
    monkeypatch.setattr(sys, "meta_path", [Impatient, *sys.meta_path])
    assert main(["--version"]) == 130
