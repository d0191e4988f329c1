"""What stopping trainings early saves the pool sampler, and what a stopped one should teach it.

OMP_NUM_THREADS=1 python -m tests.benchmarks.pool_pruning [regnets|digits [SEEDS [EPOCHS]]]

The networks and their accuracies after each epoch are those of regnet_digits.py (587, five epochs) or of pruners.py (81,
nine epochs); one objective. A study spends
EPOCHS epochs, and what it has is the best whole training: epochs until within .5 points of the best feasible network,
and the regret after a third, two thirds and all of them; medians over seeds. Pruners are optuna's: median, and
asynchronous successive halving from the first epoch (factor 3). A stopped training teaches the sampler

    nothing    its network is used up, and that is all (what `search.pool.history` does)
    report     that its last report is its value
    gain       that it would have gained, from there on, the median of what whole trainings gained
"""

from __future__ import annotations

import json
import statistics
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, TrialState

from search import OracleLimits, PoolSampler, StudyPlan
from search.pool.history import Look, Past
from tests.benchmarks import pruners, regnet_digits
from tests.benchmarks.samplers import TABLES

_NEAR = 0.5
_PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "median": lambda: MedianPruner(n_startup_trials=10),
    "halving": lambda: SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
}
_LESSONS = ("nothing", "report", "gain")


@contextmanager
def _taught(estimates: dict[int, float]) -> Iterator[None]:
    """Stopped trials count as evaluated, with an estimate; none are known of those that teach nothing."""
    plain = Past.add

    def add(past: Past, trial: FrozenTrial, look: Look | None) -> None:
        plain(past, trial, look)
        if look is not None and trial.state == TrialState.PRUNED and trial.number in estimates:
            past.done.append(look)
            past.values.append([estimates[trial.number]])

    with patch.object(Past, "add", add):
        yield


def _estimate(lesson: str, reports: Sequence[float], whole: Sequence[Sequence[float]]) -> float:
    gains = [curve[-1] - curve[len(reports) - 1] for curve in whole] if lesson == "gain" else []
    return reports[-1] + (statistics.median(gains) if gains else 0.0)


class Case(NamedTuple):
    """Recorded trainings: a sampler of their networks by seed, and key -> percent after each epoch."""

    sampler: Callable[[int], PoolSampler]
    curves: dict[str, list[float]]


def _regnets() -> Case:
    table = TABLES["regnets"]()
    recorded = {tuple(config): rows[0] for config, rows in json.loads(regnet_digits.TABLE.read_text())}
    curves = {table.members[cell][0]: curve for cell, curve in recorded.items()}
    return Case(lambda seed: table.sampler(seed=seed, pool=table.pool), curves)


def _digits() -> Case:
    """The 81 networks of pruners.py, nine epochs each."""
    plan = pruners._plan({"TYPE": "none"}, 1)
    everyone = PoolSampler(plan.space, _limits(plan), seed=0, training_keys=False)
    recorded = json.loads(pruners.CURVES.read_text())
    order = np.random.default_rng(0).permutation(len(everyone.pool))[: len(recorded)]
    members = replace(everyone.pool.take(order), whole=True)
    assert members.scores["macs"].tolist() == [scores["macs"] for _, _, scores in recorded]
    curves = {
        key: [100 * value for value in accuracy] for key, (accuracy, *_) in zip(members.keys, recorded, strict=True)
    }
    return Case(
        lambda seed: PoolSampler(plan.space, _limits(plan), seed=seed, training_keys=False, pool=members), curves
    )


def _limits(plan: StudyPlan) -> OracleLimits:
    return OracleLimits(plan.bounds, plan.space, plan.devices, plan.workload, plan.model, plan.calibrations)


CASES = {"regnets": _regnets, "digits": _digits}


def run(case: Case, pruner: str, lesson: str, seed: int, budget: int) -> list[float]:
    """The best whole training after each epoch, 0 before there is one; as many as there are."""
    sampler = case.sampler(seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=_PRUNERS[pruner]())
    estimates: dict[int, float] = {}
    whole: list[Sequence[float]] = []
    best: list[float] = []
    with _taught(estimates):
        for _ in case.curves:
            trial = study.ask()
            sampler.suggest(trial)
            note = study.get_trials(deepcopy=False)[trial.number].system_attrs["pool:member"]
            curve = case.curves[json.loads(note)["key"]]
            for step, value in enumerate(curve, 1):
                trial.report(value, step)
                best.append(best[-1] if best else 0.0)
                if step < len(curve) and trial.should_prune():
                    if lesson != "nothing":
                        estimates[trial.number] = _estimate(lesson, curve[:step], whole)
                    study.tell(trial, state=TrialState.PRUNED)
                    break
            else:
                study.tell(trial, value)
                whole.append(curve)
                best[-1] = max(best[-1], value)
            if len(best) >= budget:
                break
    return best + [best[-1]] * (budget - len(best)) if len(best) < budget else best[:budget]


def main(name: str = "regnets", seeds: str = "10", epochs: str = "300") -> None:
    """Print a line per pruner and lesson."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    case, budget = CASES[name](), int(epochs)
    goal = max(curve[-1] for curve in case.curves.values())
    print(
        f"best {goal:.2f} %; medians of {seeds} seeds\npruner   lesson    until  after 1/3, 2/3, all of {budget} epochs"
    )
    for pruner in _PRUNERS:
        for lesson in _LESSONS if pruner != "none" else ("nothing",):
            curves = goal - np.array([run(case, pruner, lesson, seed, budget) for seed in range(int(seeds))])
            near = curves <= _NEAR
            until = np.median(np.where(near.any(axis=1), near.argmax(axis=1) + 1, np.inf))
            found = np.median(curves[:, [budget // 3 - 1, 2 * budget // 3 - 1, budget - 1]], axis=0)
            print(f"{pruner:8} {lesson:8} {until:6.0f}  {'  '.join(f'{value:.2f}' for value in found)}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
