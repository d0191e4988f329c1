"""An example for users with a loop of their own: constraints in plain optuna."""

from __future__ import annotations

from typing import Any

import optuna

import oracle
from oracle.config import cfg_from_dict
from search.space import load_space
from search.study.params import Parameters


def test_the_oracle_as_a_constraint_in_plain_optuna() -> None:
    trained: list[Any] = []

    def train(net: oracle.NetSpec) -> float:
        trained.append(net)
        return float(oracle.score_many([net]).macs[0])

    space = load_space("regnetx")
    parameters = Parameters.of(space)
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=5)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    while len(trained) < 3:
        trial = study.ask(parameters.distributions)
        config = parameters.config(trial.params)
        net = oracle.to_spec(cfg_from_dict(space.base, [x for pair in config.items() for x in pair]))
        cost = oracle.score_many([net], devices=["t4"])
        latency_ms = float(cost.latency_ms["t4"][0])
        trial.set_constraint("latency_ms@t4", latency_ms - 8)  # feasible at 0 or below
        if latency_ms > 8:
            study.tell(trial, float("-inf"))  # not evaluated, and the sampler learns by how much it was off
        else:
            study.tell(trial, train(net))
    assert study.best_trial.constraints["latency_ms@t4"] <= 0
    assert all(oracle.score(net, devices=["t4"]).latency_ms["t4"] <= 8 for net in trained)
