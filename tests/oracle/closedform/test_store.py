"""The cache file: used when it fits, ignored when it does not, never half written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.closedform import TemplateStore, cost_population
from oracle.closedform import store as store_module
from oracle.closedform.store import default_cache_file
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


@pytest.fixture(scope="module")
def filled() -> TemplateStore:
    store = TemplateStore()
    cost_population(store, Population.of([_NET]), Workload(), [])
    return store


def test_a_file_gives_back_what_was_saved(filled: TemplateStore, tmp_path: Path) -> None:
    filled.save(tmp_path / "deep" / "templates.json")
    again = TemplateStore()
    assert again.load(tmp_path / "deep" / "templates.json") == len(filled) == 3
    costs = [cost_population(store, Population.of([_NET]), Workload(), []) for store in (filled, again)]
    assert again.made == 0
    assert np.array_equal(costs[0].traffic_bytes, costs[1].traffic_bytes)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["templates.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fingerprint": 1}', "\x00\xff"])
def test_an_unreadable_file_is_ignored(text: str, tmp_path: Path) -> None:
    (tmp_path / "templates.json").write_text(text)
    store = TemplateStore()
    assert store.load(tmp_path / "templates.json") == 0
    assert store.load(tmp_path / "absent.json") == 0
    assert len(store) == 0


def test_a_file_of_other_sources_is_ignored(
    filled: TemplateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "templates.json"
    filled.save(path)
    monkeypatch.setattr(store_module, "fingerprint", lambda: "another torch, or another cell")
    assert TemplateStore().load(path) == 0


def test_a_tampered_file_runs_nothing(filled: TemplateStore, tmp_path: Path) -> None:
    path = tmp_path / "templates.json"
    filled.save(path)
    data = json.loads(path.read_text())
    data["templates"][0]["program"]["steps"].append(["__import__('os').abort()", 0, 0])
    path.write_text(json.dumps(data))
    assert TemplateStore().load(path) == 0


def test_a_full_disk_leaves_the_old_file(
    filled: TemplateStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "templates.json"
    filled.save(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        filled.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["templates.json"]


def test_the_cache_directory_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_COST_ORACLE_CACHE", str(tmp_path))
    assert default_cache_file() == tmp_path / "templates.json"
