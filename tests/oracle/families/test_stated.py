"""What cells say of a call is what the config said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.cli import main
from oracle.families.population import Population
from oracle.families.stated import Stated, stated, stated_of_many
from oracle.search import read_candidates, sweep
from oracle.spec import Workload

_CALLS: list[dict[str, Any]] = [
    {"PHASE": "prefill", "PROMPT": 512},
    {"PHASE": "prefill", "PROMPT": 30, "PAST": 500, "PARALLEL": {"TP": 4, "PP": 2}},
    {"PHASE": "decode", "PAST": 500},
    {"PHASE": "decode", "PROMPT": 700, "PARALLEL": {"TP": 2}},
    {"PHASE": "training", "PROMPT": 64},
]
_NAMES = ("GPT-2", "Llama-3.2-1B", "DeepSeek-V2-Lite", "Gemma-3-1B")


def _cfg(name: str, call: dict[str, Any]) -> Any:
    return oracle.load_cfg(name, {f"COST.{key}": value for key, value in call.items()})


def _expected(call: dict[str, Any]) -> Stated:
    ways = {"TP": 1, "PP": 1, "EP": 1} | call.get("PARALLEL", {})
    past = call.get("PAST") or (call["PROMPT"] if call["PHASE"] == "decode" else 0)
    return Stated(call["PHASE"], past, ways["TP"], ways["PP"], ways["EP"])


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("call", _CALLS)
def test_phase_past_and_gpus_are_those_of_the_config(name: str, call: dict[str, Any]) -> None:
    assert oracle.score(_cfg(name, call)).call == _expected(call)


def test_a_prompt_of_one_token_is_told_from_a_step_where_costs_differ() -> None:
    call = {"PHASE": "prefill", "PROMPT": 1, "PAST": 500}
    assert oracle.score(_cfg("DeepSeek-V2-Lite", call)).call.phase == "prefill"
    one, step = (_cfg("GPT-2", own) for own in (call, {"PHASE": "decode", "PAST": 500}))
    assert oracle.to_spec(one) == oracle.to_spec(step)


def test_networks_of_images_state_nothing() -> None:
    cost = oracle.score("R-56")
    assert cost.call == Stated("", 0, 1, 1, 1)
    assert "phase" not in oracle.score_many(["R-56"]).columns()


def test_columns_are_those_of_each() -> None:
    workload = Workload(dtype="bfloat16", weights="bfloat16")
    nets = [oracle.to_spec(_cfg(name, call)) for name in _NAMES for call in _CALLS[:-1]]
    few, many = stated_of_many(nets, workload), stated_of_many(Population.of(nets), workload)
    assert {name: column.tolist() for name, column in few.items()} == {
        name: column.tolist() for name, column in many.items()
    }
    for row, net in enumerate(nets):
        assert Stated(*(many[name][row] for name in Stated._fields)) == stated(net, workload)
        assert many["tokens"][row] == net.input_shape[0]


@pytest.mark.parametrize("form", ["json", "csv"])
def test_every_format_of_a_command_states_them(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    call = ["--set", "COST.PHASE", "decode", "--set", "COST.PAST", "500", "--set", "COST.PARALLEL.TP", "4"]
    for command in (["score"], ["rank"], ["score", "--batch", "1,4"]):
        names = ["Llama-3.2-1B", "Qwen3-8B"] if command == ["rank"] else ["Llama-3.2-1B"]
        assert main([*command, *names, "-d", "h100-sxm", *call, "--format", form]) == 0
        text = capsys.readouterr().out
        if form == "csv":
            header, *lines = [line.split(",") for line in text.splitlines()]
            found = [dict(zip(header, line, strict=False)) for line in lines]
        else:
            answer = json.loads(text)
            found = answer.get("networks") or answer.get("curves")
        assert [{name: str(row[name]) for name in ("tokens", *Stated._fields)} for row in found] == [
            {"tokens": "1", "phase": "decode", "past": "500", "tp": "4", "pp": "1", "ep": "1"}
        ] * len(found)
        assert found


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_candidates_of_a_sweep_state_them(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    sweep("decoder-3b", ["h100-sxm"], n=5, out=tmp_path / "swept", formats=(form,))
    for row in read_candidates(tmp_path / "swept").rows(range(3)):
        assert {name: row[name] for name in ("tokens", *Stated._fields)} == {
            "tokens": 1, "phase": "decode", "past": 2048, "tp": 1, "pp": 1, "ep": 1,
        }  # fmt: skip
        assert row["kv_bytes_per_token"] * 2064 == row["kv_cache_bytes"]
