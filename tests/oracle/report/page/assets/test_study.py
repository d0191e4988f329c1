"""A study's figures: its front, its limits, its knobs and objectives together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.oracle.report.page.elements import attributes, facts, texts, widths

Browser = Callable[..., Any]
Settle = Callable[[Any], None]

SWIPE = """
const [index, from, to] = arguments;
const areas = document.querySelectorAll('#study figure:nth-of-type(2) .catch');
areas[index].scrollIntoView({ block: 'center' });
const box = areas[index].getBoundingClientRect();
const event = (kind, t) => areas[index].dispatchEvent(new PointerEvent(kind, {
  pointerId: 1, button: 0, bubbles: true, clientX: box.left + box.width / 2, clientY: box.bottom - 11 - t * (box.height - 22) }));
event('pointerdown', from);
event('pointermove', to);
event('pointerup', to);
"""


def test_outcomes_and_limits(browser: Browser, study_page: Path) -> None:
    driver = browser(study_page)
    tiles = [text.split("\n")[:2] for text in texts(driver, "#study .tile")]
    assert tiles == [["Rejected", "30"], ["Evaluated", "12"], ["On the front", "2"]]
    bars = driver.find_elements("css selector", "#study .bars li")
    assert texts(driver, "#study .bars li .name") == ["params at most 20,000", "latency_ms@t4 at most 2"]
    (track,) = widths(bars[0], ".track")
    for bar, (alone, broken) in zip(bars, [(5, 20), (10, 25)], strict=True):
        found = widths(bar, ".part")
        assert abs(found[0] - track * alone / 42) < 2
        assert abs(sum(found) - track * broken / 42) < 2


def test_the_front_of_every_snapshot_is_a_line(browser: Browser, study_page: Path) -> None:
    driver = browser(study_page)
    figure = driver.find_element("css selector", "#study figure")
    lines = figure.find_elements("css selector", ".layers path.front")
    assert ["early" in line.get_attribute("class") for line in lines] == [True, False]
    members = list(map(int, attributes(figure, ".best", "data-row")))
    assert sorted(members) == [0, 6]
    assert "after 6 evaluated trials (dashed) and after all 12 (solid)" in figure.text


def test_ranges_on_axes_select_together(browser: Browser, settled: Settle, study_page: Path) -> None:
    driver = browser(study_page)
    depth = facts(driver, "population.knobs['REGNET.DEPTH'].column")
    table = driver.find_element("css selector", "#population .table .status")
    assert table.text == "12 candidates"
    driver.execute_script(SWIPE, 0, 0, 0.5)
    settled(driver)
    low, high = min(depth), max(depth)
    half = [row for row, value in enumerate(depth) if (value - low) / (high - low) * 0.94 + 0.03 <= 0.5]
    assert table.text == f"{len(half)} candidates, of 12"
    driver.execute_script(SWIPE, 1, 0.5, 1)  # a stem, besides
    settled(driver)
    both = [row for row in half if row % 2 == 0]  # `simple` stands above `res`
    assert table.text == f"{len(both)} candidate{'s' * (len(both) != 1)}, of 12"
    driver.execute_script(SWIPE, 0, 0.2, 0.2)  # a click frees the axis
    settled(driver)
    assert table.text == "6 candidates, of 12"
    driver.find_element("xpath", "//button[text()='Clear selection']").click()
    settled(driver)
    assert table.text == "12 candidates"
    visible = driver.execute_script(
        "return [...document.querySelectorAll('#study .brush')].filter((node) => node.getAttribute('visibility') === 'visible').length"
    )
    assert visible == 0


def test_arrow_keys_go_along_the_front_of_parallel_coordinates(
    browser: Browser, walk: Callable[..., tuple[Any, str]], study_page: Path
) -> None:
    driver = browser(study_page)
    chart = driver.find_elements("css selector", "#study figure")[1]
    lines = chart.find_elements("css selector", "path[data-row]")
    assert [int(line.get_attribute("data-row")) for line in lines] == [0, 6]
    assert walk(driver, chart.find_element("css selector", ".plot"), "ARROW_DOWN")[1].startswith("row 6\n")


def test_axes_stand_side_by_side_or_one_below_the_other(browser: Browser, study_page: Path) -> None:
    across = "return [...document.querySelectorAll('#study figure:nth-of-type(2) line.base')].map((node) => node.getBoundingClientRect().height)"
    assert min(browser(study_page, 1280).execute_script(across)) > 100
    assert max(browser(study_page, 390).execute_script(across)) < 2
