"""What requests get, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

import oracle
from oracle.errors import ConfigError, DeviceError, OracleError, WorkloadError
from oracle.serve.answers import devices, error_data, json_bytes, networks, scored, scored_many
from oracle.serve.requests import Query, query_of

REGNET: dict[str, Any] = {
    "MODEL": {"TYPE": "regnet"},
    "REGNET": {"DEPTH": 13, "W0": 24, "WA": 36.0, "WM": 2.5, "GROUP_W": 8},
}
YAML = "MODEL: {TYPE: regnet}\nREGNET: {DEPTH: 13, W0: 24, WA: 36.0, WM: 2.5, GROUP_W: 8}\n"


def parsed(query: str = "") -> Query:
    return query_of([tuple(pair.split("=", 1)) for pair in query.split("&") if pair])  # type: ignore[misc]


@pytest.mark.parametrize("content", [REGNET, YAML, [REGNET], "regnetx-400mf"])
def test_a_config_in_every_form(content: Any) -> None:
    (found,) = scored(content, parsed("device=t4&batch_size=8&dtype=float32"))["networks"]
    cfg = oracle.load_cfg("RegNetX-400MF") if content == "regnetx-400mf" else oracle.cfg_from_dict(REGNET)
    assert found == oracle.score(cfg, ["t4"], batch_size=8).to_dict()


def test_a_config_may_start_from_a_shipped_one() -> None:
    (found,) = scored({"_BASE_": "RegNetX-400MF", "REGNET": {"DEPTH": 20}}, parsed("device=t4"))["networks"]
    assert found == oracle.score(oracle.load_cfg("RegNetX-400MF", ["REGNET.DEPTH", 20]), ["t4"]).to_dict()


def test_columns_are_those_of_score_many() -> None:
    nets = ["ResNet-50", REGNET]
    found = scored_many(nets, parsed("device=t4&device=tesla-p4&runtime=compiled&model=roofline"))
    expected = oracle.score_many(
        ["ResNet-50", oracle.cfg_from_dict(REGNET)], ["t4", "p4"], runtime="compiled", model="roofline"
    )
    assert found == expected.to_dict()


def test_a_config_names_its_own_devices_and_workload() -> None:
    own = {**REGNET, "COST": {"DEVICES": ["t4"], "BATCH_SIZE": 4}}
    (found,) = scored(own, parsed())["networks"]
    assert (list(found["devices"]), found["workload"]["batch_size"]) == (["t4"], 4)
    assert list(scored(own, parsed("device=l4"))["networks"][0]["devices"]) == ["l4"]
    assert "latency_ms@t4" in scored_many([own], parsed())["columns"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("ResNet-51", "ResNet-50"),
        ("/etc/passwd", "expected the name of a shipped network"),
        ("configs/networks/resnet/ResNet-50.yaml", "expected the name of a shipped network"),
        ("README.md", "expected the name of a shipped network"),
        ("pyproject", "expected the name of a shipped network"),
        ("torchvision:resnet50", "references and paths are not opened"),
        ("os:system('true')", "references and paths are not opened"),
        ("!!python/object/apply:os.system ['true']\nMODEL: 3", "tag"),
        ({"_BASE_": "/etc/passwd"}, "expected the name of a shipped network"),
        ({"_BASE_": ["ResNet-50"]}, "expected the name of a shipped network"),
        ({"_BASE_": "ResNet-50", "MODEL": 3}, "expected a section with keys"),
        ({"MODEL": {"TYPE": "x"}}, "expected one of"),
        ({**REGNET, "COST": {"DEVICES": ["my/board.yaml"]}}, "files are not opened"),
        (3, "expected a config"),
        ([[]], "expected a config"),
        ([], "at least one network"),
        (["ResNet-50", {"REGNET": {"DETPH": 3}, "MODEL": {"TYPE": "regnet"}}], r"\[1\]\.REGNET\.DETPH"),
        (["ResNet-50", {"REGNET": {"WM": 0.5}, "MODEL": {"TYPE": "regnet"}}], r"\[1\]\.REGNET\.WM"),
    ],
)
def test_what_is_no_config_says_so(content: Any, words: str) -> None:
    for answer in (scored, scored_many):
        with pytest.raises(OracleError, match=words):
            answer(content, parsed())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("batch=8", "did you mean batch_size"),
        ("batch_size=x", "batch_size='x': expected a count"),
        ("batch_size=0", "at least 1"),
        ("batch_size=1&batch_size=2", "expected it once"),
        ("dtype=float17", "float16"),
        ("device=t5", "t5"),
        ("device=./t4.yaml", "files are not opened"),
        ("calibrations=x", "no field of a workload"),
        ("strict=maybe", "true or false"),
        ("model=best&convention=nobody", "nobody"),
    ],
)
def test_words_that_cannot_be(query: str, words: str) -> None:
    with pytest.raises(OracleError, match=words):
        scored("ResNet-50", parsed(query))


def test_lists() -> None:
    assert [device["name"] for device in devices()["devices"]].count("t4") == 1
    assert "ResNet-50" in networks()["networks"]


def test_errors_as_data() -> None:
    told = {
        "key": "REGNET.DEPTH", "value": "-1", "expected": "an integer of at least 1",
        "type": "ConfigError", "message": "REGNET.DEPTH: value -1: expected an integer of at least 1",
    }  # fmt: skip
    error = ConfigError("value -1: expected an integer of at least 1", key="REGNET.DEPTH")
    assert error_data(error) == {"error": told}
    of = error_data(WorkloadError("batch_size=0: expected at least 1"))["error"]
    assert (of["type"], of["key"], of["value"], of["expected"]) == ("WorkloadError", "batch_size", "0", "at least 1")
    of = error_data(DeviceError("device='t5' is unknown; did you mean t4?"))["error"]
    assert (of["key"], of["value"], of["expected"]) == ("device", "t5", None)


def test_json_has_no_numbers_that_json_lacks() -> None:
    assert json.loads(json_bytes({"a": float("nan"), "b": [float("inf")]})) == {
        "oracle": oracle.__version__, "a": None, "b": [None]
    }  # fmt: skip
