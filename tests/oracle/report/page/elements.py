"""What a page shows, asked of the browser in one question however many elements it is about."""

from __future__ import annotations

from typing import Any

__all__ = ["attributes", "facts", "shown", "styles", "texts", "widths"]


def _of(root: Any, selector: str, value: str) -> list[Any]:
    """A value of every element below a driver or an element, in JavaScript, where `node` is the element."""
    driver = getattr(root, "parent", root)
    place = "document" if driver is root else "arguments[1]"
    script = f"return [...{place}.querySelectorAll(arguments[0])].map((node) => {value})"
    found: list[Any] = driver.execute_script(script, selector, *([] if driver is root else [root]))
    return found


def texts(root: Any, selector: str) -> list[str]:
    """What is to be read there."""
    return _of(root, selector, "(node.innerText ?? node.textContent).trim()")


def attributes(root: Any, selector: str, name: str) -> list[str]:
    return _of(root, selector, f"node.getAttribute({name!r})")


def styles(root: Any, selector: str, name: str) -> list[str]:
    """A property as it is computed."""
    return _of(root, selector, f"getComputedStyle(node).getPropertyValue({name!r})")


def widths(root: Any, selector: str) -> list[float]:
    """In CSS pixels."""
    return _of(root, selector, "node.getBoundingClientRect().width")


def shown(root: Any, selector: str) -> list[bool]:
    """Whether each takes part in what is drawn."""
    return _of(root, selector, "node.checkVisibility()")


def facts(driver: Any, path: str) -> Any:
    """What the page was made of."""
    return driver.execute_script(f"return JSON.parse(document.getElementById('facts').textContent).{path}")
