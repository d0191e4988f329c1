"""Families are registered once, and the recipe of the documentation for a new one works as it is written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import OracleError
from oracle.families import FAMILIES, Family, register_family, to_spec
from oracle.families.many import depends, population_of
from oracle.spec import NetSpec
from tests.programs import imported

ROOT = Path(__file__).resolve().parents[3]

TOWER = '''"""Towers: blocks of one width."""

from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, head, network, tail
from oracle.families._checks import integer
from oracle.spec import CellSpec, NetSpec


def to_spec(cfg: Any) -> NetSpec:
    """The network of the TOWER section."""
    width, end = integer("TOWER.WIDTH", cfg.TOWER.WIDTH), tail(cfg)
    stem = CellSpec.make("simple_stem_in", w_in=IMAGE_CHANNELS, w_out=width, **end)
    block = CellSpec.make("res_basic_block", w_in=width, w_out=width, stride=1, **end)
    blocks = [block] * integer("TOWER.DEPTH", cfg.TOWER.DEPTH)
    return network(cfg, [stem, *blocks, head(cfg, width)], cfg.TRAIN.IM_SIZE)
'''
SPACE = """
SETUP:
  NUM_CONFIGS: 0
  NUM_SAMPLES: 100
  BASE_CFG: {MODEL: {TYPE: tower}, TRAIN: {IM_SIZE: 32}}
  SAMPLERS:
    TOWER.WIDTH: {TYPE: value_sampler, VALUES: [8, 16]}
    TOWER.DEPTH: {TYPE: value_sampler, VALUES: [1, 2, 3]}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources, in which the recipe of docs/howto/family.md is followed word by word."""
    for folder in ("oracle", "search", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    families, schema = tmp_path / "oracle" / "families", tmp_path / "oracle" / "config" / "schema.py"
    (families / "tower.py").write_text(TOWER, encoding="utf-8")
    registry = families / "__init__.py"
    line = re.search(
        r"`(register_family\(.*?\))` in `__init__\.py`",
        (ROOT / "docs" / "howto" / "family.md").read_text(encoding="utf-8"),
    )
    assert line
    own = line[1].replace('"name", "SECTION"', '"tower", "TOWER"')
    last = 'register_family(Family.own("vit", "VIT"))\n'
    registry.write_text(registry.read_text(encoding="utf-8").replace(last, f"{last}{own}\n"), encoding="utf-8")
    first = "DEFAULTS: dict[str, dict[str, Any]] = {\n"
    section = '    "TOWER": {"WIDTH": 16, "DEPTH": 1},\n'
    schema.write_text(schema.read_text(encoding="utf-8").replace(first, first + section), encoding="utf-8")
    return tmp_path


def run(folder: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_recipe_of_the_documentation_is_all_it_takes(checkout: Path) -> None:
    (checkout / "net.yaml").write_text("MODEL: {TYPE: tower}\nTOWER: {DEPTH: 2}\nTRAIN: {IM_SIZE: 32}\n")
    (checkout / "towers.yaml").write_text(SPACE)

    (cost,) = json.loads(run(checkout, "oracle", "score", "net.yaml", "-d", "t4", "--format", "json"))["networks"]
    run(checkout, "search.cli", "sweep", "towers.yaml", "--device", "t4", "--out", "out")
    listed = run(checkout, "search.cli", "pareto", "out", "--objective", "max macs", "--format", "csv")

    assert cost["name"] == "net"
    assert cost["macs"] > 0
    assert "TOWER.WIDTH" in listed


def test_a_family_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FAMILIES, "vit")  # to be put back, whatever happens here
    made: list[str] = []

    def mine(cfg: object) -> NetSpec:
        made.append("mine")
        return NetSpec((), (3, 8, 8))

    family = register_family(Family("vit", "VIT", mine))
    cfg = cfg_from_dict({"MODEL": {"TYPE": "vit"}})

    assert to_spec(cfg) == family(cfg) == NetSpec((), (3, 8, 8))
    assert made == ["mine", "mine"]
    with pytest.raises(OracleError, match="'vit' is already registered, with section VIT"):
        register_family(family)


def test_a_registered_family_is_known_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "mine", Family("mine", "RESNET", FAMILIES["resnet"].to_spec))
    cfg = load_cfg("ResNet-50", ["MODEL.TYPE", "mine"])
    population, rows, rejected = population_of(cfg, {"MODEL.DEPTH": np.array([50, 51, 101])})

    assert depends("mine", "RESNET.NUM_GROUPS")
    assert (population.size, rows.tolist(), rejected) == (2, [0, 2], {"MODEL.DEPTH": 1})


@pytest.mark.parametrize("name", ["RegNetX-200MF", "ViT-B-16", "ResNet-50"])
def test_a_config_imports_its_own_family_only(name: str) -> None:
    families = {f"oracle.families.{family}" for family in ("regnet", "vit", "resnet", "effnet", "fbnet")}
    code = f"from oracle import load_cfg, to_spec; to_spec(load_cfg({name!r}))"

    assert imported(code, families | {"numpy", "torch"}) == {f"oracle.families.{load_cfg(name).MODEL.TYPE}"}
