"""Small studies, as those of the tests of studies."""

from __future__ import annotations

from tests.search.study.conftest import make_plan, own_templates

__all__ = ["make_plan", "own_templates"]
