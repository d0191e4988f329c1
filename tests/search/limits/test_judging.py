from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import optuna
import pytest

import oracle
import search
from oracle.errors import ConfigError, OracleError
from search.limits import OracleLimits, oracle_limits
from search.study.params import Parameters

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def limits() -> OracleLimits:
    return oracle_limits("latency_ms@t4 <= 20 at 90%", "params <= 30e6", space="regnetx", batch_size=8)


def test_it_is_public() -> None:
    assert search.oracle_limits is oracle.search.oracle_limits is oracle_limits
    with pytest.raises(AttributeError):
        oracle_limits("params <= 3").limits = ()  # type: ignore[misc]


def test_any_network_is_judged_by_its_score() -> None:
    found = oracle_limits("params <= 20e6", "latency_ms@t4 <= 30", batch_size=8)
    for name in ("ResNet-50", "RegNetX-400MF", "EfficientNet-B0"):
        score = oracle.score(name, ["t4"], batch_size=8)
        assert found.feasible(name) == (score.params <= 20e6 and score.latency_ms["t4"] <= 30)
        assert found.feasible(oracle.load_cfg(name)) == found.feasible(oracle.to_spec(oracle.load_cfg(name)))
    assert [str(one) for one in found.explain("ResNet-50")] == ["params: 25,557,032, expected at most 20,000,000"]


def test_a_confidence_is_the_end_of_the_interval(limits: OracleLimits) -> None:
    (_, high) = oracle.score("ResNet-50", ["t4"], batch_size=8).times["t4"].interval_ms
    broken = {one.name: one for one in limits.explain("ResNet-50")}["latency_ms@t4 at 90%"]
    assert broken.value == pytest.approx(high)
    assert broken.excess == pytest.approx(high / 20 - 1)


def test_one_by_one_in_lists_and_in_columns_alike(limits: OracleLimits) -> None:
    assert limits.space is not None
    columns = limits.space.sample(0, 3_000)
    mask = limits.mask(columns)
    rows = [*np.flatnonzero(mask)[:10], *np.flatnonzero(~mask)[:30]]
    cfgs = [limits.space.cfg(columns, int(row)) for row in rows]
    assert 0 < mask.sum() < 3_000
    assert limits.mask(cfgs).tolist() == mask[rows].tolist()
    assert [limits.feasible(cfg) for cfg in cfgs] == mask[rows].tolist()
    assert limits.filter(cfgs) == cfgs[:10]
    values = [{key: column[row] for key, column in columns.items()} for row in rows]
    assert limits.mask(values).tolist() == mask[rows].tolist()
    chunk = limits.space.chunk(0)  # members, whose costs alone are left to judge
    assert np.isin(
        chunk.rows[limits.mask(chunk.population)], np.flatnonzero(limits.mask(limits.space.sample(0, 160_000)))
    ).all()
    assert limits.mask([]).shape == (0,)
    assert limits.filter([]) == []


def test_what_is_outside_the_space_says_why(limits: OracleLimits) -> None:
    member = {
        "REGNET.DEPTH": 13,
        "REGNET.W0": 24,
        "REGNET.WA": 36.0,
        "REGNET.WM": 2.5,
        "REGNET.GROUP_W": 8,
        "REGNET.BOT_MUL": 1.0,
    }
    assert limits.feasible(member)
    cases = {
        "REGNET.WA": ({"REGNET.WA": 24.48}, "8 to 256 in steps of 0.1"),
        "REGNET.DEPTH": ({"REGNET.DEPTH": 30}, "12 to 28 in steps of 1"),
        "REGNET.SE_ON": ({"REGNET.SE_ON": True}, "False, as in the base of the space"),
        "REGNET.NUM_STAGES": ({"REGNET.WA": 8.0}, "4 stages, none skipped"),
    }
    for key, (change, expected) in cases.items():
        broken = {one.name: one.expected for one in limits.explain(member | change)}
        assert broken.get(key) == expected, key
        assert not limits.feasible(member | change)
        assert limits.constraints(member | change)["structure" if key.endswith("STAGES") else "space"] > 0
    assert limits.explain("ResNet-50")[0].name == "MODEL.TYPE"
    impossible = limits.explain(member | {"REGNET.WM": 0.5})
    assert {one.name: one.value for one in impossible}["REGNET.WM"] in (0.5, "no network")
    assert set(limits.constraints(member | {"REGNET.WM": 0.5}).values()) == {0.75, 1.0}
    with pytest.raises(ConfigError, match=r"REGNET\.DETPH: no key of a network; did you mean REGNET\.DEPTH\?"):
        limits.feasible(member | {"REGNET.DETPH": 3})


def test_columns_may_leave_out_what_the_base_says() -> None:
    found = oracle_limits(space="nasbench201")
    assert found.mask({"NB201.OPS": np.array([["none"] * 5 + ["skip_connect"], ["none"] * 5 + ["relu"]])}).tolist() == [
        True,
        False,
    ]
    regnetx = oracle_limits(space="regnetx")
    with pytest.raises(OracleError, match=r"no REGNET\.WA"):
        regnetx.mask({"REGNET.DEPTH": np.array([13])})
    with pytest.raises(OracleError, match="expected one length"):
        regnetx.mask({"REGNET.DEPTH": np.array([13]), "REGNET.W0": np.array([8, 16])})
    with pytest.raises(OracleError, match="need the space"):
        oracle_limits("params <= 3e6").mask({"REGNET.DEPTH": np.array([13])})
    columns = {**load("regnetx").sample(0, 200), "REGNET.SE_ON": np.arange(200) % 2 == 0}
    assert not regnetx.mask(columns)[::2].any()
    assert regnetx.mask(columns)[1::2].any()


def load(name: str) -> search.Space:
    return search.load_space(name)


def test_an_optuna_study_learns_from_it(limits: OracleLimits) -> None:
    def objective(trial: optuna.Trial) -> float:
        cfg = limits.suggest(trial)
        if not limits.constrain(trial, cfg):
            raise optuna.TrialPruned
        return float(oracle.score(cfg).macs or 0)

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=30)

    assert limits.space is not None
    assert set(study.trials[0].params) == set(Parameters.of(limits.space).distributions)
    for trial in study.trials:
        feasible = all(value <= 0 for value in trial.constraints.values())
        assert tuple(trial.constraints) == limits.names
        assert feasible == (trial.state == optuna.trial.TrialState.COMPLETE)
        assert feasible == limits.feasible(trial.user_attrs["config"])
        assert limits.constraints_func(trial) == pytest.approx(tuple(trial.constraints.values()))


def test_it_is_a_constraints_func_of_parameters_by_the_keys_of_the_space(limits: OracleLimits) -> None:
    def objective(trial: optuna.Trial) -> float:
        trial.suggest_int("REGNET.DEPTH", 12, 28)
        trial.suggest_int("REGNET.W0", 8, 256, step=8)
        trial.suggest_float("REGNET.WA", 8, 256, step=0.1)
        trial.suggest_float("REGNET.WM", 2, 3, step=0.001)
        trial.suggest_int("REGNET.GROUP_W", 8, 128, step=8)
        trial.suggest_int("unrelated", 0, 3)
        return 0.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna 5 would rather have Trial.set_constraint
        sampler = optuna.samplers.TPESampler(seed=0, constraints_func=limits.constraints_func)
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=4)
    assert [len(trial.constraints) for trial in study.trials] == [4] * 4
    other = optuna.trial.create_trial(params={}, distributions={}, value=0)
    with pytest.raises(OracleError, match=r"attribute `config`, or parameters by the keys of space 'regnetx'"):
        limits.constraints_func(other)
    told = optuna.trial.create_trial(
        params={}, distributions={}, value=0, user_attrs={"config": {"REGNET": {"DEPTH": 30}}}
    )
    assert limits.constraints_func(told)[0] > 0


def test_the_limits_of_the_space_count(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(
        "_BASE_: regnetx\nSETUP: {CONSTRAINTS: {CX: {PARAMS: [0, 5e6]}, LIMITS: [latency_ms@t4 <= 3]}}\n".replace(
            "regnetx", str(search.space.files.locate("regnetx", "spaces"))
        )
    )
    found = oracle_limits("params >= 1e6", space=path)
    assert [(limit.name, str(limit)) for limit in found.limits] == [
        ("params", "1,000,000 to 5,000,000"),
        ("latency_ms@t4", "at most 3"),
    ]


def test_words_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"limits\[0\]: value 'params < 3'"):
        oracle_limits("params < 3")
    with pytest.raises(ConfigError, match=r"no error is known.*'rtx-4090'.*fitted to float16"):
        oracle_limits("latency_ms@rtx-4090 <= 3 at 90%")
    with pytest.raises(ConfigError, match=r"'t4' \(model roofline"):
        oracle_limits("latency_ms@t4 <= 3 at 90%", model="roofline")
    with pytest.raises(OracleError, match="did you mean batch_size"):
        oracle_limits("params <= 3", batchsize=8)
    with pytest.raises(OracleError, match="dotted keys"):
        oracle_limits("params <= 3").feasible(3)
    with pytest.warns(UserWarning, match="roofline_ms@apple-m1-gpu, a lower bound"):
        oracle_limits("latency_ms@apple-m1-gpu <= 3", runtime="compiled")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert oracle_limits("roofline_ms@apple-m1-gpu <= 3", runtime="compiled").limits


def test_caches_of_decoders_can_be_limited() -> None:
    """Llama 3.2 1B: 16 layers of 2 x 8 heads of 64 in two bytes; by arrays the same."""
    per_token = 16 * 2 * 8 * 64 * 2
    words = {"dtype": "bfloat16", "weights": "bfloat16", "batch_size": 4}
    kept, broken = (oracle_limits(f"kv_bytes_per_token <= {most}", **words) for most in (per_token, per_token - 1))
    cfg = oracle.load_cfg("Llama-3.2-1B", ["COST.PHASE", "decode", "COST.PAST", 63])
    assert kept.feasible(cfg)
    assert not broken.feasible(cfg)
    (violation,) = oracle_limits("kv_cache_bytes <= 1", **words).explain(cfg)
    assert violation.value == 4 * 64 * per_token
    assert kept.mask([cfg] * 20).all()
    assert not broken.mask([cfg] * 20).any()
