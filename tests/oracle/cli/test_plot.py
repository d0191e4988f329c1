"""`oracle roofline` and `oracle plot`: a figure for a paper, or one line that says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["roofline", "R-56", "-d", "t4"], ["NVIDIA T4", "ridge", "Per call of 1 image"]),
        (["plot", "R-56", "-d", "t4"], ["stem", "head", "launch-bound"]),
        (["plot", "R-56", "-d", "rtx-4090"], ["stem", "head", "(per call)"]),
        (["plot", "R-56", "-d", "t4", "--model", "roofline"], ["stem", "head", "memory-bound"]),
        (["plot", "R-56", "-d", "t4", "--figure", "kinds"], ["convolution", "pointwise"]),
        (["plot", "R-56", "-d", "t4", "--figure", "runtimes"], ["eager", "compiled", "engine"]),
        (["plot", "R-56", "-d", "t4", "--figure", "runtimes", "--mode", "training"], ["eager", "compiled"]),
        (["plot", "R-56", "-d", "t4", "--mode", "training", "--figure", "phases"], ["forward", "backward"]),
        (["plot", "R-56", "-d", "t4", "--mode", "training", "--figure", "memory"], ["optimiser state", "backward"]),
        (["plot", "R-56", "R-110", "-d", "t4", "-d", "l4", "--figure", "front"], ["NVIDIA T4", "MACs"]),
        (["plot", "R-56", "R-110", "-d", "t4", "-d", "l4", "--figure", "flips"], ["rank on t4", "R-110"]),
    ],
)
def test_a_figure_says_what_it_shows(run: Run, words: list[str], said: list[str]) -> None:
    done = run(*words, "-o", "fig.svg", "--width", "3.5")
    assert (done.code, done.err, done.out) == (0, "", "fig.svg\n")
    text = Path("fig.svg").read_text(encoding="utf-8")
    assert all(word in text for word in said)
    assert 'width="252pt"' in text or "flips" in words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["roofline", "R-56"], "needs a device"),
        (["roofline", "R-56", "R-110", "-d", "t4"], "takes one network, here are 2"),
        (["roofline", "R-56", "-d", "t4", "-o", "fig.txt"], "ends in svg, png, pdf"),
        (["plot", "no-network", "-d", "t4", "-o", "fig.txt"], "ends in svg, png, pdf"),  # before anything is scored
        (["roofline", "R-56", "-d", "t4", "--width", "0"], "is no width in inches"),
        (["plot", "R-56", "-d", "t4", "--figure", "front"], "compares networks, here is one"),
        (["plot", "R-56", "R-110", "-d", "t4"], "takes one network, here are 2"),
        (["plot", "R-56", "-d", "t4", "--figure", "runtimes", "--runtime", "engine", "--dtype", "int8"], "int8"),
        (["plot", "R-56", "R-110", "-d", "t4", "--figure", "flips"], "expected latencies on 2 devices at least"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(run: Run, words: list[str], said: str) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert list(Path().iterdir()) == []
