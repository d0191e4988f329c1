"""What stopping trainings early saves the pool sampler, and what a stopped one should teach it.

OMP_NUM_THREADS=1 python -m tests.benchmarks.pool_pruning [SEEDS [EPOCHS]]

The networks and their accuracies after each of five epochs are those of regnet_digits.py; one objective. A study spends
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
from unittest.mock import patch

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, TrialState

from search.pool.history import Look, Past
from tests.benchmarks import regnet_digits
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


def run(pruner: str, lesson: str, seed: int, budget: int) -> list[float]:
    """The best whole training after each epoch, 0 before there is one."""
    table = TABLES["regnets"]()
    curves = {tuple(config): rows[0] for config, rows in json.loads(regnet_digits.TABLE.read_text())}
    by_key = {table.members[cell][0]: curve for cell, curve in curves.items()}
    sampler = table.sampler(seed=seed, pool=table.pool)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=_PRUNERS[pruner]())
    estimates: dict[int, float] = {}
    whole: list[Sequence[float]] = []
    best: list[float] = []
    with _taught(estimates):
        while len(best) < budget:
            trial = study.ask()
            cell = tuple(sampler.suggest(trial).config.values())
            curve = by_key[table.members[cell][0]]
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
    return best[:budget]


def main(seeds: str = "10", epochs: str = "450") -> None:
    """Print a line per pruner and lesson."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    budget = int(epochs)
    goal = max(TABLES["regnets"]().accuracy.values())
    print(
        f"best {goal:.2f} %; medians of {seeds} seeds\npruner   lesson    until  after 1/3, 2/3, all of {budget} epochs"
    )
    for pruner in _PRUNERS:
        for lesson in _LESSONS if pruner != "none" else ("nothing",):
            curves = goal - np.array([run(pruner, lesson, seed, budget) for seed in range(int(seeds))])
            near = curves <= _NEAR
            until = np.median(np.where(near.any(axis=1), near.argmax(axis=1) + 1, np.inf))
            found = np.median(curves[:, [budget // 3 - 1, 2 * budget // 3 - 1, budget - 1]], axis=0)
            print(f"{pruner:8} {lesson:8} {until:6.0f}  {'  '.join(f'{value:.2f}' for value in found)}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
