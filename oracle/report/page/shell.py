"""One HTML file of plain facts: style, script and data inside, nothing fetched."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from oracle.report.export import finite, write_text
from oracle.report.facts import DeviceFacts, NetworkFacts, Population, RunFacts, StudyFacts
from oracle.report.marks import BOUND_COLORS, MARKS, SERIES_COLORS

SCRIPTS = (
    "dom.js",
    "numbers.js",
    "chart.js",
    "table.js",
    "roofs.js",
    "roofline.js",
    "bars.js",
    "training.js",
    "decoding.js",
    "network.js",
    "selection.js",
    "front.js",
    "scatter.js",
    "flips.js",
    "knobs.js",
    "population.js",
    "parallel.js",
    "study.js",
    "run.js",
    "main.js",
)
"""Scripts of the page, in the order in which they build on each other."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Everything a page shows; what is None or empty has no section.

    Attributes:
        title: one line.
        subtitle: the workload, in words.
        run: what made the numbers.
        devices, networks: in the order requested.
        undetailed: networks that are in the population alone.
        population: many candidates.
        study: of the candidates of the population.
    """

    title: str
    subtitle: str
    run: RunFacts
    devices: tuple[DeviceFacts, ...] = ()
    networks: tuple[NetworkFacts, ...] = ()
    undetailed: int = 0
    population: Population | None = None
    study: StudyFacts | None = None


def write_page(path: str | Path, facts: PageFacts) -> None:
    """Write the page.

    Raises:
        OracleError: the file cannot be written.
    """
    write_text(path, page_html(facts))


def page_html(facts: PageFacts) -> str:
    """The page: it runs from a file, and its content policy forbids it to load anything."""
    palette = {"marks": MARKS, "bounds": BOUND_COLORS, "series": SERIES_COLORS}
    data = json.dumps({**finite(facts), "palette": finite(palette)}, allow_nan=False, separators=(",", ":"))
    script = "\n".join(map(_asset, SCRIPTS))
    parts = {
        "title": html.escape(facts.title.encode("utf-8", "replace").decode()),  # a file's name may be no text
        "style": _asset("page.css"),
        "facts": _inert(data),
        "script": f'(() => {{\n"use strict";\n{script}}})();',
    }
    return re.sub(r"{{(\w+)}}", lambda slot: parts[slot[1]], _asset("shell.html"))  # once: a title may look like a slot


def _inert(text: str) -> str:
    """JSON in which no reader of HTML finds a tag or a comment, and no reader of scripts a line end."""
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _asset(name: str) -> str:
    return (files("oracle.report.page") / "assets" / name).read_text(encoding="utf-8")
