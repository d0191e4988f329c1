"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# How fast the machine is, is no property under test.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")

_CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference tables beside the repository; a checkout without it skips the test."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("no folder of reference tables beside this checkout")
    return data


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that opens a page in a headless Chromium: `browser(path, width=1400)` returns selenium's driver.

    The driver records the console (`get_log("browser")`) and what is asked of the network (`get_log("performance")`).
    """
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and chromedriver):
        pytest.skip("no chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in _CHROMIUM_FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'chromium'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))

    def opened(path: Path, width: int = 1400, height: int = 1000) -> Any:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
        driver.get(path.as_uri())
        return driver

    try:
        yield opened
    finally:
        driver.quit()
