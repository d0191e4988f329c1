from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

import oracle
from oracle.calibration import Calibration, save_calibration
from oracle.errors import ConfigError, OracleError
from oracle.roofline import Efficiency
from search.study import Results, StudyPlan, open_results, run_study, study_of
from search.study.candidates import gate_of
from search.study.results import find_study
from tests.search.study.conftest import SMALL

Make = Callable[..., StudyPlan]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("study") / "small.journal")


@pytest.fixture
def results(storage: str, make_plan: Make) -> Results:
    """Twenty evaluated networks; made once, and then read."""
    plan = make_plan(SAMPLER={"TYPE": "tpe", "STARTUP": 4}, TRIALS=20, DEVICES=["raspberry-pi-4"])
    return run_study(plan, storage)


def test_every_trial_stores_what_it_is_and_what_it_costs(results: Results) -> None:
    for record in results.evaluated:
        cost = oracle.score(results.spec(record), devices=["raspberry-pi-4", "t4"])
        assert record.scores["macs"] == cost.macs
        assert record.scores["peak_memory_bytes"] == cost.peak_memory_bytes
        for device in ("raspberry-pi-4", "t4"):
            assert record.scores[f"latency_ms@{device}"] == pytest.approx(cost.latency_ms[device], rel=1e-12)
        assert record.values == (cost.macs, pytest.approx(cost.latency_ms["t4"]))
        assert record.constraints == {"structure": 0.0, "params": pytest.approx((cost.params or 0) / 20e3 - 1)}


def test_best_is_feasible_and_best(results: Results) -> None:
    values = [record.values for record in results.evaluated]
    assert all(record.scores["params"] <= 20e3 for record in results.evaluated)
    assert results.best().values[0] == max(value[0] for value in values)
    assert results.best("latency_ms@t4").values[1] == min(value[1] for value in values)
    largest = {"REGNET.DEPTH": 6, "REGNET.W0": 64, "REGNET.STEM_W": 16, "OPTIM.BASE_LR": 0.1}
    assert gate_of(results.plan).check(largest).scores["macs"] > results.best().values[0]
    assert results.ranked()[0] == results.best()
    assert [record.values[0] for record in results.ranked()] == sorted((v[0] for v in values), reverse=True)
    with pytest.raises(OracleError, match="expected one of macs, latency_ms@t4"):
        results.best("params")


def test_front_against_all_pairs_and_against_optuna(results: Results) -> None:
    values = {record.number: record.values for record in results.evaluated}
    by_hand = {
        number
        for number, (macs, ms) in values.items()
        if not any(a >= macs and b <= ms and (a, b) != (macs, ms) for a, b in values.values())
    }
    assert {record.number for record in results.front()} == by_hand
    assert by_hand <= {trial.number for trial in results.study.best_trials}


@pytest.mark.parametrize(
    "cost",
    [
        {},
        {"BATCH_SIZE": 8, "DTYPE": "float16", "RUNTIME": "engine", "LAYOUT": "nhwc"},
        {"BATCH_SIZE": 4, "MODE": "training"},
    ],
    ids=["defaults", "inference", "training"],
)
def test_winner_as_yaml_costs_what_the_study_says(tmp_path: Path, make_plan: Make, cost: dict[str, Any]) -> None:
    space = json.loads(json.dumps(SMALL))
    space["SETUP"]["BASE_CFG"]["OPTIM"] = {"OPTIMIZER": "adamw"}
    results = run_study(make_plan(SPACE=space, COST=cost, TRIALS=2), str(tmp_path / "s.journal"))
    record = results.best()
    path = tmp_path / "best.yaml"
    path.write_text(results.config(record))
    found = oracle.score(oracle.load_cfg(path), ["t4"])
    assert oracle.to_spec(oracle.load_cfg(path)) == results.spec(record)
    assert found.workload == results.plan.workload
    assert found.latency_ms["t4"] == pytest.approx(record.scores["latency_ms@t4"], rel=1e-12)
    assert [found.peak_memory_bytes, found.traffic_bytes] == [
        record.scores[name] for name in ("peak_memory_bytes", "traffic_bytes")
    ]
    written = yaml.safe_load(path.read_text())
    assert set(written.pop("COST")) == {"BATCH_SIZE", "DTYPE", "MODE", "RUNTIME", "LAYOUT"}
    assert yaml.safe_load(results.config(record, plain=True)) == written  # pycls does not know COST


def test_a_decoder_of_several_gpus_is_written_with_its_call(tmp_path: Path, make_plan: Make) -> None:
    space = {
        "SETUP": {
            "SAMPLERS": {"DECODER.LAYERS": {"TYPE": "grid_sampler", "RANGE": [2, 4], "STEP": 2}},
            "BASE_CFG": {
                "MODEL": {"TYPE": "decoder"},
                "DECODER": {"VOCAB": 320, "WIDTH": 64, "HEADS": 4, "FF": 128},
                "COST": {"PHASE": "decode", "PAST": 31, "PARALLEL": {"TP": 2}},
            },
        }
    }
    cost = {"BATCH_SIZE": 4, "DTYPE": "bfloat16", "WEIGHTS": "bfloat16", "RUNTIME": "compiled"}
    plan = make_plan(
        SPACE=space, COST=cost, OBJECTIVES=["minimise latency_ms@h100-sxm"], CONSTRAINTS=[], QUALITY="none", TRIALS=2
    )
    results = run_study(plan, str(tmp_path / "s.journal"))
    winner, path = results.best(), tmp_path / "best.yaml"
    path.write_text(results.config(winner))
    assert oracle.load_cfg(path).COST.PARALLEL.TP == 2
    found = oracle.score(oracle.load_cfg(path), ["h100-sxm"])
    assert found.latency_ms["h100-sxm"] == pytest.approx(winner.scores["latency_ms@h100-sxm"], rel=1e-12)
    assert found.kv_cache_bytes == winner.scores["kv_cache_bytes"]


def test_rerank_is_scoring_anew(results: Results) -> None:
    ranked = results.rerank("jetson-nano")
    assert len(ranked) == len(results.evaluated)
    direct = {r.number: oracle.score(results.spec(r), devices=["jetson-nano"]) for r in results.evaluated}
    for row in ranked:
        assert row.latency_ms == pytest.approx(direct[row.record.number].latency_ms["jetson-nano"], rel=1e-12)
    assert [row.latency_ms for row in ranked] == sorted(row.latency_ms for row in ranked)
    pairs = [(row.record.values[0], row.latency_ms) for row in ranked]
    for row, (macs, ms) in zip(ranked, pairs, strict=True):
        beaten = any(a >= macs and b <= ms and (a, b) != (macs, ms) for a, b in pairs)
        assert row.on_front == (not beaten)


def test_rows_are_flat_and_alike(results: Results) -> None:
    rows = results.rows()
    assert len({tuple(row) for row in rows}) == 1
    record = results.evaluated[0]
    row = rows[record.number]
    assert row["latency_ms@t4"] == record.scores["latency_ms@t4"]
    assert row["constraint params"] == record.constraints["params"]
    assert row["REGNET.DEPTH"] == record.config["REGNET.DEPTH"]


def test_a_dashboard_sees_names(results: Results) -> None:
    assert results.study.metric_names == ["macs", "latency_ms@t4"]
    trial = results.study.trials[results.evaluated[0].number]
    assert set(trial.constraints) == {"structure", "params"}
    assert set(trial.params) == {"REGNET.DEPTH", "REGNET.W0", "REGNET.STEM_W", "OPTIM.BASE_LR"}


def test_a_study_is_found_by_file_name_or_journal(results: Results, storage: str, tmp_path: Path) -> None:
    assert find_study("digits") == ("digits", "digits.journal")
    assert find_study("digits", "sqlite:///x.db") == ("digits", "sqlite:///x.db")
    assert find_study(storage) == ("small", storage)
    assert len(open_results(storage).trials) == len(results.trials)
    with pytest.raises(OracleError, match=r"no study 'other' in .*; it has small"):
        open_results("other", storage)
    with pytest.raises(OracleError, match="no such file"):
        open_results("other", str(tmp_path / "none.journal"))
    optuna.create_study(storage=f"sqlite:///{tmp_path}/foreign.db", study_name="foreign")
    with pytest.raises(OracleError, match="was not made by oracle-search"):
        open_results("foreign", f"sqlite:///{tmp_path}/foreign.db")


def test_another_version_that_reads_a_config_otherwise_is_told(results: Results) -> None:
    from dataclasses import replace

    record: Any = results.evaluated[0]
    changed = replace(record, config={**record.config, "REGNET.DEPTH": record.config["REGNET.DEPTH"] + 1})
    with pytest.raises(OracleError, match="is another network to this version"):
        results.spec(changed)


def test_a_plan_that_names_no_model_was_of_bounds(make_plan: Make, tmp_path: Path) -> None:
    """Studies of old knew bounds alone: read, reranked and told as such, and not gone on with as predictions."""
    storage = str(tmp_path / "old.journal")
    made = run_study(make_plan(MODEL="roofline", TRIALS=3), storage)
    made.study.set_user_attr("plan", {key: value for key, value in made.plan.values.items() if key != "MODEL"})
    found = open_results("small", storage)
    assert (found.plan.model, found.plan.trust, found.trust_on("l4")) == ("roofline", {}, {})
    assert "# Its latencies are by `--model roofline`." in found.config(found.best())
    for ranked in found.rerank("l4"):
        cost = oracle.score(found.spec(ranked.record), ["l4"])
        assert ranked.latency_ms == pytest.approx(cost.roofline_ms["l4"], rel=1e-12)
    with pytest.raises(OracleError, match='with another MODEL: "roofline"; expected the same'):
        run_study(make_plan(TRIALS=4), storage)


def test_latency_by_a_calibration(make_plan: Make, tmp_path: Path) -> None:
    """Every trial, a rerank and a resume have the latency that `score` predicts with the same calibration."""
    save_calibration(
        Calibration("t4", "eager", "inference", "float32", "nchw", Efficiency(call_s=0.5)), tmp_path / "mine.yaml"
    )
    plan = make_plan(MODEL="calibrated", CALIBRATIONS=[str(tmp_path / "mine.yaml")], TRIALS=4)
    again = study_of(json.loads(json.dumps(plan.values)))
    (tmp_path / "mine.yaml").rename(tmp_path / "moved.yaml")  # the study holds its content
    run_study(plan, str(tmp_path / "small.journal"))
    results = run_study(again, str(tmp_path / "small.journal"))
    assert "`--model calibrated`" in results.config(results.best())
    words = {"model": "calibrated", "calibrations": [tmp_path / "moved.yaml"]}
    ranked = {row.record.number: row.latency_ms for row in results.rerank("t4")}
    assert len(ranked) == 4
    for record in results.evaluated:
        cost = oracle.score(results.spec(record), ["t4"], **words)
        assert cost.latency_ms["t4"] > 500
        assert record.scores["latency_ms@t4"] == ranked[record.number] == pytest.approx(cost.latency_ms["t4"])
    with pytest.raises(ConfigError, match="another MODEL"):
        run_study(make_plan(TRIALS=4), str(tmp_path / "small.journal"))


def test_a_limit_with_confidence_decides_by_the_end_of_the_interval(make_plan: Make, tmp_path: Path) -> None:
    found = run_study(make_plan(CONSTRAINTS=[]), str(tmp_path / "a.journal")).evaluated
    highs = sorted(_high_ms(record) for record in found)
    limit = highs[len(highs) // 2]
    plan = make_plan(CONSTRAINTS=[f"latency_ms@t4 <= {limit!r} at 90%"], TRIALS=10)
    results = run_study(plan, str(tmp_path / "b.journal"))
    name = "latency_ms@t4 at 90%"
    assert results.plan.labels[name] == name
    seen = {True: 0, False: 0}
    for record in results.trials:
        if record.scores:
            high = _high_ms(record)
            assert record.constraints[name] == pytest.approx(high / limit - 1)
            seen[record.feasible] += 1
    assert seen[True] >= 10
    assert study_of(results.plan.values).bounds == results.plan.bounds
    with pytest.raises(ConfigError, match=r"CONSTRAINTS: limit latency_ms@t4 at 90%: no error is known"):
        make_plan(CONSTRAINTS=["latency_ms@t4 <= 3 at 90%"], MODEL="roofline")


def _cfg(record: Any) -> Any:
    flat = [part for pair in record.config.items() for part in pair]
    return oracle.cfg_from_dict(SMALL["SETUP"]["BASE_CFG"], flat)


def _high_ms(record: Any) -> float:
    interval_ms = oracle.score(_cfg(record), ["t4"]).times["t4"].interval_ms
    assert interval_ms is not None
    return interval_ms[1]


def test_trials_of_the_front_that_the_error_does_not_tell_apart(results: Results) -> None:
    front = results.front()
    low, high = results.plan.trust["t4"].interval
    tied = results.tied(front)
    assert tied == {
        one.number: [
            other.number
            for other in front
            if other is not one
            and other.values[0] >= one.values[0]
            and other.values[1] <= one.values[1] * (high / low) ** 0.5**0.5
        ]
        for one in front
    }
    assert any(tied.values())
    assert results.tied([]) == {}


def test_nothing_ties_where_no_error_is_known(make_plan: Make, tmp_path: Path) -> None:
    results = run_study(make_plan(MODEL="roofline", TRIALS=3), str(tmp_path / "c.journal"))
    assert results.tied(results.front()) is None
    exact = run_study(make_plan(OBJECTIVES=["maximise macs"], TRIALS=3), str(tmp_path / "d.journal"))
    assert exact.tied(exact.front()) == {exact.front()[0].number: []}
