"""`oracle.search` and `search` are one package, and a user's own search.py hides the second name only."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import oracle
import search
import search.cli._parser
import search.sweep.run
from tests.each import each
from tests.programs import ROOT, imported, public_imports

HEAVY = ("torch", "numpy", "yacs", "rich", "optuna")
PUBLIC = public_imports(ROOT / "search")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A directory with somebody's own search.py."""
    (tmp_path / "search.py").write_text("MINE = True\n", encoding="utf-8")
    return tmp_path


def run(where: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, cwd=where)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_both_names_are_one_package() -> None:
    assert search is oracle.search
    assert search.sweep is oracle.search.sweep
    assert sys.modules["search.sweep.run"] is sys.modules["oracle.search.sweep.run"]
    assert search.SweepResult is importlib.import_module("search.sweep.run").SweepResult
    assert search.SweepResult.__module__ == "oracle.search.sweep.run"


def test_all_is_sorted_and_is_what_type_checkers_see() -> None:
    assert list(search.__all__) == sorted(set(search.__all__))
    assert set(search.__all__) == set(PUBLIC)


@each({name: name for name in search.__all__})
def test_every_public_name_is_its_modules_own(name: str) -> None:
    value = getattr(oracle.search, name)
    assert value is getattr(importlib.import_module(f"oracle.search.{PUBLIC[name]}"), name)
    assert callable(value)


def test_a_module_keeps_its_own_spec() -> None:
    module = importlib.import_module("search.pareto.hypervolume")
    assert module.__spec__ is not None
    assert (module.__name__, module.__spec__.name) == ("oracle.search.pareto.hypervolume",) * 2


def test_a_module_that_is_not_there_is_a_module_that_is_not_there() -> None:
    for package in ("search", "oracle.search"):
        with pytest.raises(ModuleNotFoundError, match="nothing_here"):
            importlib.import_module(f"{package}.nothing_here")


def test_the_door_loads_nothing_heavy() -> None:
    assert imported("import oracle; dir(oracle.search)", HEAVY) == set()


def test_somebodys_own_search_hides_nothing_of_ours(own: Path) -> None:
    code = "import search, oracle; from oracle.search import load_space; print(search.MINE, load_space('regnetx').name)"
    assert run(own, "-c", code) == "True regnetx"
    turned = (
        "from oracle.search.space import Space; import search, oracle; print(search.MINE, oracle.search.Space is Space)"
    )
    assert run(own, "-c", turned) == "True True"


def test_the_command_runs_beside_somebodys_own_search(own: Path) -> None:
    assert "regnetx" in run(own, "-m", "oracle.search.cli", "spaces")


def test_the_command_runs_by_either_name() -> None:
    version = f"oracle-search {oracle.__version__}"
    assert run(ROOT, "-m", "search.cli", "--version") == run(ROOT, "-m", "oracle.search.cli", "--version") == version


def test_workers_of_a_sweep_need_no_package_called_search(own: Path) -> None:
    program = own / "program.py"
    program.write_text(
        "import oracle\n"
        "if __name__ == '__main__':\n"
        "    result = oracle.search.sweep('anynet-grid', ['t4'], out='out', samples=6000, workers=2)\n"
        "    print(result.count)\n",
        encoding="utf-8",
    )
    assert 5000 < int(run(own, str(program))) <= 6000
