"""What README and the site show is what happens: every command, program and session runs, page by page."""

from __future__ import annotations

import doctest
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from oracle.cells import registry as cells
from oracle.cli import main as oracle_main
from oracle.counting.flops import registry as formulas
from search.cli import main as search_main
from tests.docs.pages import ROOT, Block, blocks_of, commands_in, pages, sessions_in

_MAINS: dict[str, Callable[[Sequence[str]], int]] = {"oracle": oracle_main, "oracle-search": search_main}
_PAGES = [page for page in pages() if blocks_of(page)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


class Player:
    """Runs the blocks of a page in the working directory."""

    def __init__(self, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._page, self._capsys = name_of(page), capsys
        self._names: dict[str, Any] = {"__name__": "page"}

    def play(self, block: Block) -> None:
        if block.file:
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text.partition("\n")[2], encoding="utf-8")
        else:
            getattr(self, block.language)(block, f"{self._page}:{block.line}")

    def sh(self, block: Block, where: str) -> None:
        for words in commands_in(block.text):
            self._command(words, where)

    def console(self, block: Block, where: str) -> None:
        for words, output in sessions_in(block.text):
            assert self._command(words, where) == output, where

    def py(self, block: Block, _: str) -> None:
        exec(compile("\n" * block.line + block.text, self._page, "exec"), self._names)

    def pycon(self, block: Block, where: str) -> None:
        test = doctest.DocTestParser().get_doctest(block.text, self._names, where, self._page, block.line)
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
        assert runner.run(test, clear_globs=False).failed == 0, where
        self._names.update(test.globs)

    def _command(self, words: Sequence[str], where: str) -> str:
        self._capsys.readouterr()
        code = _MAINS[words[0]](words[1:])
        printed = self._capsys.readouterr()
        assert code == 0, f"{where}: {' '.join(words)}: {printed.err}"
        return printed.out


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`player(page)` in an empty directory; what pages register is put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(formulas, "_FORMULAS", dict(formulas._FORMULAS))
    monkeypatch.setattr(cells, "_CELLS", dict(cells._CELLS))
    return lambda page: Player(page, capsys)


@pytest.mark.parametrize("page", _PAGES, ids=name_of)
def test_a_page_runs(player: Callable[[Path], Player], page: Path) -> None:
    playing = player(page)
    for block in blocks_of(page):
        if not block.nightly:
            playing.play(block)


@pytest.mark.nightly
@pytest.mark.parametrize("page", [page for page in _PAGES if blocks_of(page)[-1].nightly], ids=name_of)
def test_a_page_runs_to_its_end(player: Callable[[Path], Player], page: Path) -> None:
    playing = player(page)
    for block in blocks_of(page):
        playing.play(block)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        made_when_built = (page.parent / target).resolve().is_relative_to(ROOT / "docs" / "reference")
        if not re.match(r"https?:|mailto:", target) and not made_when_built:
            assert (page.parent / target).exists(), f"{name_of(page)}: {target}"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_lines_are_short(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert [line for line in text.splitlines() if len(line) > 120 and line[:1] not in "|!<["] == []


def test_no_command_of_ours_is_in_a_block_that_nobody_runs() -> None:
    """A block of another language would never be found wrong."""
    for page in pages():
        for language, text in re.findall(
            r"^```(\w*)[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            if language not in ("sh", "console", "bash"):
                assert not re.search(r"^oracle(-search)? \w", text, re.MULTILINE), f"{name_of(page)}: {text[:60]}"
