"""The page as text: self-contained, and harmless whatever its facts say."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import OracleError
from oracle.report.facts import Population, RunFacts
from oracle.report.page import PageFacts, page_html, write_page
from oracle.report.page.shell import SCRIPTS

NOBODY = RunFacts((), ())
ASSETS = Path(str(files("oracle.report.page"))) / "assets"


class Elements(HTMLParser):
    """What a browser would make of it: start tags, and the text of the JSON element and of the title."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts = {"facts": "", "title": ""}
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = "facts" if ("id", "facts") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in self.texts:
            self.texts[self._inside] += data


def elements(facts: PageFacts) -> Elements:
    parser = Elements()
    parser.feed(page_html(facts))
    return parser


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_embedded_whole_and_adds_no_element(text: str) -> None:
    plain = elements(PageFacts("x", "x", NOBODY))
    found = elements(PageFacts(text, text, RunFacts(((text, text),), (text,), text)))
    assert found.tags == plain.tags
    content = json.loads(found.texts["facts"])
    assert (content["title"], content["subtitle"]) == (text, text)
    assert content["run"] == {"versions": [[text, text]], "notes": [text], "command": text}
    assert found.texts["title"].split() == text.split()


@pytest.mark.parametrize(
    "text", ["</script><script>alert(1)</script>", "<!--<script>", "\u2028\u2029", "a & b", "{{style}}{{facts}}"]
)
def test_what_could_end_the_element_is_not_in_its_text(text: str) -> None:
    html = page_html(PageFacts(text, text, NOBODY))
    data = re.search(r'id="facts">(.*?)</script>', html, re.DOTALL)
    assert data is not None
    assert not set("<>&\u2028\u2029") & set(data[1])
    assert json.loads(data[1])["title"] == text
    assert html.count("prefers-color-scheme: dark) {") == 1  # the style, once


def test_what_is_no_finite_number_is_null() -> None:
    columns = {"t4": [math.nan, math.inf, 1.5]}
    found = Population("candidates", ["a", "b", "c"], columns, {"t4": [1, 2, 3]}, {}, {}, {}, (), 3)
    content = json.loads(elements(PageFacts("x", "x", NOBODY, population=found)).texts["facts"])
    assert content["population"]["latency_ms"] == {"t4": [None, None, 1.5]}


def test_nothing_in_it_comes_from_elsewhere_and_no_text_becomes_markup() -> None:
    html = page_html(PageFacts("x", "x", NOBODY))
    assert "default-src 'none'" in html
    assert set(re.findall(r"https?://[^\s\"']+", html)) == {"http://www.w3.org/2000/svg"}  # the name of SVG, no address
    assert not re.search(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval)\b", html)


def test_every_script_that_ships_is_in_the_page() -> None:
    assert sorted(SCRIPTS) == sorted(path.name for path in ASSETS.glob("*.js"))


def test_a_name_that_no_text_can_hold_is_written_all_the_same(tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", PageFacts("caf\udce9", "", NOBODY))
    assert "<title>caf?</title>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="cannot be written"):
        write_page(tmp_path / "missing" / "page.html", PageFacts("x", "x", NOBODY))
    assert list(tmp_path.iterdir()) == []
