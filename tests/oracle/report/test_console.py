from __future__ import annotations

import io
import sys

import pytest

from oracle.report.console import show, text_of, tracked, write


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_parts_are_set_apart_and_ends_of_lines_are_clean() -> None:
    assert text_of(["a  ", "b"]) == "a\n\nb\n"


def test_a_pipe_gets_what_a_file_gets(capsys: pytest.CaptureFixture[str]) -> None:
    show(["one", "two"])
    assert capsys.readouterr() == ("one\n\ntwo\n", "")


def test_a_narrow_terminal_is_taken_as_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    show(["x" * 79])
    assert "x" * 79 in terminal.getvalue()


def test_no_standard_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    write("lost")
    show(["lost"])
    assert sys.stdout is None


@pytest.mark.parametrize("count", [0, 1, 5])
def test_no_bar_in_a_pipe(capsys: pytest.CaptureFixture[str], count: int) -> None:
    assert list(tracked(range(count), "counting")) == list(range(count))
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal_which_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(tracked(range(3), "counting")) == [0, 1, 2]
    assert "counting" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K")  # its line is wiped
    terminal.truncate(0)
    assert list(tracked(["one"], "counting")) == ["one"]
    assert "counting" not in terminal.getvalue()
