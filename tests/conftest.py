"""What every test may ask for."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

if "PYTEST_XDIST_WORKER" in os.environ:  # a worker per core: threads of each would only wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent

# How fast the machine is, is no property under test. HYPOTHESIS_PROFILE=random looks twice as often, and where nobody
# has looked yet.
settings.register_profile("random", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("pinned", settings.get_profile("random"), max_examples=50, derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "pinned"))

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


def pytest_configure(config: pytest.Config) -> None:
    """Let every other worker collect from the other end, so that each compiles what the rest then need not.

    In a fresh environment compiling takes three quarters of the time of collecting.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    if number % 2 and config.args == ["tests"]:
        folders, files = (sorted((ROOT / "tests").glob(pattern), reverse=True) for pattern in ("[a-z]*/", "test_*.py"))
        config.args = [*map(str, folders), *map(str, files)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All workers have the same items in the same order."""
    items.sort(key=lambda item: item.path)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without collecting garbage, which took half of the time: what is imported and collected stays.

    Frozen, none of it is looked through again while the tests run. Nor do templates and traces that are made by the
    ten thousand and kept make every few of them look through all: they are no garbage.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        gc.enable()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference tables beside the repository; a checkout without it skips the test."""
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("no folder of reference tables beside this checkout")
    return data


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """pytest's own; what was imported from it is forgotten, as another test's module may have the same name."""
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if isinstance(file, str) and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]
    sys.path[:] = [place for place in sys.path if not Path(place).is_relative_to(tmp_path)]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium for all tests, as selenium's driver; it starts in a second, so nobody starts his own."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and chromedriver):
        pytest.skip("no chromium and chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in _CHROMIUM_FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def browser(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that opens a page: `browser(path, width=1280, scheme="light", before="")` returns selenium's driver.

    The driver records the console (`get_log("browser")`) and what is asked of the network (`get_log("performance")`).
    Downloads go to the test's `tmp_path`. `before` is a script that runs before those of the page.
    """
    scripts: list[str] = []

    def opened(path: Path, width: int = 1280, scheme: str = "light", before: str = "") -> Any:
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
        # A window that nobody clicked has no focus, and its elements then hear of none either.
        chromium.execute_cdp_cmd("Emulation.setFocusEmulationEnabled", {"enabled": True})
        downloads = {"behavior": "allow", "downloadPath": str(tmp_path)}
        chromium.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
        if before:
            added = chromium.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": before})
            scripts.append(added["identifier"])
        for kind in ("browser", "performance"):
            chromium.get_log(kind)  # what other pages said
        chromium.get(path.as_uri())
        settle(chromium)
        return chromium

    yield opened
    for identifier in scripts:
        chromium.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier})


@pytest.fixture(scope="session")
def settled() -> Callable[[Any], None]:
    """A function that waits until a page has drawn what it meant to draw."""
    return settle


def settle(driver: Any) -> None:
    """Three frames: one in which sizes are observed, one in which figures are drawn, one that shows them."""
    driver.execute_async_script(
        "const done = arguments[0], next = (left) => (left ? requestAnimationFrame(() => next(left - 1)) : done()); next(3)"
    )
