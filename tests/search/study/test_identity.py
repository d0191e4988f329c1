"""A quality function that was edited between two runs of a study."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import ConfigError
from search.cli import main
from search.study import StudyPlan, join_study, run_study
from search.study.identity import identity_of

Make = Callable[..., StudyPlan]
SOURCE = "def quality(spec, builder, evaluation):\n    return {}\n"
WORDS = {"OBJECTIVES": ["maximise quality"], "QUALITY": {"TYPE": "call", "FUNCTION": "edited:quality"}}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the module of the quality function, as a new process would find it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(value: str) -> None:
        sys.modules.pop("edited", None)
        Path("edited.py").write_text(SOURCE.format(value))

    return write


def test_it_is_refused_unless_accepted_and_by_those_who_join_too(
    module: Callable[[str], None], make_plan: Make
) -> None:
    module("1.0")
    run_study(make_plan(**WORDS, TRIALS=2), "s.journal")
    run_study(make_plan(**WORDS, TRIALS=3), "s.journal")  # the same
    module("100.0")
    for again in (
        lambda: run_study(make_plan(**WORDS, TRIALS=4), "s.journal"),
        lambda: join_study("small", "s.journal"),
    ):
        with pytest.raises(ConfigError, match="QUALITY: edited:quality: the content is not what it was") as error:
            again()
        assert "--accept-changed-quality" in str(error.value)
    results = run_study(make_plan(**WORDS, TRIALS=4), "s.journal", accept_changed_quality=True)
    assert [record.quality for record in results.trials] == [1.0, 1.0, 1.0, 100.0]
    run_study(make_plan(**WORDS, TRIALS=5), "s.journal")  # what was accepted is what it is


def test_one_that_never_gave_a_value_may_be_mended(module: Callable[[str], None], make_plan: Make) -> None:
    module("1 / 0")
    with pytest.raises(Exception, match="failed in a row"):
        run_study(make_plan(**WORDS, TRIALS=2), "s.journal")
    module("1.0")
    assert len(run_study(make_plan(**WORDS, TRIALS=2), "s.journal").evaluated) == 2


def test_the_command_says_it_in_a_line(
    module: Callable[[str], None], make_plan: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    module("1.0")
    run_study(make_plan(**WORDS, TRIALS=2), "small.journal")
    module("2.0")
    assert main(["resume", "small", "--trials", "3"]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("oracle-search: error: QUALITY: edited:quality: the content is not what it was")
    assert complaint.count("\n") == 1
    assert main(["resume", "small", "--trials", "3", "--accept-changed-quality"]) == 0


def test_tables_callables_and_code_without_a_file(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("network,accuracy\na,1\n")
    first = identity_of({"TYPE": "table", "FILE": str(table)})
    assert identity_of({"TYPE": "table", "FILE": str(table)}) == first
    table.write_text("network,accuracy\na,2\n")
    assert identity_of({"TYPE": "table", "FILE": str(table)}) != first
    assert identity_of({"TYPE": "train", "DATA": "digits"}) == {}

    class Model:
        def __call__(self, spec: Any, builder: Any, evaluation: Any) -> float:
            return 1.0

    (name,) = identity_of({}, Model())
    assert name.endswith("Model")
    one, other = (eval(f"lambda spec, builder, evaluation: {n}") for n in (1, 2))  # noqa: S307 - code without a file
    assert identity_of({}, one) != identity_of({}, other)
    assert identity_of({}, one) == identity_of({}, one)
