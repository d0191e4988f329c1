"""Evaluations that a warm start saves the pool sampler, on the tables of true qualities.

OMP_NUM_THREADS=1 python -m tests.benchmarks.warm_start [TABLE [SEEDS [EVALUATIONS [START ...]]]]

Tables and tasks are those of samplers.py. A study starts from

    cold        nothing
    cold10      nothing, with an opening of ten evaluations: cold starts have three per objective, warm ones three
    study       100 evaluations of another study: nasbench201, of the same quality without any limit; regnets, of the
                accuracy after two of the five epochs
    shuffled    the same with values that belong to other members: what a start from the wrong study costs
    synflow, naswot, grad_norm    the proxy of 128 feasible members, of the networks that the oracle scores
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import optuna

from search.pool.warm import Earlier, proxied
from tests.benchmarks import regnet_digits
from tests.benchmarks.samplers import TABLES, Run, Table, heading, lines, pool

STARTS = ("cold", "cold10", "study", "shuffled", "synflow", "naswot", "grad_norm")
_EARLIER = 100


def _study(name: str, seed: int) -> Earlier:
    """Another study, by the pool sampler."""
    table = TABLES[name]()
    qualities = regnet_digits.accuracies(2) if name == "regnets" else table.quality
    by_key = {table.members[cell][0]: value for cell, value in qualities.items()}
    sampler = table.sampler(None if name == "regnets" else (), seed=1_000 + seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    cells = {repr(table.config(cell)): key for cell, (key, _) in table.members.items()}
    study.optimize(lambda trial: by_key[cells[repr(sampler.suggest(trial).config)]], n_trials=_EARLIER)
    configs = [sampler.suggest(optuna.trial.FixedTrial(trial.params)).config for trial in study.trials]
    return Earlier("study", configs, [trial.value or 0.0 for trial in study.trials])


@lru_cache(maxsize=8)
def _proxy(name: str, proxy: str) -> Earlier:
    table: Table = TABLES[name]()
    return proxied(proxy, table.sampler()._source, table.pool, 0)


def starting(name: str, start: str, seed: int) -> Sequence[Earlier]:
    """What a study starts from."""
    if start.startswith("cold"):
        return ()
    if start not in ("study", "shuffled"):
        return (_proxy(name, start),)
    earlier = _study(name, seed)
    if start == "shuffled":
        earlier = replace(earlier, values=np.random.default_rng(seed).permutation(earlier.values).tolist())
    return (earlier,)


def main(name: str = "nasbench201", seeds: str = "10", most: str = "100", *starts: str) -> None:
    """Print a line per task and start."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table, count = TABLES[name](), int(most)
    print(heading(table, int(seeds)), flush=True)
    for start in starts or STARTS:

        def work(two: bool, seed: int, start: str = start) -> Run:
            return pool(table, two, seed, count, starting(name, start, seed), 10 if start == "cold10" else None)

        for line in lines(start, work, int(seeds), count):
            print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
