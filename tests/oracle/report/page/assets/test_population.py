"""Ranks, knobs, and names: what a population's other figures say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.oracle.report.page.elements import attributes, facts, styles, texts

Browser = Callable[..., Any]
Settle = Callable[[Any], None]


def test_lines_rise_and_fall_with_the_ranks(browser: Browser, population_page: Path) -> None:
    driver = browser(population_page)
    ranks = facts(driver, "population.ranks")
    lines = driver.find_elements("css selector", "#population .flip")
    assert len(lines) == 40  # of all on a front, those that gain and lose most
    for line in lines[::7]:
        row = int(line.get_attribute("data-row"))
        before, after = ranks["rtx-4090"][row], ranks["t4"][row]
        kind = "rise" if after < before else "fall"
        path = line.find_element("css selector", ".slope")
        assert kind in path.get_attribute("class")
        _, y0, _, y1 = map(float, re.findall(r"[\d.]+", path.get_attribute("d")))
        assert (y1 < y0) == (after < before)
    dashes = set(styles(driver, ".slope", "stroke-dasharray"))
    assert len(dashes) == 2  # a fall is dashed besides its colour


def test_agreement_is_said_in_words(browser: Browser, population_page: Path) -> None:
    text = browser(population_page).find_element("id", "population").text
    assert "Kendall\u2019s tau 0.250" in text
    assert "12 of 49,995,000 pairs of candidates are ordered oppositely" in text
    assert "on rtx-4090, row 3 is 1.50 times as fast as row 4; on t4 it is the other way round, 1.25 times" in text


def test_bars_of_knobs_are_shares_of_all_and_of_the_best(
    browser: Browser, settled: Settle, population_page: Path
) -> None:
    driver = browser(population_page)
    depth, size = facts(driver, "population.knobs['REGNET.DEPTH'].column"), 10_000
    labels = attributes(driver, ".smalls .bin", "aria-label")
    assert len(labels) == 17 + 2  # depths 12 to 28, two stems
    share = float(re.search(r"^12: (.*?) %", labels[0])[1])  # type: ignore[index]
    assert abs(share - 100 * depth.count(12) / size) < 0.1
    assert labels[-1].endswith("of the best")
    driver.find_element("css selector", "#population input[type=search]").send_keys("regnet.depth=12")
    settled(driver)
    chosen = attributes(driver, ".smalls .bin", "aria-label")
    assert "100 % of the selected" in chosen[0]
    assert "0 % of the selected" in chosen[1]


def test_few_candidates_have_their_names_beside_them(browser: Browser, study_page: Path) -> None:
    driver = browser(study_page)
    names = texts(driver, "#population .layers .names text")
    assert len(names) > 12  # on two devices, where there is room
    assert set(names) <= {f"row {row}" for row in range(12)}
    boxes = driver.execute_script(
        "return [...document.querySelector('#population .layers .names').children].map((node) => {"
        "const { left, right, top, bottom } = node.getBoundingClientRect(); return [left, right, top, bottom]; })"
    )
    for index, (left, right, top, bottom) in enumerate(boxes):
        for other in boxes[index + 1 :]:
            apart = right <= other[0] + 2 or other[1] <= left + 2 or bottom <= other[2] + 5 or other[3] <= top + 5
            assert apart
