"""The samplers of optuna by the words of a study file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.samplers import BaseSampler

__all__ = ["LEARNERS", "sampler_of"]

LEARNERS = ("tpe", "nsga2", "nsga3", "gp")  # the others draw feasible members from the closed form


def sampler_of(section: Mapping[str, Any], seed: int) -> BaseSampler:
    """A new sampler.

    Args:
        section: SAMPLER of a study file.
        seed: of its draws.
    """
    startup, population = section["STARTUP"], section["POPULATION"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match section["TYPE"]:
            case "tpe":
                return optuna.samplers.TPESampler(n_startup_trials=startup, constant_liar=True, seed=seed)
            case "nsga2":
                return optuna.samplers.NSGAIISampler(population_size=population, seed=seed)
            case "nsga3":
                return optuna.samplers.NSGAIIISampler(population_size=population, seed=seed)
            case "gp":
                return optuna.samplers.GPSampler(n_startup_trials=startup, deterministic_objective=False, seed=seed)
            case _:
                return optuna.samplers.RandomSampler(seed=seed)
