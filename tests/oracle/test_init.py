from __future__ import annotations

import importlib
import importlib.metadata
import re

import pytest

import oracle
from tests.each import each
from tests.programs import ROOT, imported, printed, public_imports

HEAVY = ("torch", "numpy", "yacs", "rich", "optuna")
PUBLIC = public_imports(ROOT / "oracle")


def test_all_is_sorted_and_is_what_type_checkers_see() -> None:
    assert list(oracle.__all__) == sorted(set(oracle.__all__))
    assert set(oracle.__all__) == set(PUBLIC)


@each({name: name for name in oracle.__all__})
def test_every_public_name_is_its_modules_own(name: str) -> None:
    value = getattr(oracle, name)
    assert value is getattr(importlib.import_module(PUBLIC[name]), name)
    assert callable(value) or value is oracle.search


def test_a_package_that_nobody_used_has_loaded_nothing_heavy() -> None:
    light = "import oracle; dir(oracle); oracle.__version__; oracle.OracleError; oracle.Workload"
    assert imported(light, HEAVY) == set()
    assert imported("import search", HEAVY) == set()


def test_rooms_that_answer_without_a_network_do_not_load_torch() -> None:
    rooms = ("errors", "spec", "config", "families", "devices", "roofline", "cli")
    assert imported("\n".join(f"import oracle.{room}" for room in rooms), {"torch"}) == set()


def test_a_public_name_is_never_the_submodule_of_that_name() -> None:
    """However it is met first; torch stays loaded in between."""
    code = """
import sys, types
for before in ("import oracle.build", "from oracle.build import build", "import oracle; oracle.build"):
    for name in [name for name in sys.modules if name.partition(".")[0] == "oracle"]:
        del sys.modules[name]
    names = {}
    exec(before + "; import oracle, oracle.build", names)
    print(isinstance(names["oracle"].build, types.FunctionType))
"""
    assert printed(code).split() == ["True"] * 3


def test_submodules_without_a_public_name_are_bound_as_usual() -> None:
    assert printed("import oracle.errors; print(oracle.errors.__name__)") == "oracle.errors"


def test_dir_lists_names_that_were_not_loaded_yet() -> None:
    assert {*oracle.__all__, "__version__"} <= set(dir(oracle))


def test_an_unknown_attribute_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match=r"'oracle'.*'no_such_name'"):
        _ = oracle.no_such_name  # type: ignore[attr-defined]


def test_version_is_the_one_of_the_project_file() -> None:
    try:
        importlib.metadata.version("nas-cost-oracle")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("nas-cost-oracle is not installed in this environment")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.findall(r'^version = "(.+)"$', project, re.MULTILINE) == [oracle.__version__]


def test_version_of_a_tree_that_was_never_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert oracle.__version__ == "0+unknown"
