"""Whole pages in a real browser: quiet, alone, readable in any light, at any width, and on paper."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.cli import main
from tests.oracle.report.page.elements import attributes, shown, texts

Browser = Callable[..., Any]

SECTIONS = {
    "network_page": ["Costs", "About these numbers"],
    "population_page": ["250,000 candidates", "About these numbers"],
    "study_page": ["Study", "12 candidates", "About these numbers"],
}
PAGES = list(SECTIONS)
PAPER = {"width": 720, "height": 1000}  # CSS pixels of A4 within Chromium's margins


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio of two `rgb(r, g, b)`."""

    def luminance(text: str) -> float:
        parts = [int(part) / 255 for part in text[4:-1].split(",")]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", PAGES, indirect=True)
def test_it_loads_whole_without_errors_and_without_a_network(
    browser: Browser, page: Path, request: pytest.FixtureRequest
) -> None:
    driver = browser(page)
    assert driver.execute_script("return document.documentElement.dataset.ready") == "true"
    assert driver.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}
    headings = texts(driver, "h2")
    assert headings == SECTIONS[request.node.callspec.params["page"]]
    links = attributes(driver, "nav a", "href")
    assert all(driver.find_elements("css selector", link) for link in links)
    assert len(links) == len(headings)
    stops = driver.execute_script(
        "return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]"
        ".map((node) => node.getAttribute('aria-label') || node.textContent.trim()"
        " || (node.labels && node.labels[0] && node.labels[0].textContent))"
    )
    assert all(stops)  # whatever can be focused says what it is
    assert len(stops) < 60  # each figure is one stop, whatever it holds
    assert is_no_wider_than_its_window(driver, 1280)
    assert is_no_wider_than_its_window(browser(page, 390), 390)


def is_no_wider_than_its_window(driver: Any, width: int) -> bool:
    seen = driver.execute_script(
        "const { clientWidth, scrollWidth } = document.documentElement; return [clientWidth, scrollWidth]"
    )
    beyond = driver.execute_script(
        "return [...document.querySelectorAll('.chart text')].map((node) => [node, node.getBoundingClientRect()])"
        ".filter(([, box]) => box.left < 0 || box.right > arguments[0]).map(([node]) => node.textContent)", width
    )  # fmt: skip
    return bool(seen[0] > width - 40 and seen[0] == seen[1] and beyond == [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_any_light(browser: Browser, study_page: Path, scheme: str) -> None:
    driver = browser(study_page, scheme=scheme)
    colors = driver.execute_script(
        "const of = (node) => getComputedStyle(node);"
        "return [of(document.body).backgroundColor, [...document.querySelectorAll("
        "'h1, h2, h3, h4, p, dt, dd, td, th, a, small, label span, .chart text')]"
        ".map((node) => node.closest('svg') ? of(node).fill : of(node).color)]"
    )
    paper, ink = colors
    assert len(ink) > 50
    assert min(contrast(paper, color) for color in set(ink)) >= 4.5  # WCAG 2.1 AA
    assert (paper == "rgb(253, 253, 252)") == (scheme == "light")


def test_canvases_are_painted_again_when_the_light_changes(browser: Browser, population_page: Path) -> None:
    driver = browser(population_page)
    painted = "return document.querySelector('canvas.base').toDataURL()"
    before = driver.execute_script(painted)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait
    # the page hears of it later
    assert wait(driver, 120).until(lambda driver: driver.execute_script(painted) != before)


@pytest.mark.parametrize("page", PAGES, indirect=True)
def test_it_prints_on_white_without_what_only_a_screen_can_use(browser: Browser, page: Path) -> None:
    driver = browser(page, scheme="dark")
    assert base64.b64decode(driver.print_page()).startswith(b"%PDF")
    folded = driver.execute_script("return document.querySelectorAll('details:not([open])').length")
    assert folded == 0  # the figures of the devices are on paper, too
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not driver.find_element("css selector", "nav").is_displayed()
    assert not any(shown(driver, ".tools, .pager"))
    if page.stat().st_size < 1e6:  # ten thousand candidates have more columns than paper
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**PAPER, "deviceScaleFactor": 1, "mobile": False})
        wide = "return [...document.querySelectorAll('table')].map((node) => node.scrollWidth)"
        assert max(driver.execute_script(wide)) <= PAPER["width"]


def test_a_network_called_script_is_text(browser: Browser, tmp_path: Path) -> None:
    name = "<script>alert(1)<img src=x onerror=alert(1)>"  # a file's name has no slash
    (tmp_path / f"{name}.yaml").write_text("_BASE_: R-56\n", encoding="utf-8")
    (tmp_path / "out").mkdir()
    assert main(["report", str(tmp_path), "R-56", "-d", "t4", "-o", str(tmp_path / "out" / "page.html")]) == 0
    driver = browser(tmp_path / "out" / "page.html")
    assert driver.find_element("css selector", ".picker option").text == name
    assert name in driver.find_element("css selector", "#population td").text
    assert driver.find_elements("css selector", "img") == []
    assert driver.get_log("browser") == []
    assert len(driver.find_elements("css selector", "script")) == 2  # the facts, and ours


def test_another_network_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    assert main(["report", "R-56", "R-110", "-d", "t4", "--brief", "-o", str(path)]) == 0
    driver = browser(path)
    assert driver.title == "2 networks on NVIDIA T4"
    for index, name in enumerate(("R-56", "R-110")):
        driver.find_elements("css selector", ".picker option")[index].click()
        tile = driver.find_element("xpath", "//dt[text()='MACs']/following-sibling::dd").text
        macs = oracle.score(name).macs or 0
        assert tile.split()[0] == f"{macs / 1e6:.0f}"
