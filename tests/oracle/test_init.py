from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import oracle

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "numpy", "yacs", "rich", "optuna")


def run(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded(statement: str, watched: tuple[str, ...]) -> str:
    return run(f"import sys\n{statement}\nprint(*(m for m in {watched!r} if m in sys.modules))")


def twin_imports() -> dict[str, str]:
    """Public name -> module, as the `if TYPE_CHECKING` block of the package says it."""
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    imports = [n for n in block.body if isinstance(n, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def test_all_is_sorted_and_is_what_type_checkers_see() -> None:
    assert list(oracle.__all__) == sorted(set(oracle.__all__))
    assert set(oracle.__all__) == set(twin_imports())


@pytest.mark.parametrize("name", oracle.__all__)
def test_every_public_name_is_its_modules_own(name: str) -> None:
    value = getattr(oracle, name)
    assert value is getattr(importlib.import_module(twin_imports()[name]), name)
    assert callable(value) or value is oracle.search


def test_a_package_that_nobody_used_has_loaded_nothing_heavy() -> None:
    light = "import oracle; dir(oracle); oracle.__version__; oracle.OracleError; oracle.Workload"
    assert loaded(light, HEAVY) == ""
    assert loaded("import search", HEAVY) == ""


@pytest.mark.parametrize("room", ["errors", "spec", "config", "families", "devices", "roofline", "cli"])
def test_rooms_that_answer_without_a_network_do_not_load_torch(room: str) -> None:
    assert loaded(f"import oracle.{room}", ("torch",)) == ""


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
    assert run(code).split() == ["True"] * 3


def test_submodules_without_a_public_name_are_bound_as_usual() -> None:
    assert run("import oracle.errors; print(oracle.errors.__name__)") == "oracle.errors"


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
