"""Ten thousand points: few elements, little work per movement, one selection on all devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.oracle.report.page.elements import facts, texts

Browser = Callable[..., Any]
Settle = Callable[[Any], None]

SIZE = 10_000
COUNTING = """
window.work = { rects: 0, clears: 0 };
const own = CanvasRenderingContext2D.prototype.fillRect;
CanvasRenderingContext2D.prototype.fillRect = function (...box) { window.work.rects += 1; return own.apply(this, box); };
const width = Object.getOwnPropertyDescriptor(HTMLCanvasElement.prototype, 'width');
Object.defineProperty(HTMLCanvasElement.prototype, 'width', {
  get: width.get, set(value) { window.work.clears += 1; width.set.call(this, value); },
});
"""
DRAG = """
const [index, steps, x0, y0, x1, y1] = arguments;
const area = document.querySelectorAll('#population .catch')[index];
area.scrollIntoView({ block: 'center' });
const box = area.getBoundingClientRect();
const event = (kind, t) => area.dispatchEvent(new PointerEvent(kind, {
  pointerId: 1, button: kind === 'pointermove' ? -1 : 0, bubbles: true,
  clientX: box.left + (x0 + t * (x1 - x0)) * box.width, clientY: box.top + (y0 + t * (y1 - y0)) * box.height }));
event('pointerdown', 0);
for (let step = 1; step <= steps; step++) event('pointermove', step / steps);
if (steps >= 0 && arguments.length === 6) event('pointerup', 1);
"""


def status(driver: Any) -> str:
    return str(driver.find_element("css selector", "#population .tools [role=status]").text)


def test_points_are_painted_once_and_are_no_elements(browser: Browser, population_page: Path) -> None:
    driver = browser(population_page, before=COUNTING)
    work = driver.execute_script("return window.work")
    assert work["rects"] == 2 * SIZE  # two devices, nobody chosen
    assert work["clears"] == 4
    assert driver.execute_script("return document.querySelectorAll('*').length") < 3000
    members = facts(driver, "population.values.macs.fronts")
    drawn = driver.execute_script(
        "return [...document.querySelectorAll('#population .layers')]"
        ".map((chart) => [...chart.querySelectorAll('.best')].map((node) => Number(node.dataset.row)))"
    )
    assert drawn == list(members.values())  # along the front, the fastest first


def test_many_movements_within_a_frame_cost_as_much_as_one(
    browser: Browser, settled: Settle, population_page: Path
) -> None:
    driver = browser(population_page, before=COUNTING)
    driver.execute_script("window.work = { rects: 0, clears: 0 }")
    driver.execute_script(DRAG.replace("if (steps", "if (false && steps"), 0, 200, 0.2, 0.2, 0.7, 0.8)
    settled(driver)
    work = driver.execute_script("return window.work")
    chosen = int(status(driver).split()[0].replace(",", ""))
    assert 0 < chosen < SIZE
    assert work["clears"] == 2  # the layer of the chosen ones, on each device, once for two hundred movements
    assert work["rects"] == 2 * chosen


def test_a_rectangle_selects_the_same_candidates_everywhere(
    browser: Browser, settled: Settle, population_page: Path
) -> None:
    driver = browser(population_page)
    blank = driver.execute_script(
        "return [...document.querySelectorAll('canvas.chosen')].map((node) => node.toDataURL())"
    )
    driver.execute_script(DRAG, 0, 3, 0.3, 0, 0.5, 1)
    settled(driver)
    painted = driver.execute_script(
        "return [...document.querySelectorAll('canvas.chosen')].map((node) => node.toDataURL())"
    )
    assert all(before != after for before, after in zip(blank, painted, strict=True))
    chosen = int(status(driver).split()[0].replace(",", ""))
    count = driver.find_element("css selector", "#population .table .status").text
    assert f"of {chosen:,} candidates, of 10,000" in count
    # the band of latencies on the first device holds nobody else
    driver.find_element("xpath", "//*[@id='population']//th[2]//button").click()
    cells = [float(text) for text in texts(driver, "#population tbody td:nth-child(2)")]
    latency = facts(driver, "population.latency_ms['rtx-4090']")
    assert cells == sorted(cells, reverse=True)
    assert sum(value <= cells[0] for value in latency) >= chosen
    driver.find_element("xpath", "//button[text()='Clear selection']").click()
    assert status(driver) == "Drag over a figure to select"


def test_a_click_beside_clears_the_selection(browser: Browser, settled: Settle, population_page: Path) -> None:
    driver = browser(population_page)
    driver.execute_script(DRAG, 1, 3, 0.1, 0.1, 0.9, 0.9)
    settled(driver)
    assert "selected" in status(driver)
    driver.execute_script(DRAG, 1, 0, 0.95, 0.95, 0.95, 0.95)
    settled(driver)
    assert "Drag" in status(driver)


def test_the_filter_of_the_table_selects_in_the_figures(
    browser: Browser, settled: Settle, population_page: Path
) -> None:
    driver = browser(population_page)
    depth = facts(driver, "population.knobs['REGNET.DEPTH'].column")
    driver.find_element("css selector", "#population input[type=search]").send_keys("regnet.depth=12")
    settled(driver)
    assert status(driver) == f"{depth.count(12)} of 10,000 candidates selected"
    driver.execute_script(DRAG, 0, 3, 0, 0, 0.5, 1)  # both must hold
    settled(driver)
    assert int(status(driver).split()[0].replace(",", "")) < depth.count(12)


def test_the_pointer_finds_the_nearest_candidate(
    browser: Browser, hover: Callable[[Any, Any], str], population_page: Path
) -> None:
    driver = browser(population_page)
    said = hover(driver, driver.find_elements("css selector", "#population .best")[5])
    row = int(said.split("\n")[0].removeprefix("row "))
    assert f"REGNET.DEPTH\n{facts(driver, 'population.knobs')['REGNET.DEPTH']['column'][row]}" in said
    assert driver.find_element("css selector", ".ring").get_attribute("visibility") == "visible"
    assert hover(driver, driver.find_element("css selector", "h1")) == ""


def test_arrow_keys_go_along_the_front(
    browser: Browser, walk: Callable[..., tuple[Any, str]], population_page: Path
) -> None:
    driver = browser(population_page)
    node, said = walk(driver, driver.find_element("css selector", "#population .members"), "END")
    rows = facts(driver, "population.values.macs.fronts['rtx-4090']")
    assert said.startswith(f"row {rows[-1]}\n")
    assert node.get_attribute("aria-label").startswith(f"row {rows[-1]},")


def test_another_value_and_all_fronts(browser: Browser, settled: Settle, population_page: Path) -> None:
    driver = browser(population_page)
    axis = lambda: driver.find_element("css selector", "#population .chart .axis:last-of-type").text  # noqa: E731
    before = axis()
    driver.find_element("css selector", "#population select option[value=params]").click()
    settled(driver)
    assert before != axis() == "Parameters (more is better)"
    driver.find_element("xpath", "//button[text()='Select the fronts']").click()
    fronts = facts(driver, "population.values.params.fronts")
    assert status(driver).startswith(f"{len({row for rows in fronts.values() for row in rows})} of")


def test_the_page_says_that_it_shows_a_part(browser: Browser, population_page: Path) -> None:
    lead = browser(population_page).find_element("css selector", "#population .lead").text
    assert lead.startswith("10,000 of 250,000 candidates are shown: those on a front, and others drawn at random.")
