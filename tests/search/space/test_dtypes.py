"""Types by stage as knobs of spaces, sweeps and studies."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.config import load_cfg
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.fingerprint import fingerprint
from search.space import Space, space_of
from search.space.membership import strays
from search.study import run_study, study_of
from search.sweep import sweep

TYPES = ("float16", "int8")
SETUP: dict[str, Any] = {
    "BASE_CFG": {
        "MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10},
        "REGNET": {"DEPTH": 4, "W0": 16, "WA": 16.0, "WM": 2.0, "GROUP_W": 8},
        "TRAIN": {"IM_SIZE": 64},
        "COST": {"ENGINE": "tensorrt", "DTYPE": "float16", "DTYPES": {"stem": "float32"}},
    },
    "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [0, 0]}},
    "SAMPLERS": {
        "COST.DTYPES.s1": {"TYPE": "value_sampler", "VALUES": list(TYPES)},
        "COST.DTYPES.s2": {"TYPE": "value_sampler", "VALUES": list(TYPES)},
    },
}
WORDS: dict[str, Any] = {"engine": "tensorrt", "dtype": "float16"}


def space(**changes: Any) -> Space:
    return space_of({"SETUP": {**SETUP, **changes}})


def one_by_one() -> dict[tuple[str, str], oracle.Cost]:
    found = {}
    for first, second in itertools.product(TYPES, TYPES):
        dtypes = {"stem": "float32", "s1": first, "s2": second}
        cfg = oracle.config.cfg_from_dict({**SETUP["BASE_CFG"], "COST": {}})
        found[first, second] = oracle.score(to_spec(cfg), ["t4"], dtypes=dtypes, **WORDS)
    return found


@pytest.mark.parametrize("more", [{}, {"REGNET.DEPTH": {"TYPE": "grid_sampler", "VALUES": [4]}}])
def test_members_are_the_networks_of_their_configs(more: dict[str, Any]) -> None:
    members = space(SAMPLERS={**more, **SETUP["SAMPLERS"]})
    assert members.size == 4
    assert members.stated_dtypes == ("float32", *TYPES)
    chunk = members.chunk(0)
    specs = list(chunk.population.specs())
    assert specs == [to_spec(members.cfg(chunk.columns, row)) for row in range(4)]
    assert [fingerprint(net) for net in specs] == list(zip(*chunk.prints.tolist(), strict=True))
    scores = oracle.score_many(chunk.population, ["t4"], **WORDS)
    expected = list(one_by_one().values())
    assert scores.traffic_bytes.tolist() == [cost.traffic_bytes for cost in expected]
    assert scores.flash_bytes.tolist() == [cost.flash_bytes for cost in expected]
    assert scores.latency_ms["t4"].tolist() == pytest.approx([cost.latency_ms["t4"] for cost in expected], rel=1e-12)


def test_a_config_is_a_member_or_strays() -> None:
    members = space()
    inside = members.cfg(members.sample(0, 1), 0)
    assert not list(strays(members, inside))
    outside = oracle.config.cfg_from_dict(inside, {"COST.DTYPES.s1": "bfloat16", "COST.DTYPES.head": "int8"})
    assert {stray.key for stray in strays(members, outside)} == {"COST.DTYPES.s1", "COST.DTYPES.head"}


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("COST.DTYPES.s1", ["int4"], "value 'int4': expected one of float32"),
        ("COST.DTYPES.stage1", ["int8"], "the key is not a stage or cell"),
        ("COST.DTYPE", ["int8"], "expected a key of REGNET, MODEL or TRAIN, or COST.DTYPES.s3, say"),
    ],
)
def test_what_is_no_type_of_a_stage_is_refused(key: str, values: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space(SAMPLERS={key: {"TYPE": "value_sampler", "VALUES": values}})


def test_a_sweep_writes_types_and_reads_them_back(tmp_path: Path) -> None:
    from search.cli import main

    found = sweep(space(), ["t4"], out=tmp_path / "out", **WORDS)
    assert found.count == 4
    lines = (tmp_path / "out" / "candidates.csv").read_text().splitlines()
    assert lines[0].startswith("row,COST.DTYPES.s1,COST.DTYPES.s2,")
    configs = tmp_path / "configs"
    words = ["--objective", "min latency_ms@t4", "--objective", "min flash_bytes", "--configs", str(configs)]
    assert main(["pareto", str(tmp_path / "out"), *words]) == 0
    best = min(one_by_one().values(), key=lambda cost: cost.latency_ms["t4"])
    read = [oracle.score(load_cfg(path)) for path in configs.iterdir()]
    assert min(cost.latency_ms["t4"] for cost in read) == pytest.approx(best.latency_ms["t4"], rel=1e-12)
    assert min(read, key=lambda cost: cost.latency_ms["t4"]).dtypes == best.dtypes


@pytest.mark.parametrize("sampler", ["exact", "tpe", "random"])
def test_a_study_turns_types(tmp_path: Path, sampler: str) -> None:
    plan = study_of(
        {
            "SPACE": {"SETUP": SETUP},
            "COST": {"ENGINE": "tensorrt", "DTYPE": "float16"},
            "OBJECTIVES": ["minimise latency_ms@t4"],
            "SAMPLER": sampler,
            "TRIALS": 4,
        },
        "types",
    )
    results = run_study(plan, str(tmp_path / "s.journal"))
    best = min(one_by_one().values(), key=lambda cost: cost.latency_ms["t4"])
    found = results.best()
    if sampler == "exact":
        assert found.config == {"COST.DTYPES.s1": best.dtypes["s1"], "COST.DTYPES.s2": best.dtypes["s2"]}
        assert found.values[0] == pytest.approx(best.latency_ms["t4"], rel=1e-12)
    (tmp_path / "best.yaml").write_text(results.config(found))
    again = oracle.score(load_cfg(tmp_path / "best.yaml"), ["t4"])
    assert again.latency_ms["t4"] == pytest.approx(found.values[0], rel=1e-12)
    assert set(again.dtypes) == {"stem", "s1", "s2"}
