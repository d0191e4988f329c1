"""Values of engines and links as files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle._resources import shipped
from oracle.collectives import link_values
from oracle.errors import ConfigError
from oracle.fitted import numbers_in, read_serving, shared_keys
from oracle.serving import engines
from oracle.serving.engines import ENGINES, engine_named, reach_in_engines


def test_every_shipped_file_is_read_and_says_where_it_is_from() -> None:
    origins = [engine_named(name).origin for name in ENGINES]
    origins += [link_values(kind)[1] for kind in ("nvlink", "pcie")] + [reach_in_engines()[1]]
    assert len(origins) == len(shipped("serving"))
    assert all("aiconfigurator" in origin.source and origin.measurements > 0 and origin.error for origin in origins)


def test_shares_are_shares() -> None:
    reach, _ = reach_in_engines()
    for name in ("product", "narrow", "prefilling", "decoding", "memory", "cache", "reduce"):
        assert 0 < getattr(reach, name) <= 1
    for name in ENGINES:
        engine = engine_named(name)
        assert 0 < engine.memory_share <= 1
        assert 0 <= engine.in_step_tpot <= 1
        assert 0 <= engine.in_step_ttft <= 1


def test_a_host_that_overlaps_hides_behind_the_gpu_until_it_takes_longer() -> None:
    alone = replace(engine_named("vllm"), overlaps=False, step_s=1.0, sequence_s=0.5)
    ahead = replace(alone, overlaps=True)
    assert [alone.paced_s(seconds, 4) for seconds in (2.0, 3.0, 5.0)] == [5.0, 6.0, 8.0]
    assert [ahead.paced_s(seconds, 4) for seconds in (2.0, 3.0, 5.0)] == [3.0, 3.0, 5.0]
    assert {name for name in ENGINES if engine_named(name).overlaps} == {"tensorrt-llm", "sglang"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"GAP_US": None}, "GAP_US is missing"),
        ({"SOURCE": None}, "SOURCE is missing"),
        ({"GAP": 1}, "GAP: unknown key; did you mean GAP_US"),
        ({"GAP_US": -1}, "GAP_US=-1: expected a number, 0 or more"),
        ({"GAP_US": 10**400}, r"GAP_US=10+\.\.\.0+: expected a number, 0 or more"),
        ({"MEMORY": 0}, "MEMORY=0: expected a number above 0"),
        ({"ERROR": 0.1}, "ERROR=0.1: expected a mapping of numbers"),
    ],
)
def test_broken_content_is_an_error(changes: dict[str, object], message: str) -> None:
    content, _ = read_serving("gpu")
    keys = {name: (name, 1.0) for name in content if name not in ("SOURCE", "LICENCE", "DATE", "PROTOCOL")}
    keys = {name: key for name, key in keys.items() if name not in ("ERROR", "MEASUREMENTS")}
    broken = {key: value for key, value in {**content, **changes}.items() if value is not None}
    with pytest.raises(ConfigError, match=message):
        _read(broken, keys)


def _read(content: dict[str, object], keys: dict[str, tuple[str, float]]) -> None:
    shared_keys(content, "file", tuple(keys))
    numbers_in(content, "file", keys, ("MEMORY",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ERROR": {"DENSE_TPOT": 0.1}}, "ERROR.DENSE_TPOT_MEDIAN is missing"),
        ({"CHUNK_TOKENS": 0.5}, "CHUNK_TOKENS=0.5: expected a whole number, 1 or more"),
        ({"MIXES": 1}, "MIXES=1: expected true or false"),
    ],
)
def test_a_broken_engine_is_an_error(changes: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, _ = read_serving("vllm")
    monkeypatch.setattr(engines, "read_serving", lambda _: ({**content, **changes}, "file"))
    with pytest.raises(ConfigError, match=message):
        engine_named.__wrapped__("vllm")


def test_a_file_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ConfigError, match="serving values 'nvlink5': expected one of gpu, nvlink"):
        read_serving("nvlink5")
