"""What a person does with a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def hover(settled: Callable[[Any], None]) -> Callable[[Any, Any], str]:
    """A function that moves the pointer onto an element and returns what the tip says, "" if there is none."""

    def hovered(driver: Any, node: Any) -> str:
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", node)
        settled(driver)  # scrolling hides a tip; selenium's own pointer would scroll once more
        box = driver.execute_script("return arguments[0].getBoundingClientRect().toJSON()", node)
        place = {"x": box["left"] + box["width"] / 2, "y": box["top"] + box["height"] / 2}
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", **place})
        return str(driver.find_element("id", "tip").text)

    return hovered


@pytest.fixture
def walk(settled: Callable[[Any], None]) -> Callable[..., tuple[Any, str]]:
    """A function that focuses the one tab stop of a figure, presses keys, and returns what has the focus and the tip."""
    from selenium.webdriver.common.keys import Keys

    def walked(driver: Any, chart: Any, *keys: str) -> tuple[Any, str]:
        (stop,) = chart.find_elements("css selector", "[tabindex='0']")
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", stop)
        settled(driver)  # scrolling hides a tip
        driver.execute_script("arguments[0].focus()", stop)
        for key in keys:
            driver.switch_to.active_element.send_keys(getattr(Keys, key))
        return driver.switch_to.active_element, driver.find_element("id", "tip").text

    return walked
