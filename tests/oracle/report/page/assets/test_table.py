"""Tables: sorted, filtered, taken away as CSV."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oracle.query import Cost
from tests.oracle.report.page.elements import texts

Browser = Callable[..., Any]


def table(driver: Any, title: str) -> Any:
    return driver.find_element("xpath", f"//figure[.//h3[text()='{title}']]")


def column(figure: Any, index: int) -> list[str]:
    return texts(figure, f"tbody td:nth-child({index + 1})")


def head(figure: Any, title: str) -> tuple[int, Any]:
    heads = figure.find_elements("css selector", "thead th")
    return next((index, node) for index, node in enumerate(heads) if node.text.split("\n")[0] == title)


def type_filter(figure: Any, text: str) -> None:
    from selenium.webdriver.common.keys import Keys

    figure.find_element("css selector", "input[type=search]").send_keys(
        Keys.CONTROL, "a", Keys.BACKSPACE, Keys.NULL, text
    )


def downloaded(figure: Any, path: Path) -> list[dict[str, str]]:
    figure.find_element("css selector", ".download").click()
    for _ in range(2_000):
        if path.exists() and path.stat().st_size:
            return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        time.sleep(0.05)
    raise AssertionError(f"{path} was not downloaded")


def test_it_sorts_both_ways_and_says_so(browser: Browser, network_page: Path, cost: Cost) -> None:
    figure = table(browser(network_page), "Every kernel")
    kernels = cost.kernels("rtx-4090")
    longest = sorted(kernels, key=lambda kernel: -kernel.share)
    assert column(figure, 0) == [kernel.module for kernel in longest][:25]
    index, cell = head(figure, "Work")
    for way, order in (("descending", -1), ("ascending", 1)):
        cell.find_element("css selector", "button").click()
        assert cell.get_attribute("aria-sort") == way
        shown = [float(text.replace(",", "").lstrip("<")) for text in column(figure, index)]
        assert shown == sorted(shown, key=lambda value: order * value)
    assert len(figure.find_elements("css selector", "[aria-sort=ascending], [aria-sort=descending]")) == 1
    fewest = min(kernel.flops for kernel in kernels)
    assert (fewest == 0) == (column(figure, index)[0] == "0")


def test_words_and_conditions_filter_all_rows(browser: Browser, network_page: Path, cost: Cost) -> None:
    figure = table(browser(network_page), "Every kernel")
    status = figure.find_element("css selector", ".status")
    kernels = cost.kernels("t4")
    norms = [kernel for kernel in kernels if kernel.op_class == "norm"]
    type_filter(figure, "norm")
    assert status.text == f"1\u201325 of {len(norms)} kernels, of {len(kernels)}"
    most = sorted(kernel.flops for kernel in norms)[-3]
    type_filter(figure, f"norm flops>{most - 1}")
    assert status.text == f"{sum(kernel.flops >= most for kernel in norms)} kernels, of {len(kernels)}"
    type_filter(figure, "no such word")
    assert column(figure, 0) == ["Nothing matches."]
    type_filter(figure, "nocolumn>1")
    assert status.text.endswith("there is no column nocolumn")
    type_filter(figure, "")
    assert status.text.endswith(f"of {len(kernels)} kernels")


def test_csv_has_what_is_filtered_with_all_digits(
    browser: Browser, network_page: Path, cost: Cost, tmp_path: Path
) -> None:
    figure = table(browser(network_page), "Every kernel")
    type_filter(figure, "norm")
    rows = {row["module"]: row for row in downloaded(figure, tmp_path / "R-56-kernels.csv")}
    found = {kernel.module: kernel for kernel in cost.kernels("t4") if kernel.op_class == "norm"}
    assert rows.keys() == found.keys()
    for name, kernel in found.items():
        assert float(rows[name]["share@t4"]) == kernel.share
        assert int(rows[name]["traffic_bytes"]) == kernel.traffic_bytes
        assert (rows[name]["bound@t4"], rows[name]["shape"]) == (kernel.bound, kernel.shape)  # a shape has a comma


def test_only_a_page_of_rows_is_in_the_document(browser: Browser, population_page: Path) -> None:
    driver = browser(population_page)
    figure = table(driver, "All candidates")
    assert len(column(figure, 0)) == 25
    previous, following = figure.find_elements("css selector", ".pager button")
    assert not previous.is_enabled()
    following.click()
    assert column(figure, 0)[0] == "row 25"
    assert previous.is_enabled()
    assert driver.execute_script("return document.querySelectorAll('*').length") < 3000


def test_what_nobody_knows_goes_last_whichever_way(browser: Browser, network_page: Path) -> None:
    driver = browser(network_page)
    figure = table(driver, "Largest batch that fits")
    assert not figure.find_elements("css selector", "input")  # two rows need no filter
    _, cell = head(figure, "Batch")
    cell.find_element("css selector", "button").click()
    batches = [int(text.replace(",", "")) for text in column(figure, 2)]
    assert batches == sorted(batches, reverse=True)


def test_peaks_are_in_the_unit_of_the_memory_beside_them(browser: Browser, network_page: Path) -> None:
    figure = table(browser(network_page), "Largest batch that fits")
    titles = [text.split()[-1] for text in texts(figure, "thead th")]
    assert [titles[place] for place in (3, 5, 6)] == ["GiB"] * 3
    for peak, after, memory in zip(
        *([float(text) for text in column(figure, place)] for place in (3, 5, 6)), strict=True
    ):
        assert peak <= memory <= after
