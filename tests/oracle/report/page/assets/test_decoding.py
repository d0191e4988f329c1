"""A decoder's page: both phases beside one another, and a point for every number of sequences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.query import Cost
from oracle.report.facts import decoding_facts
from oracle.report.page import Detail, PageFacts, cost_page
from tests.oracle.report.page.elements import texts

Browser = Callable[..., Any]

DEVICES = ("h100-sxm", "l40s")


def _cost(phase: str, batch_size: int) -> Cost:
    return oracle.score("Llama-3.2-1B", DEVICES, phase=phase, prompt=64, batch_size=batch_size, runtime="compiled")


@pytest.fixture(scope="module")
def page(make_page: Callable[[PageFacts], Path]) -> Path:
    devices = {name: oracle.load_device(name) for name in DEVICES}
    batches = [_cost("decode", size) for size in (1, 8, 64)]
    decoding = decoding_facts(_cost("prefill", 8), batches[1], batches, devices, ["Something is missing."])
    return make_page(cost_page([Detail(batches[1], decoding=decoding)], devices))


def test_a_prompt_and_a_step_stand_side_by_side_on_each_device(browser: Browser, page: Path) -> None:
    figure = browser(page).find_element("xpath", "//figure[.//h3[text()='Roofline of a prompt, and of a decode step']]")
    rows = figure.find_elements("css selector", ".panels")
    assert len(rows) == len(DEVICES)
    for row, name in zip(rows, DEVICES, strict=True):
        left, right = row.find_elements("css selector", ".panel")
        title = oracle.load_device(name).title
        texts = [panel.find_element("tag name", "h4").text for panel in (left, right)]
        assert texts == [f"{title}. Prefill: 64 tokens", f"{title}. Decode: one token"]
        assert left.rect["y"] == right.rect["y"]
        assert left.find_elements("css selector", ".kernel")


def test_every_number_of_sequences_is_a_point_and_a_line(browser: Browser, page: Path, walk: Any) -> None:
    driver = browser(page)
    figure = driver.find_element("xpath", "//figure[.//h3[text()='Decoding more sequences at once']]")
    assert len(figure.find_elements("css selector", "path.point")) == 2 * 3
    _, tip = walk(driver, figure.find_element("css selector", "svg.chart"), "ARROW_RIGHT")
    assert "8 at once" in tip
    assert "tokens/s" in tip
    cells = [text.split() for text in texts(figure, "tbody tr")]
    assert [row[0] for row in cells] == ["1", "8", "64"]
    assert "Something is missing." in driver.find_element("id", "network").text
    assert "KV CACHE PER TOKEN" in driver.find_element("css selector", ".tiles").text.upper()
