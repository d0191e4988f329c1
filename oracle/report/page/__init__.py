"""The page: one HTML file for people, which opens anywhere and loads nothing.

`shell.py` writes the facts of `oracle.report.facts` into the page as JSON, beside the style and the scripts of
`assets/`, which draw them; the scripts scale numbers for people. What is in the facts becomes text nodes and
attributes, never markup.
"""

from __future__ import annotations

from oracle.report.page.costs import DETAILED, Detail, cost_page
from oracle.report.page.shell import PageFacts, page_html, write_page

__all__ = ["DETAILED", "Detail", "PageFacts", "cost_page", "page_html", "write_page"]
