"""Docstrings of public functions: every parameter is explained, and examples are what happens."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import oracle
import search
from oracle.cells import registry as cells
from oracle.counting.flops import registry as formulas


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module, names in (("oracle", oracle.__all__), ("search", search.__all__)):
        for name in names:
            found = getattr(oracle if module == "oracle" else search, name)
            if inspect.isfunction(found):
                yield f"{module}.{name}", found


FUNCTIONS = dict(functions())
# Their results come from elsewhere, or are shown on pages: tests/docs runs these.
WITHOUT_EXAMPLE = {
    "search.fronts_of",
    "search.join_study",
    "search.open_results",
    "search.study_page",
    "search.sweep_page",
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_explained(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    section = text.partition("Args:\n")[2].partition("\n\n")[0]
    heads = re.findall(r"^    (\w+(?:, \w+)*): ", section, re.MULTILINE)
    assert {name for head in heads for name in head.split(", ")} == set(inspect.signature(FUNCTIONS[name]).parameters)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in WITHOUT_EXAMPLE])
def test_every_example_is_what_happens(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(formulas, "_FORMULAS", dict(formulas._FORMULAS))
    monkeypatch.setattr(cells, "_CELLS", dict(cells._CELLS))
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    test = doctest.DocTestParser().get_doctest(text, {"__name__": "example"}, name, name, 0)
    assert test.examples
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
