from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

import oracle
from oracle.errors import ConfigError, DeviceError, OracleError
from search import PoolSampler
from search.space import Space, space_of

LATENCY = "latency_ms@t4"


def one(space: Space, **words: Any) -> PoolSampler:
    return PoolSampler(space, "params <= 30e3", pool_size=600, startup=4, **words)


def quality(sampler: PoolSampler, trial: optuna.Trial) -> float:
    member = sampler.suggest(trial)
    return member.scores["macs"] ** 0.5 / 1e2 - abs(member.scores["params"] - 15e3) / 1e3


def maximised(sampler: PoolSampler, count: int, **words: Any) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=sampler, **words)
    study.optimize(lambda trial: quality(sampler, trial), n_trials=count)
    return study


def params(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def keys(sampler: PoolSampler, study: optuna.Study) -> list[str]:
    """What each trial's member is, told anew from its parameters."""
    looks = sampler._ledger.described([sampler._parameters.config(own) for own in params(study) if own])
    return [look.key if look else "" for look in looks]


def test_a_plain_study_evaluates_feasible_members_only_and_each_once(regnets: Space) -> None:
    sampler = one(regnets)
    study = maximised(sampler, 25)
    found = keys(sampler, study)

    assert len(set(found)) == 25
    assert "" not in found
    for trial in study.trials:
        member = sampler.suggest(optuna.trial.FixedTrial(trial.params))
        assert oracle.score(member.cfg).params == member.scores["params"] <= 30e3
    names = {"REGNET.DEPTH", "REGNET.W0", "OPTIM.BASE_LR"}
    assert names <= study.trials[0].params.keys()


def test_it_learns(regnets: Space) -> None:
    sampler = one(regnets)
    study = maximised(sampler, 25)
    pool = sampler.pool.scores
    values = pool["macs"] ** 0.5 / 1e2 - abs(pool["params"] - 15e3) / 1e3

    assert study.best_value > sorted(values)[-4]  # random among 600 takes 150 evaluations, on average, to see one


def test_members_beside_the_best_join_the_pool(regnets: Space) -> None:
    sampler = one(regnets)
    found = keys(sampler, maximised(sampler, 25))

    assert set(found) - set(sampler.pool.keys)


def test_equal_seeds_and_histories_give_equal_studies_and_other_seeds_others(regnets: Space) -> None:
    first, second, third = (maximised(one(regnets, seed=seed), 10) for seed in (1, 1, 2))

    assert params(first) == params(second)
    assert params(first) != params(third)


def test_a_study_that_is_resumed_goes_on_as_it_would_have(regnets: Space, tmp_path: Path) -> None:
    whole = maximised(one(regnets), 14)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "s.journal")))
    words = {"storage": storage, "study_name": "s", "load_if_exists": True}
    maximised(one(regnets), 6, **words)
    maximised(one(regnets), 3, **words)

    assert params(maximised(one(regnets), 5, **words)) == params(whole)


def test_two_objectives_of_which_one_is_known(few: Space) -> None:
    sampler = PoolSampler(few, objectives=["accuracy", LATENCY], startup=4)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        member = sampler.suggest(trial)
        return member.scores["params"] / 1e3 - member.config["NB201.OPS"].count("none"), member.scores[LATENCY]

    study.optimize(objective, n_trials=12)

    assert len({trial.params["NB201.OPS[0]"] + str(trial.number) for trial in study.trials}) == 12
    assert len(set(keys(sampler, study))) == 12
    fastest = min(sampler.pool.scores[LATENCY])
    assert min(trial.values[1] for trial in study.trials) <= 1.2 * fastest


@pytest.mark.parametrize("objectives", [1, 2])
def test_an_opening_has_three_evaluations_per_objective(few: Space, objectives: int) -> None:
    def chosen(startup: int | None) -> list[dict[str, Any]]:
        sampler = PoolSampler(few, objectives=["accuracy", "macs"][:objectives], startup=startup)
        study = optuna.create_study(directions=["maximize", "minimize"][:objectives], sampler=sampler)

        def objective(trial: optuna.Trial) -> Any:
            scores = sampler.suggest(trial).scores
            return (scores["params"], scores["macs"])[:objectives]

        study.optimize(objective, n_trials=3 * objectives + 1)
        return params(study)

    assert chosen(None) == chosen(3 * objectives) != chosen(10)


def test_objectives_that_are_all_known_need_no_opening(few: Space) -> None:
    sampler = PoolSampler(few, objectives=[LATENCY])
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: sampler.suggest(trial).scores[LATENCY], n_trials=3)

    assert [trial.value for trial in study.trials] == sorted(sampler.pool.scores[LATENCY])[:3]


def test_three_objectives(few: Space) -> None:
    sampler = PoolSampler(few, objectives=["accuracy", LATENCY, "params"], startup=3)
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float, float]:
        scores = sampler.suggest(trial).scores
        return scores["macs"], scores[LATENCY], scores["params"]

    study.optimize(objective, n_trials=8)

    assert len(set(keys(sampler, study))) == 8


def test_a_finite_space_ends_with_an_error_that_says_so(few: Space) -> None:
    sampler = PoolSampler(few, "params <= 400e3")
    size = len(sampler.pool)
    study = optuna.create_study(sampler=sampler)
    with pytest.raises(
        OracleError, match=rf"trial {size} has nothing to evaluate: every feasible member of space 'cells', {size},"
    ):
        study.optimize(lambda trial: sampler.suggest(trial).scores["macs"], n_trials=200)

    assert len(set(keys(sampler, study))) == size


def test_a_pool_that_is_used_up_is_drawn_larger(regnets: Space) -> None:
    sampler = PoolSampler(replace(regnets, chunk_size=20), "params <= 30e3", pool_size=1, startup=100)
    size = len(sampler.pool)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: sampler.suggest(trial).scores["macs"], n_trials=size + 1)

    assert len(sampler.pool) > size
    assert len(set(keys(sampler, study))) == size + 1


@pytest.mark.parametrize("processes", [1, 3])  # samplers that share a study, as processes do, and no memory
def test_workers_at_one_time_choose_distinct_members(few: Space, processes: int) -> None:
    study = optuna.create_study()
    samplers = [PoolSampler(few, startup=4) for _ in range(processes)]
    barrier = threading.Barrier(6)

    def work(place: int) -> list[int]:
        own = optuna.Study(study.study_name, study._storage, sampler=samplers[place % processes])
        found = []
        for _ in range(5):
            barrier.wait()
            trial = own.ask()
            samplers[place % processes].suggest(trial)
            barrier.wait()
            own.tell(trial, float(len(trial.params["NB201.OPS[0]"])))
            found.append(trial.number)
        return found

    with ThreadPoolExecutor(6) as threads:
        done = list(threads.map(work, range(6)))

    assert sum(map(len, done)) == 30
    assert len(set(keys(samplers[0], study))) == 30


def test_n_jobs_of_optuna(regnets: Space) -> None:
    sampler = one(regnets)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: quality(sampler, trial), n_trials=16, n_jobs=4)

    assert len(set(keys(sampler, study))) == 16


def test_trials_of_others_failures_and_pruned_ones_count_as_taken(few: Space) -> None:
    study = optuna.create_study(sampler=PoolSampler(few, seed=3))
    for state in (TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING):
        trial = study.ask()
        study.sampler.suggest(trial)
        if state != TrialState.RUNNING:
            study.tell(trial, state=state)
    sampler = PoolSampler(few)
    study.sampler = sampler
    study.optimize(lambda trial: sampler.suggest(trial).scores["macs"], n_trials=len(sampler.pool) - 3)

    assert len(set(keys(sampler, study))) == len(sampler.pool)


def test_enqueued_parameters_are_what_a_trial_gets(few: Space) -> None:
    sampler = PoolSampler(few)
    study = optuna.create_study(sampler=sampler)
    wanted = sampler._parameters.suggestions(sampler.pool.config(5))
    study.enqueue_trial(wanted)
    dead = {**wanted, "NB201.OPS[0]": "none", "NB201.OPS[1]": "none", "NB201.OPS[3]": "none"}
    study.enqueue_trial(dead)

    trial = study.ask()
    assert sampler.suggest(trial).config == sampler.pool.config(5)
    study.tell(trial, 1.0)
    with pytest.raises(OracleError, match=r"trial 1: .*not a feasible member of space 'cells'"):
        sampler.suggest(study.ask())


def test_a_sampled_learning_rate_tells_members_apart_where_it_is_trained_with(few: Space) -> None:
    setup = dict(few.setup)
    setup["SAMPLERS"] = {**setup["SAMPLERS"], "OPTIM.BASE_LR": {"TYPE": "grid_sampler", "VALUES": [0.1, 0.2]}}
    rated = space_of({"SETUP": setup}, "rated")
    size = len(PoolSampler(few).pool)

    assert len(PoolSampler(rated).pool) == 2 * size
    assert len(PoolSampler(rated, training_keys=False).pool) == size


def test_parameters_of_the_objective_itself_are_random(few: Space) -> None:
    sampler = PoolSampler(few, startup=2)
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        return sampler.suggest(trial).scores["macs"] * trial.suggest_float("rate", 0.1, 1)

    study.optimize(objective, n_trials=6)

    assert len({trial.params["rate"] for trial in study.trials}) == 6
    assert len(set(keys(sampler, study))) == 6


def test_it_can_be_copied_and_sent(few: Space) -> None:
    sampler = PoolSampler(few, startup=2)
    maximised(sampler, 4)
    other = pickle.loads(pickle.dumps(copy.deepcopy(sampler)))  # noqa: S301 - our own

    assert params(maximised(other, 4)) == params(maximised(sampler, 4))


def test_a_pool_is_used_again(few: Space) -> None:
    first = PoolSampler(few, startup=2)

    assert params(maximised(PoolSampler(few, startup=2, pool=first.pool), 5)) == params(maximised(first, 5))


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ({"limits": "parms <= 3"}, ConfigError, r"limits\[0\]: unknown score 'parms'"),
        ({"limits": ["params <= 1"]}, ConfigError, "nothing is feasible, and nothing was evaluated: .*params rejects"),
        ({"limits": "latency_ms <= 3"}, ConfigError, "latency_ms needs a device"),
        ({"limits": "latency_ms@t5 <= 3"}, ConfigError, "t5"),
        ({"devices": ["t5"]}, DeviceError, "t5"),
        ({"objectives": ["latncy_ms@t4"]}, ConfigError, "objectives: unknown score 'latncy_ms@t4'"),
        ({"objectives": ["param"]}, ConfigError, "objectives: unknown score 'param'"),
        (
            {"objectives": ["accuracy", LATENCY]},
            ConfigError,
            "objectives: .*expected one per direction of the study, which has 1",
        ),
        ({"pool_size": 0}, ConfigError, "pool_size: value 0: expected an integer of at least 1"),
        ({"startup": 1.5}, ConfigError, "startup: value 1.5"),
        ({"dtype": "float61"}, OracleError, "float61"),
        ({"btach_size": 3}, OracleError, "btach_size"),
    ],
)
def test_what_is_wrong_is_told(few: Space, words: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        maximised(PoolSampler(few, **words), 1)


def test_an_unknown_space_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nasbench201"):
        PoolSampler("nasbench20")
