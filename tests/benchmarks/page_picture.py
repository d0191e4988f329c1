"""The picture of the page in the README: the first screen of a network on two devices.

    python -m tests.benchmarks.page_picture [OUT.png]

Needs chromium, chromedriver and selenium.
"""

from __future__ import annotations

import base64
import shutil
import sys
import tempfile
from pathlib import Path

from oracle.cli import main

OUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "page.png"
WORDS = ["report", "ResNet-50", "-d", "rtx-4090", "-d", "t4", "--batch", "64", "--dtype", "float16"]
SIZE = {"width": 1280, "height": 1560, "deviceScaleFactor": 1.1, "mobile": False}


def picture(page: Path, out: Path) -> None:
    """What a browser shows of a page at first."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver") or ""))
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZE)
        driver.get(page.as_uri())
        driver.execute_async_script("const done = arguments[0]; setTimeout(done, 500)")
        shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    finally:
        driver.quit()
    out.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "page.html"
        if main([*WORDS, "-o", str(made)]):
            sys.exit(2)
        picture(made, target)
    print(f"{target}: {target.stat().st_size / 1e3:.0f} kB")
