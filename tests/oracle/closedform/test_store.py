"""Where templates come from: what ships, the user's cache, a trace; a damaged file is as good as none."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.closedform import TemplateStore, cost_population
from oracle.closedform import store as store_module
from oracle.closedform.library import Library, library_directory
from oracle.closedform.store import cache_directory
from oracle.errors import MissingDependencyError
from oracle.families.population import Population
from oracle.spec import CellSpec, NetSpec, Workload

_BN: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
_NET = NetSpec(
    (
        CellSpec.make("simple_stem_in", w_in=3, w_out=16, **_BN),
        CellSpec.make("vanilla_block", w_in=16, w_out=24, stride=2, **_BN),
        CellSpec.make("head", w_in=24, head_w=0, num_classes=10, dropout=0.0, **_BN),
    ),
    (3, 32, 32),
)


def traffic(store: TemplateStore) -> np.ndarray[Any, Any]:
    return cost_population(store, Population.of([_NET]), Workload(), []).traffic_bytes


def the_file(directory: Path) -> Path:
    (file,) = directory.iterdir()
    return file


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    store = TemplateStore(cache=tmp_path)
    traffic(store)
    assert store.made == 3
    return tmp_path


def test_what_was_made_is_there_in_the_next_process(filled: Path) -> None:
    again = TemplateStore(cache=filled)
    assert traffic(again) == traffic(TemplateStore())
    assert again.made == 0


def test_what_ships_needs_no_cache(tmp_path: Path) -> None:
    store = TemplateStore(Library(library_directory()), tmp_path / "cache")
    assert traffic(store) == traffic(TemplateStore())
    assert store.made == 0
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00\xff\n", b"00000000 [1, 2]\n", b"[" * 100_000 + b"\n"])
def test_an_unreadable_file_is_ignored(damage: bytes, filled: Path) -> None:
    the_file(filled).write_bytes(damage)
    store = TemplateStore(cache=filled)
    assert traffic(store) == traffic(TemplateStore())
    assert store.made == 3


def test_a_line_that_was_changed_is_made_again(filled: Path) -> None:
    file = the_file(filled)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"[", b"[ ", 1)
    file.write_bytes(b"".join(lines))
    store = TemplateStore(cache=filled)
    assert traffic(store) == traffic(TemplateStore())
    assert store.made == 1


def test_a_line_that_is_well_formed_but_no_template_runs_nothing(filled: Path) -> None:
    text = b'[["vanilla_block"], [[], ["__import__(\'os\').abort()", 0, 0]], null, []]'
    the_file(filled).write_bytes(b"%08x %s\n" % (zlib.crc32(text), text))
    assert traffic(TemplateStore(cache=filled)) == traffic(TemplateStore())


def test_a_file_of_other_sources_is_replaced(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = the_file(filled)
    monkeypatch.setattr(store_module, "fingerprint", lambda: "another torch, or another cell")
    store = TemplateStore(cache=filled)
    traffic(store)
    assert store.made == 3
    assert the_file(filled) != before


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = TemplateStore(cache=tmp_path / "file")
    assert traffic(store) == traffic(TemplateStore())


def test_the_cache_directory_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_COST_ORACLE_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path


def test_comments_do_not_make_templates_stale() -> None:
    plain, dressed = (
        "def f(x):\n    return x + 1\n",
        '"""Doc."""\ndef f(x):\n    """Doc."""\n    return x  + 1  # why\n',
    )
    assert store_module._code_of(plain) == store_module._code_of(dressed)
    assert store_module._code_of(plain) != store_module._code_of(plain.replace("1", "2"))


def test_a_cache_that_cannot_be_written_is_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    store = TemplateStore(cache=tmp_path / "file")
    traffic(store)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert str(tmp_path / "file") in warning
    assert "NAS_COST_ORACLE_CACHE names another directory" in warning


def test_without_torch_a_cell_that_does_not_ship_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "oracle.closedform.symbolic", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"traced once, which needs torch; pip install torch"):
        traffic(TemplateStore())
