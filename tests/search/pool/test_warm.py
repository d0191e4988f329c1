from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
import torch

import search.pool.warm as module
from oracle.errors import ConfigError
from oracle.families import to_spec
from search import PoolSampler
from search.objectives import Builder
from search.objectives.proxies import synflow
from search.pool.warm import Earlier, Prior, earlier_of
from search.space import Space
from search.study.params import Parameters


def goodness(scores: Any) -> Any:
    return scores["macs"] ** 0.5 / 1e2 - abs(scores["params"] - 15e3) / 1e3


def one(space: Space, **words: Any) -> PoolSampler:
    return PoolSampler(space, "params <= 30e3", pool_size=600, startup=4, **words)


def studied(sampler: PoolSampler, count: int, direction: str = "maximize") -> optuna.Study:
    study = optuna.create_study(direction=direction, sampler=sampler)
    sign = 1 if direction == "maximize" else -1
    study.optimize(lambda trial: sign * goodness(sampler.suggest(trial).scores), n_trials=count)
    return study


def test_an_earlier_study_makes_the_first_choices_good_ones(regnets: Space) -> None:
    earlier = studied(PoolSampler(regnets, "params <= 100e3", pool_size=600, seed=1), 40, "minimize")
    sampler = one(regnets, warm=[earlier])
    ranked = np.sort(goodness(sampler.pool.scores))

    assert studied(sampler, 6).best_value > ranked[int(0.99 * len(ranked))]
    assert studied(one(regnets), 6).best_value < ranked[int(0.95 * len(ranked))]  # without it


def test_what_says_nothing_is_found_out(regnets: Space) -> None:
    pool = one(regnets).pool
    rng = np.random.default_rng(0)
    noise = Earlier("noise", [pool.config(row) for row in range(60)], rng.normal(size=60).tolist())
    ranked = np.sort(goodness(pool.scores))

    assert studied(one(regnets, warm=[noise]), 25).best_value > ranked[-12]


def test_a_prior_is_what_a_process_expects_of_members_whatever_the_limits(regnets: Space) -> None:
    free = PoolSampler(regnets, pool_size=600)
    rows = range(0, 300, 3)
    values = np.log(free.pool.scores["macs"])[list(rows)]
    earlier = Earlier("cheap", [free.pool.config(row) for row in rows], values.tolist())
    sampler = PoolSampler(regnets, "params <= 3e3", pool_size=50)
    expected = Prior.of(earlier, sampler._source)(sampler.pool.blocks)

    assert np.corrcoef(expected, np.log(sampler.pool.scores["macs"]))[0, 1] > 0.99


def test_members_hold_what_is_expected_of_them_and_samplers_can_be_sent(regnets: Space) -> None:
    earlier = earlier_of(studied(one(regnets), 8), Parameters.of(regnets))
    sampler = one(regnets, warm=[earlier])
    assert sampler.pool.blocks[-1].shape == (len(sampler.pool), 1)
    again = pickle.loads(pickle.dumps(sampler))  # noqa: S301 - our own
    shared = one(regnets, warm=[earlier], pool=one(regnets).pool)

    wanted = [trial.params for trial in studied(sampler, 8).trials]
    assert [trial.params for trial in studied(again, 8).trials] == wanted
    assert [trial.params for trial in studied(shared, 8).trials] == wanted


def test_a_proxy_is_computed_once_and_kept_with_the_study(few: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROXIED", 6)
    sampler = PoolSampler(few, warm=["synflow"], startup=2)
    study = studied(sampler, 2)
    kept = study.user_attrs["pool:synflow"]
    columns = sampler.pool.columns
    row = next(row for row in range(len(sampler.pool)) if sampler.pool.config(row) == kept["configs"][0])
    spec = to_spec(few.cfg(columns, row))

    assert len(kept["values"]) == 6
    assert kept["values"][0] == pytest.approx(synflow(Builder(spec)(), torch.ones(1, *spec.input_shape), None))  # type: ignore[arg-type]

    monkeypatch.setattr(module, "proxied", None)  # nobody computes it again
    monkeypatch.setattr("search.pool.sampler.proxied", None)
    study.sampler = PoolSampler(few, warm=["synflow"], startup=2)
    study.ask()


def test_what_cannot_be_started_from_is_an_error(few: Space, regnets: Space) -> None:
    study = studied(one(regnets), 6)
    with pytest.raises(ConfigError, match=r"warm: .*0 of its evaluations are of members of space 'cells'"):
        _ = PoolSampler(few, warm=[study]).pool
    several = optuna.create_study(directions=["maximize", "minimize"])
    with pytest.raises(ConfigError, match="has 2 objectives: expected one"):
        PoolSampler(few, warm=[several])
    with pytest.raises(ConfigError, match="expected one of synflow, naswot, grad_norm"):
        PoolSampler(few, warm=["synflw"])
    assert replace(earlier_of(study, Parameters.of(regnets)), name="x").to_dict()["name"] == "x"
