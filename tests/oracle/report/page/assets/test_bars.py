"""Bars: of stages, kinds, runtimes, phases and memory, as long as what they stand for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.query import Cost
from oracle.report.splits import by_kind, by_phase, by_stage
from tests.oracle.report.page.elements import texts, widths

Browser = Callable[..., Any]


def panels(driver: Any, title: str) -> list[Any]:
    found: list[Any] = driver.find_elements("xpath", f"//figure[.//h3[text()='{title}']]//*[@class='panel']")
    return found


def names(panel: Any) -> list[str]:
    return texts(panel, ".name")


def lengths(panel: Any) -> list[float]:
    return [sum(widths(row, ".part")) for row in panel.find_elements("css selector", "li")]


@pytest.mark.parametrize(
    ("title", "split"),
    [("Where the time goes, by stage", by_stage), ("Where the time goes, by kind of operator", by_kind)],
)
def test_bars_are_as_long_as_the_time_that_they_stand_for(
    browser: Browser, network_page: Path, cost: Cost, title: str, split: Any
) -> None:
    for panel, device in zip(panels(browser(network_page), title), cost.times, strict=True):
        splits = split(cost, device)
        assert names(panel) == [one.name for one in splits]
        most = max(one.total_ms for one in splits)
        longest = max(lengths(panel))
        for length, one in zip(lengths(panel), splits, strict=True):
            assert length == pytest.approx(longest * one.total_ms / most, abs=3)  # a sliver is a pixel


def test_runtimes_stand_beside_each_other_and_what_is_missing_says_why(browser: Browser, network_page: Path) -> None:
    driver = browser(network_page)
    first, _ = panels(driver, "Eager, compiled, engine")
    assert names(first) == ["eager", "engine"]
    engine = oracle.score("R-56", ["rtx-4090"], batch_size=8, dtype="float16", runtime="engine")
    assert f"{len(engine.kernels('rtx-4090'))} kernels" in first.text
    assert "Compiled is missing: not on this device" in driver.find_element("id", "network").text


def test_a_training_step_is_split_by_phase(browser: Browser, network_page: Path, step: Cost) -> None:
    panel = panels(browser(network_page), "A training step, by phase")[1]
    splits = by_phase(step, "t4")
    assert names(panel) == ["forward", "backward", "optimiser", "(per call)"]
    assert sum(one.total_ms for one in splits) == pytest.approx(step.latency_ms["t4"])
    longest, most = max(lengths(panel)), max(one.total_ms for one in splits)
    for length, one in zip(lengths(panel), splits, strict=True):
        assert length == pytest.approx(longest * one.total_ms / most, abs=4)


def test_peak_memory_is_split_by_what_it_holds(browser: Browser, network_page: Path, step: Cost) -> None:
    driver = browser(network_page)
    (panel,) = panels(driver, "Peak memory, by phase")
    longest = max(lengths(panel))
    most = max(phase.peak_memory_bytes for phase in step.phases())
    for length, phase in zip(lengths(panel), step.phases(), strict=True):
        assert length == pytest.approx(longest * phase.peak_memory_bytes / most, abs=4)
    text = driver.find_element("id", "network").text
    assert "pixel-4 states no memory size." in text
    (inference, training) = oracle.fit("R-56", ["t4"], dtype="float16")
    for found in (inference, training):
        assert f"t4 {found.workload.mode} {found.batch_size:,}" in text


def test_bounds_differ_in_texture_besides_colour(browser: Browser, network_page: Path) -> None:
    driver = browser(network_page)
    script = (
        "return arguments[0].map((kind) => { const node = document.body.appendChild(document.createElement('span'));"
        "node.className = `part ${kind}`; return getComputedStyle(node).backgroundImage; })"
    )
    assert len(set(driver.execute_script(script, ["compute", "memory", "launch"]))) == 3
