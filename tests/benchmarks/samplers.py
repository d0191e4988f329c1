"""Evaluations that samplers need on tables of true qualities, side by side.

OMP_NUM_THREADS=1 python -m tests.benchmarks.samplers [TABLE [SEEDS [EVALUATIONS [SAMPLER ...]]]]

Tables are `nasbench201` and `regnets`, made by nb201_digits.py and regnet_digits.py: read there what they are and what
they are not. At most the median latency of the distinct networks on a Raspberry Pi 4 is allowed. Two tasks:

    one    maximise accuracy: evaluations until within .5 points of the best feasible, and the regret after 30, 100, 300
    two    maximise accuracy, minimise latency: the share of the largest hypervolume (from the lowest feasible
           accuracy and the limit) after 30, 100 and 300 evaluations, and evaluations until 95 %

An evaluation is a look at the table for a network that was not looked at before, and rivals get every advantage: a
suggestion that breaks the limit costs them nothing (they are told the violation, and the lowest accuracy so far), nor
does one that equals an earlier network, whose accuracy they are told. They choose among all members of the space.
After 6 suggestions per evaluation a run ends, and what it has by then counts.
"""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray

from oracle.families.nasbench201 import OPERATIONS
from search import PoolSampler, hypervolume, load_space, space_of
from search.pool import Members
from search.pool.warm import Earlier
from search.space import Space
from tests.benchmarks import nb201_digits, regnet_digits

DEVICE = "raspberry-pi-4"
LATENCY = f"latency_ms@{DEVICE}"
BUDGETS = (30, 100, 300)
_PATIENCE = 6  # suggestions per evaluation
_NEAR = 0.5  # points of accuracy
_SHARE = 0.95  # of the hypervolume

Cell = tuple[Any, ...]
"""A member by its choices."""
Work = Callable[["Table", bool, int, int], "Run"]


@dataclass(frozen=True, eq=False)
class Table:
    """True qualities of a space's members.

    Attributes:
        space: whose members they are.
        choices: the values of each of the choices that a member is made of.
        ordered: whether these are numbers.
        config: choices -> config.
        quality: choices of a member -> accuracy in percent; of equal members, one has it at least.
        words: of a pool sampler, beside its space and limits.
    """

    space: Space
    choices: tuple[Sequence[Any], ...]
    ordered: bool
    config: Callable[[Cell], dict[str, Any]]
    quality: dict[Cell, float]
    words: dict[str, Any]

    def sampler(self, limits: str | Sequence[str] | None = None, **words: Any) -> PoolSampler:
        """A pool sampler within the limit, or other ones."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the limit is on a bound, as the page says
            own = f"{LATENCY} <= {self.limit!r}" if limits is None else limits
            return PoolSampler(self.space, own, devices=[DEVICE], **self.words, **words)

    @cached_property
    def limit(self) -> float:
        return float(np.median(self.everyone.scores[LATENCY]))

    @cached_property
    def everyone(self) -> Members:
        """Distinct members without a limit."""
        return self.sampler(()).pool

    @cached_property
    def pool(self) -> Members:
        """Distinct feasible members."""
        return self.sampler().pool

    @cached_property
    def members(self) -> dict[Cell, tuple[str, float]]:
        """What each member is to an evaluation, and its latency; those that are no networks are left out."""
        cells = list(itertools.product(*self.choices))
        found, rows = self.sampler(())._source.of_configs([self.config(cell) for cell in cells])
        latencies = found.scores[LATENCY].tolist()
        return {
            cells[row]: pair for row, pair in zip(rows.tolist(), zip(found.keys, latencies, strict=True), strict=True)
        }

    @cached_property
    def accuracy(self) -> dict[str, float]:
        """Of each distinct feasible member, by what it is to an evaluation."""
        known = {self.members[cell][0]: value for cell, value in self.quality.items()}
        return {key: known[key] for key in self.pool.keys}

    @cached_property
    def feasible(self) -> list[Cell]:
        """Distinct feasible members, spelled in the way that takes least time."""
        best: dict[str, Cell] = {}
        for cell, (key, latency) in self.members.items():
            if latency <= self.limit and (key not in best or latency < self.members[best[key]][1]):
                best[key] = cell
        return list(best.values())

    @cached_property
    def largest(self) -> float:
        cells = self.feasible
        keys, latencies = zip(*(self.members[cell] for cell in cells), strict=True)
        return self.volume([self.accuracy[key] for key in keys], latencies)

    def volume(self, accuracies: Sequence[float], latencies: Sequence[float]) -> float:
        """From the lowest feasible accuracy and the limit."""
        return hypervolume([accuracies, latencies], [min(self.accuracy.values()), self.limit], [True, False])


def _nasbench201() -> Table:
    table = np.load(nb201_digits.TABLE)
    cells = [tuple(OPERATIONS[op] for op in cell) for cell in table["cells"]]
    quality = dict(zip(cells, table["accuracy"].mean(axis=1, dtype=np.float64).tolist(), strict=True))
    space = load_space("nasbench201")
    return Table(space, (OPERATIONS,) * 6, False, lambda cell: {"NB201.OPS": list(cell)}, quality, {})


def _regnets() -> Table:
    samplers = regnet_digits.SETUP["SAMPLERS"]
    choices = tuple(tuple(sampler["VALUES"]) for sampler in samplers.values())
    space = space_of({"SETUP": regnet_digits.SETUP}, "regnets")
    words = {"model": "roofline"}
    return Table(
        space, choices, True, lambda cell: dict(zip(samplers, cell, strict=True)), regnet_digits.accuracies(), words
    )


TABLES: dict[str, Callable[[], Table]] = {
    "nasbench201": lru_cache(maxsize=1)(_nasbench201),
    "regnets": lru_cache(maxsize=1)(_regnets),
}


@dataclass
class Run:
    """What a sampler has looked at.

    Attributes:
        table: of true qualities.
        two: whether latency is an objective.
        most: evaluations to make.
        seen: member -> accuracy, in the order of evaluations.
        latencies: of the evaluated members.
        suggested: how often anything was.
    """

    table: Table
    two: bool
    most: int
    seen: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    suggested: int = 0

    def look(self, cell: Cell) -> float | None:
        """The accuracy of a feasible member, None for another."""
        self.suggested += 1
        key, latency = self.table.members.get(cell, ("", np.inf))
        if latency > self.table.limit:
            return None
        if key not in self.seen:
            self.seen[key] = self.table.accuracy[key]
            self.latencies.append(latency)
        return self.seen[key]

    @property
    def over(self) -> bool:
        return len(self.seen) >= self.most or self.suggested >= _PATIENCE * self.most

    def regrets(self) -> NDArray[np.float64]:
        """The best so far below the best feasible, after each evaluation."""
        return max(self.table.accuracy.values()) - np.maximum.accumulate(list(self.seen.values()))

    def shares(self) -> NDArray[np.float64]:
        """The share of the largest hypervolume, after each evaluation."""
        values, table = list(self.seen.values()), self.table
        volumes = [table.volume(values[:n], self.latencies[:n]) for n in range(1, len(values) + 1)]
        return np.array(volumes) / table.largest


def pool(
    table: Table, two: bool, seed: int, most: int, warm: Sequence[Earlier] = (), startup: int | None = None
) -> Run:
    """Ours, in a plain study."""
    objectives = ["accuracy", LATENCY] if two else ["accuracy"]
    sampler = table.sampler(objectives=objectives, seed=seed, pool=table.pool, warm=warm, startup=startup)
    run = Run(table, two, most)

    def objective(trial: optuna.Trial) -> Any:
        member = sampler.suggest(trial)
        values = itertools.chain(*(value if isinstance(value, list) else [value] for value in member.config.values()))
        accuracy = run.look(tuple(values))
        assert accuracy is not None
        return (accuracy, member.scores[LATENCY]) if two else accuracy

    study = optuna.create_study(directions=["maximize", "minimize"][: 1 + two], sampler=sampler)
    study.optimize(objective, n_trials=min(most, len(table.pool)))
    return run


def of_optuna(make: Callable[[int], optuna.samplers.BaseSampler]) -> Work:
    """One of optuna's samplers, told violations as its constraints."""

    def work(table: Table, two: bool, seed: int, most: int) -> Run:
        study = optuna.create_study(directions=["maximize", "minimize"][: 1 + two], sampler=make(seed))
        run = Run(table, two, min(most, len(table.pool)))
        highest = max(latency for _, latency in table.members.values())
        while not run.over:
            trial = study.ask()
            cell = tuple(_suggested(trial, f"x{place}", values, table) for place, values in enumerate(table.choices))
            found = run.look(cell)
            _, latency = table.members.get(cell, ("", highest))
            trial.set_constraint("latency", latency / table.limit - 1)
            trial.set_constraint("network", -1.0 if cell in table.members else 1.0)
            accuracy = min(run.seen.values(), default=0.0) if found is None else found
            study.tell(trial, [accuracy, latency] if two else accuracy)
        return run

    return work


def _suggested(trial: optuna.Trial, name: str, values: Sequence[Any], table: Table) -> Any:
    if table.ordered:
        return values[trial.suggest_int(name, 0, len(values) - 1)]
    return trial.suggest_categorical(name, values)


def random(table: Table, two: bool, seed: int, most: int) -> Run:
    """Distinct feasible members, one as likely as another."""
    run = Run(table, two, most)
    for row in np.random.default_rng(seed).permutation(len(table.feasible))[:most]:
        run.look(table.feasible[row])
    return run


def evolution(table: Table, two: bool, seed: int, most: int) -> Run:
    """Regularised evolution (Real et al., AAAI 2019) as NAS-Bench-201 runs it: a population of 10, tournaments of 3.

    Of two objectives, a tournament is won by a weighted sum whose weight is drawn for it.
    """
    rng, run = np.random.default_rng(seed), Run(table, two, min(most, len(table.pool)))
    alive: list[tuple[Cell, float, float]] = []
    while not run.over:
        if len(alive) < 10:
            cell = tuple(values[rng.integers(len(values))] for values in table.choices)
        else:
            weight = rng.random() if two else 0.0
            rivals = [alive[row] for row in rng.choice(len(alive), 3, replace=False)]
            spans = [np.ptp([own[place] for own in alive]) + 1e-9 for place in (1, 2)]
            parent = max(rivals, key=lambda own: (1 - weight) * own[1] / spans[0] - weight * own[2] / spans[1])[0]
            place = rng.integers(len(parent))
            value = table.choices[place][rng.integers(len(table.choices[place]))]
            cell = (*parent[:place], value, *parent[place + 1 :])
        found = run.look(cell)
        if found is not None:
            alive = [*alive, (cell, found, table.members[cell][1])][-10:]
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


def lines(name: str, work: Callable[[bool, int], Run], seeds: int, most: int) -> Iterator[str]:
    """A line per task: medians over seeds."""
    for two in (False, True):
        before = time.process_time()
        runs = [work(two, seed) for seed in range(seeds)]
        curves = [run.shares() if two else run.regrets() for run in runs]
        reached = [_until(c >= _SHARE if two else c <= _NEAR) for c in curves]
        until = np.median(reached)
        low, high = np.quantile(reached, [0.25, 0.75], method="nearest")
        found = [np.median([_at(curve, count) for curve in curves]) for count in BUDGETS if count <= most]
        digits = ".4f" if two else ".2f"
        asked = np.mean([run.suggested / len(run.seen) for run in runs])
        yield (
            f"{'two' if two else 'one'}  {name:12} {until:6.0f}  {'  '.join(format(v, digits) for v in found)}"
            f"   quartiles until {low:.0f} and {high:.0f}; {asked:5.1f} suggestions an evaluation, {(time.process_time() - before) / seeds:.0f} s a run"
        )


def heading(table: Table, seeds: int) -> str:
    """What the lines are about."""
    return (
        f"{len(table.pool):,} distinct feasible members, {LATENCY} <= {table.limit:.4g}; best "
        f"{max(table.accuracy.values()):.2f} %; medians of {seeds} seeds\n"
        f"task sampler      until  after {', '.join(map(str, BUDGETS))} evaluations"
    )


def main(name: str = "nasbench201", seeds: str = "10", most: str = "300", *names: str) -> None:
    """Print a line per task and sampler."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = TABLES[name]()
    print(heading(table, int(seeds)), flush=True)
    for own in names or SAMPLERS:
        work = SAMPLERS[own]
        for line in lines(own, lambda two, seed, work=work: work(table, two, seed, int(most)), int(seeds), int(most)):
            print(line, flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    main(*sys.argv[1:])
