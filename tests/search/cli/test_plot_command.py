"""`oracle-search plot`: figures of sweeps and studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.search.cli.test_study_commands import STUDY

pytest.importorskip("matplotlib")

Run = Callable[..., Any]


def test_figures_of_a_sweep(run: Run) -> None:
    assert run("sweep", "anynet-grid", "-d", "t4", "-d", "l4", "--n", "20", "--out", "out").code == 0
    for figure, said in (("front", "NVIDIA T4"), ("flips", "rank on l4"), ("knobs", "ANYNET.DEPTHS[2]")):
        done = run("plot", "out", "--figure", figure, "-o", "fig.svg")
        assert (done.code, done.err, done.out) == (0, "", "fig.svg\n")
        text = Path("fig.svg").read_text(encoding="utf-8")
        assert said in text
        assert ("Times on l4: " in text and "Per call of 1 image" in text) == (figure == "front")
    assert run("plot", "out", "--figure", "flips", "-d", "l4", "-d", "t4").code == 0
    assert run("sweep", "anynet-grid", "-d", "t4", "--n", "20", "--out", "bounds", "--model", "roofline").code == 0
    assert run("plot", "bounds", "--figure", "front", "-o", "fig.svg").code == 0
    assert "Times: textbook roofline, a lower bound" in Path("fig.svg").read_text(encoding="utf-8")
    refused = run("plot", "out", "--figure", "growth")
    assert (refused.code, "is about studies" in refused.err) == (2, True)
    refused = run("plot", "out", "-d", "l4")
    assert (refused.code, "about --figure flips" in refused.err) == (2, True)


def test_figures_of_a_study(run: Run) -> None:
    Path("tiny.yaml").write_text(yaml.safe_dump(STUDY))
    assert run("run", "tiny.yaml").code == 0
    for figure, said in (
        ("growth", "evaluated trials"),
        ("limits", "params at most 20,000"),
        ("parallel", "DEPTH"),
        ("front", "NVIDIA T4"),
        ("knobs", "on a front"),
    ):
        done = run("plot", "tiny", "--figure", figure, "-o", "fig.svg")
        assert (done.code, done.err, done.out) == (0, "", "fig.svg\n")
        assert said in Path("fig.svg").read_text(encoding="utf-8")
