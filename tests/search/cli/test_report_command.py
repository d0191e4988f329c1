"""`oracle-search report`: pages of sweeps, of files and of studies, by what the argument is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.search.cli.test_study_commands import STUDY

Run = Callable[..., Any]


def test_a_sweep_and_its_file(run: Run) -> None:
    assert run("sweep", "anynet-grid", "-d", "t4", "--n", "20", "--out", "out").code == 0
    for source in ("out", "out/candidates.csv"):
        done = run("report", source, "-o", "page.html")
        assert (done.code, done.err) == (0, "")
        assert done.out == "page.html: 20 candidates of anynet-grid on NVIDIA T4\n"
    assert "oracle-search report out/candidates.csv -o page.html" in Path("page.html").read_text(encoding="utf-8")


def test_a_study_by_its_file_its_name_and_its_journal(run: Run) -> None:
    Path("tiny.yaml").write_text(yaml.safe_dump(STUDY))
    assert run("run", "tiny.yaml").code == 0
    for source in ("tiny.yaml", "tiny", "tiny.journal"):
        done = run("report", source)
        assert (done.code, done.err, done.out) == (0, "", "report.html: Study tiny\n")


def test_a_password_is_not_on_the_page(run: Run) -> None:
    from argparse import Namespace

    from search.cli._sources import command_of

    argv = ["report", "tiny", "--storage", "postgresql://me:secret@host/db"]
    assert command_of(Namespace(argv=argv)) == "oracle-search report tiny --storage postgresql://me@host/db"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "no directory of a sweep, no file of candidates, and no study in nobody.journal"),
        (["nobody.csv"], "nobody.csv: cannot be read"),
        (["."], "holds no sweep"),
        ([".", "--storage", "x"], "--storage is about studies"),
        (["nobody", "--objective", "max macs"], "a study states its own"),
    ],
)
def test_a_mistake_is_named(run: Run, words: list[str], said: str) -> None:
    done = run("report", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert list(Path().iterdir()) == []
