"""Evaluations that samplers need on a table of true qualities, side by side.

OMP_NUM_THREADS=1 python -m tests.benchmarks.samplers [SEEDS [EVALUATIONS [SAMPLER ...]]]

The table is that of nb201_digits.py: read there what it is and what it is not. Latency is the oracle's for a Raspberry
Pi 4 and the real cells; at most the median over the distinct cells is allowed. Two tasks:

    one    maximise accuracy: evaluations until within .5 points of the best feasible, and the regret after 30, 100, 300
    two    maximise accuracy, minimise latency: the share of the largest hypervolume (from the lowest feasible
           accuracy and the limit) after 30, 100 and 300 evaluations, and evaluations until 95 %

An evaluation is a look at the table for a cell that was not looked at before, and rivals get every advantage: a
suggestion that breaks the limit costs them nothing (they are told the violation, and the lowest accuracy so far), nor does
one that equals an earlier cell under isomorphism, whose accuracy they are told. They choose among all 15,625 cells.
After 6 suggestions per evaluation a run ends, and what it has by then counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from oracle.families.nasbench201 import OPERATIONS, STRING, canonical
from search import PoolSampler, hypervolume
from tests.benchmarks.nb201_digits import TABLE

DEVICE = "raspberry-pi-4"
LATENCY = f"latency_ms@{DEVICE}"
BUDGETS = (30, 100, 300)
_EDGES = 6
_PATIENCE = 6  # suggestions per evaluation
_NEAR = 0.5  # points of accuracy
_SHARE = 0.95  # of the hypervolume

Cell = tuple[str, ...]
Work = Callable[[bool, int, int], "Run"]


@lru_cache(maxsize=1)
def accuracies() -> dict[str, float]:
    """Canonical form -> accuracy in percent."""
    table = np.load(TABLE)
    names = [canonical(STRING.format(*(OPERATIONS[op] for op in cell))) for cell in table["cells"]]
    return dict(zip(names, table["accuracy"].mean(axis=1, dtype=np.float64).tolist(), strict=True))


@lru_cache(maxsize=1)
def space() -> tuple[PoolSampler, float, dict[Cell, float]]:
    """A sampler whose pool holds all distinct cells, the median latency among them, and every cell's latency."""
    from oracle import score_many
    from search import load_space

    sampler = PoolSampler("nasbench201", objectives=["accuracy", LATENCY])
    chunk = load_space("nasbench201")
    columns = chunk.sample(0, chunk.length)
    from oracle.families.many import population_of

    population, _, _ = population_of(chunk.base, columns)
    latency = score_many(population, [DEVICE]).latency_ms[DEVICE]
    cells = [tuple(ops) for ops in columns["NB201.OPS"].tolist()]
    limit = float(np.median(sampler.pool.scores[LATENCY]))
    return sampler, limit, dict(zip(cells, latency.tolist(), strict=True))


@dataclass
class Run:
    """What a sampler has looked at.

    Attributes:
        two: whether latency is an objective.
        most: evaluations to make.
        seen: canonical form -> accuracy, in the order of evaluations.
        latencies: of the evaluated cells.
        suggested: how often anything was.
    """

    two: bool
    most: int
    seen: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    suggested: int = 0

    def look(self, cell: Cell) -> float | None:
        """The accuracy of a feasible cell, None for another."""
        _, limit, latency = space()
        name = canonical(STRING.format(*cell))
        self.suggested += 1
        if not name or latency[cell] > limit:
            return None
        if name not in self.seen:
            self.seen[name] = accuracies()[name]
            self.latencies.append(latency[cell])
        return self.seen[name]

    @property
    def over(self) -> bool:
        return len(self.seen) >= self.most or self.suggested >= _PATIENCE * self.most

    def regrets(self) -> NDArray[np.float64]:
        """The best so far below the best feasible, after each evaluation."""
        return best() - np.maximum.accumulate(list(self.seen.values()))

    def shares(self) -> NDArray[np.float64]:
        """The share of the largest hypervolume, after each evaluation."""
        values, latencies = np.array([*self.seen.values()]), np.array(self.latencies)
        return np.array([_volume(values[:n], latencies[:n]) / largest() for n in range(1, len(values) + 1)])


@lru_cache(maxsize=1)
def feasible() -> tuple[NDArray[np.float64], NDArray[np.float64], list[Cell]]:
    """Accuracy, latency and ops of every distinct feasible cell, spelled in the way that takes least time."""
    sampler, limit, _ = space()
    pool = sampler.pool
    cells = [tuple(ops) for ops in pool.columns["NB201.OPS"].tolist()]
    accuracy = np.array([accuracies()[canonical(STRING.format(*cell))] for cell in cells])
    keep = pool.scores[LATENCY] <= limit
    return accuracy[keep], pool.scores[LATENCY][keep], [cell for cell, kept in zip(cells, keep, strict=True) if kept]


@lru_cache(maxsize=1)
def best() -> float:
    return float(feasible()[0].max())


@lru_cache(maxsize=1)
def lowest() -> float:
    return float(feasible()[0].min())


@lru_cache(maxsize=1)
def largest() -> float:
    return _volume(*feasible()[:2])


def _volume(accuracy: NDArray[np.float64], latency: NDArray[np.float64]) -> float:
    return hypervolume([accuracy, latency], [lowest(), space()[1]], [True, False])


def pool(two: bool, seed: int, most: int) -> Run:
    """Ours, in a plain study."""
    _, limit, _ = space()
    objectives = ["accuracy", LATENCY] if two else ["accuracy"]
    sampler = PoolSampler("nasbench201", f"{LATENCY} <= {limit!r}", objectives=objectives, seed=seed, pool=_limited())
    run = Run(two, most)

    def objective(trial: optuna.Trial) -> Any:
        member = sampler.suggest(trial)
        accuracy = run.look(tuple(member.config["NB201.OPS"]))
        assert accuracy is not None
        return (accuracy, member.scores[LATENCY]) if two else accuracy

    study = optuna.create_study(directions=["maximize", "minimize"][: 1 + two], sampler=sampler)
    study.optimize(objective, n_trials=most)
    return run


@lru_cache(maxsize=1)
def _limited() -> Any:
    _, limit, _ = space()
    return PoolSampler("nasbench201", f"{LATENCY} <= {limit!r}").pool


def of_optuna(make: Callable[[int], optuna.samplers.BaseSampler]) -> Work:
    """One of optuna's samplers, told violations as its constraints."""

    def work(two: bool, seed: int, most: int) -> Run:
        study = optuna.create_study(directions=["maximize", "minimize"][: 1 + two], sampler=make(seed))
        run, (_, limit, latency) = Run(two, most), space()
        while not run.over:
            trial = study.ask()
            cell = tuple(trial.suggest_categorical(f"op{edge}", OPERATIONS) for edge in range(_EDGES))
            found = run.look(cell)
            trial.set_constraint("latency", latency[cell] / limit - 1)
            trial.set_constraint("path", -1.0 if canonical(STRING.format(*cell)) else 1.0)
            accuracy = min(run.seen.values(), default=0.0) if found is None else found
            study.tell(trial, [accuracy, latency[cell]] if two else accuracy)
        return run

    return work


def random(two: bool, seed: int, most: int) -> Run:
    """Distinct feasible cells, one as likely as another."""
    run, (_, _, cells) = Run(two, most), feasible()
    for row in np.random.default_rng(seed).permutation(len(cells))[:most]:
        run.look(cells[row])
    return run


def evolution(two: bool, seed: int, most: int) -> Run:
    """Regularised evolution (Real et al., AAAI 2019) as NAS-Bench-201 runs it: a population of 10, tournaments of 3.

    Of two objectives, a tournament is won by a weighted sum whose weight is drawn for it.
    """
    rng, run, latency = np.random.default_rng(seed), Run(two, most), space()[2]
    alive: list[tuple[Cell, float]] = []
    while not run.over:
        if len(alive) < 10:
            cell = tuple(OPERATIONS[op] for op in rng.integers(len(OPERATIONS), size=_EDGES))
        else:
            weight = rng.random() if two else 0.0
            rivals = [alive[row] for row in rng.choice(len(alive), 3, replace=False)]
            spans = [np.ptp([value for _, value in alive]) + 1e-9, np.ptp([latency[own] for own, _ in alive]) + 1e-9]
            parent = max(rivals, key=lambda r: (1 - weight) * r[1] / spans[0] - weight * latency[r[0]] / spans[1])[0]
            edge, op = rng.integers(_EDGES), rng.integers(len(OPERATIONS))
            cell = (*parent[:edge], OPERATIONS[op], *parent[edge + 1 :])
        found = run.look(cell)
        if found is not None:
            alive = [*alive, (cell, found)][-10:]
    return run


SAMPLERS: dict[str, Work] = {
    "pool": pool,
    "random": random,
    "evolution": evolution,
    "tpe": of_optuna(lambda seed: optuna.samplers.TPESampler(seed=seed)),
    "nsga2": of_optuna(lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=20)),
    "gp": of_optuna(lambda seed: optuna.samplers.GPSampler(seed=seed)),
}


def _until(reached: NDArray[np.bool_]) -> float:
    return float(reached.argmax() + 1) if reached.any() else np.inf


def _at(values: NDArray[np.float64], count: int) -> float:
    return float(values[min(count, len(values)) - 1])


def rows(name: str, seeds: int, most: int) -> Iterator[str]:
    """A line per task: medians over seeds."""
    for two in (False, True):
        began = time.perf_counter()
        runs = [SAMPLERS[name](two, seed, most) for seed in range(seeds)]
        curves = [run.shares() if two else run.regrets() for run in runs]
        until = np.median([_until(c >= _SHARE if two else c <= _NEAR) for c in curves])
        found = [np.median([_at(curve, count) for curve in curves]) for count in BUDGETS if count <= most]
        digits = ".4f" if two else ".2f"
        asked = np.mean([run.suggested / len(run.seen) for run in runs])
        yield (
            f"{'two' if two else 'one'}  {name:10} {until:6.0f}  {'  '.join(format(v, digits) for v in found)}"
            f"   {asked:5.1f} suggestions an evaluation, {(time.perf_counter() - began) / seeds:.0f} s a run"
        )


def main(seeds: str = "10", most: str = "300", *names: str) -> None:
    """Print a line per task and sampler."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    accuracy, _, _ = feasible()
    print(
        f"{len(accuracy):,} distinct feasible cells, {LATENCY} <= {space()[1]:.4g}; best {best():.2f} %; medians of {seeds} "
        f"seeds\ntask sampler    until  after {', '.join(map(str, BUDGETS))} evaluations"
    )
    for name in names or SAMPLERS:
        for line in rows(name, int(seeds), int(most)):
            print(line, flush=True)


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    main(*sys.argv[1:])
