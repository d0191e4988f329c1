"""The commands of the tutorial that need a Raspberry Pi 4, on a stopwatch that stands in for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.calibration import load_calibration
from oracle.cli import main
from oracle.measure import Measurement, read_measurements
from search.cli import main as search_main
from tests.docs.pages import ROOT, blocks_of, commands_in

PAGE = ROOT / "docs" / "tutorials" / "deploy.md"
BOARD = "raspberry-pi-4"


def test_the_front_is_measured_calibrated_ranked_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """LiteRT takes half as long again as the roofs allow."""
    monkeypatch.chdir(tmp_path)
    timed: list[str] = []

    def stopwatch(networks: Sequence[str], *, name: str, repeats: int, **_: Any) -> list[Measurement]:
        timed.extend(networks)
        costs = [oracle.score(network, [name]) for network in networks]
        assert all((cost.workload.engine, cost.workload.dtype) == ("litert", "int8") for cost in costs)
        return [Measurement("?", name, cost.workload, 1.5 * cost.roofline_ms[name], repeats=repeats) for cost in costs]

    monkeypatch.setattr(oracle, "measure", stopwatch)
    search, *_ = blocks_of(PAGE)
    mark = r"<!-- test: skip, needs a Raspberry Pi 4[^\n]*\n```sh\n(.*?)```"
    (skipped,) = re.findall(mark, PAGE.read_text(encoding="utf-8"), re.DOTALL)
    on_board = commands_in(skipped)
    assert [words[1] for words in on_board] == ["measure", "calibrate", "rank", "measure"]

    for program, *words in [*commands_in(search.text), *on_board]:
        assert (main if program == "oracle" else search_main)(words) == 0, capsys.readouterr().err

    assert len(timed) == 2 * len({item.network for item in read_measurements("pi.csv")}) == 10
    assert load_calibration(Path("pi-litert.yaml")).device == BOARD
    said = " ".join(capsys.readouterr().out.rsplit("Measured", 1)[1].split())
    assert f"Times on {BOARD}: calibrated (5 measurements" in said
