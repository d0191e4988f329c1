"""Rooflines as drawn: every kernel, below its roofs, by colour and by shape."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import oracle
from oracle._resources import shipped
from oracle.query import Cost
from oracle.report.facts import runtime_facts
from oracle.report.marks import MARKS, mark_of
from oracle.report.page import Detail, PageFacts, cost_page
from tests.oracle.report.page.elements import texts

Browser = Callable[..., Any]

GEOMETRY = """
const chart = document.querySelectorAll('#network .chart')[arguments[0]];
const numbers = (node, ...names) => names.map((name) => Number(node.getAttribute(name)));
return {
  points: [...chart.querySelectorAll('.kernel')].map((node) => [
    Number(node.dataset.kernel), node.dataset.mark, node.getAttribute('d'), getComputedStyle(node).color,
    ...node.getAttribute('transform').match(/[-\\d.]+/g).map(Number)]),
  roofs: [...chart.querySelectorAll('line.roof')].map((node) => [node.getAttribute('class'), ...numbers(node, 'x1', 'y1', 'x2', 'y2')]),
};
"""


def height(roofs: list[list[Any]], x: float) -> float:
    """The y at which roofs stand over an x: of those above it the lowest; y grows downwards."""
    found = []
    for _, x1, y1, x2, y2 in roofs:
        if min(x1, x2) - 0.5 <= x <= max(x1, x2) + 0.5:
            found.append(y1 + (y2 - y1) * (x - x1) / (x2 - x1))
    return min(found)


@pytest.mark.parametrize("device", [0, 1])
def test_every_kernel_that_computes_is_a_mark_of_its_kind_below_the_roofs(
    browser: Browser, network_page: Path, cost: Cost, device: int
) -> None:
    drawn = browser(network_page).execute_script(GEOMETRY, device)
    kernels = cost.kernels(list(cost.times)[device])
    assert sorted(point[0] for point in drawn["points"]) == [i for i, kernel in enumerate(kernels) if kernel.flops]
    shares = [kernels[point[0]].share for point in drawn["points"]]
    assert shares == sorted(shares, reverse=True)  # so that arrow keys begin with what matters
    for index, name, _, _, x, y in drawn["points"]:
        assert name == mark_of(kernels[index].op_class).name
        assert y >= height(drawn["roofs"], x) - 0.5
    places = {kernels[point[0]].intensity: point[4] for point in drawn["points"]}
    assert [places[key] for key in sorted(places)] == sorted(places.values())


def test_kinds_differ_in_colour_and_in_shape(browser: Browser, network_page: Path) -> None:
    driver = browser(network_page)
    keys = driver.find_elements("css selector", "#network .legend button path")
    shapes = {key.get_attribute("d") + key.get_attribute("class") for key in keys}
    colors = {key.value_of_css_property("color") for key in keys}
    assert len(shapes) == len(colors) == len(keys) > 3
    assert len({mark.shape for mark in MARKS}) == len(MARKS)


def test_a_mark_under_the_pointer_tells_what_it_is(
    browser: Browser, hover: Callable[[Any, Any], str], network_page: Path, cost: Cost
) -> None:
    driver = browser(network_page)
    said = hover(driver, driver.find_element("css selector", "#network .chart .kernel"))
    kernels = cost.kernels("rtx-4090")
    assert any(said.startswith(f"{kernel.module}\noperator\n{kernel.name}\nshape\n") for kernel in kernels)
    assert all(word in said for word in ("work", "traffic", "intensity", "time", "achieved", "bound by"))
    assert hover(driver, driver.find_element("css selector", "h1")) == ""


def test_arrow_keys_go_through_the_marks_of_one_tab_stop(
    browser: Browser, walk: Callable[..., tuple[Any, str]], network_page: Path
) -> None:
    driver = browser(network_page)
    chart = driver.find_element("css selector", "#network .chart")
    first = walk(driver, chart)
    seen = [first, *(walk(driver, chart, "ARROW_RIGHT") for _ in range(3))]
    assert all(text for _, text in seen)
    assert len({node.id for node, _ in seen}) == 4
    assert walk(driver, chart, "HOME") == first
    assert walk(driver, chart, "ESCAPE")[1] == ""


def test_the_legend_hides_and_shows_kinds(browser: Browser, network_page: Path) -> None:
    driver = browser(network_page)
    shown = "return [...document.querySelectorAll('#network .kernel')].filter((node) => getComputedStyle(node).display !== 'none').length"
    before = driver.execute_script(shown)
    button = driver.find_element("css selector", "#network .legend button")
    own = driver.execute_script(
        "return document.querySelectorAll('.kernel[data-mark=\"' + arguments[0] + '\"]').length", button.text
    )
    button.click()
    assert driver.execute_script(shown) == before - own < before
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    assert driver.execute_script(shown) == before


def test_the_cache_has_a_roof_of_its_own_where_it_is_known(
    browser: Browser, make_page: Callable[[PageFacts], Path], tmp_path: Path
) -> None:
    figures = yaml.safe_load(shipped("devices")["t4"].read_text(encoding="utf-8"))
    figures.pop("ALIASES", None)
    file = tmp_path / "cached.yaml"
    file.write_text(
        yaml.safe_dump({**figures, "LLC_BANDWIDTH_GBPS": [1280, "four times the memory's"]}), encoding="utf-8"
    )
    device = oracle.load_device(file)
    cost = oracle.score("R-56", [device], model="roofline")
    driver = browser(make_page(cost_page([Detail(cost)], {device.name: device})))
    drawn = driver.execute_script(GEOMETRY, 0)
    steep = [roof for roof in drawn["roofs"] if roof[2] != roof[4]]
    assert [roof[0] for roof in steep] == ["roof", "roof inner"]
    labels = texts(driver, ".labels text")
    assert "1.28 TB/s last-level cache" in labels
    memory = [point for point in drawn["points"] if point[4] < steep[0][3]]  # left of the ridge
    assert any(point[5] < height(steep[:1], point[4]) - 1 for point in memory)  # what fits the cache is faster
    assert all(point[5] >= height(drawn["roofs"], point[4]) - 0.5 for point in drawn["points"])


def test_without_a_device_there_is_no_roofline_and_no_error(
    browser: Browser, make_page: Callable[[PageFacts], Path]
) -> None:
    cost = oracle.score("R-56")
    driver = browser(make_page(cost_page([Detail(cost, runtime_facts([cost], {}))], {})))
    assert driver.get_log("browser") == []
    assert not driver.find_elements("css selector", ".chart")
    assert texts(driver, "h3") == ["Every kernel"]
