"""Milliseconds per suggestion of the pool sampler, by the length of the study.

OMP_NUM_THREADS=1 python tests/benchmarks/suggestion_speed.py [POOL_SIZE]

A plain optuna study in memory whose objective costs nothing; medians and 95th percentiles over 60 suggestions in a row
after 100, 1,000 and 5,000 finished trials, which are members of the pool with random values. `one` has one objective
that must be evaluated, `two` a latency beside it, which is known. The drawing of the pool is timed apart.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import optuna

from search import PoolSampler

_LENGTHS = (100, 1_000, 5_000)
_TIMED = 60
_LATENCY = "latency_ms@t4"


def _finished(study: optuna.Study, sampler: PoolSampler, count: int, two: bool) -> None:
    """Trials on the first members of the pool."""
    pool, rng = sampler.pool, np.random.default_rng(0)
    parameters = sampler._parameters
    for row in range(len(study.trials), count):
        values = [float(np.log(pool.scores["macs"][row]) + rng.normal()), float(pool.scores[_LATENCY][row])]
        study.add_trial(
            optuna.trial.create_trial(
                params=parameters.suggestions(pool.config(row)),
                distributions=parameters.distributions,
                values=values[: 1 + two],
            )
        )


def main(size: str = "100000") -> None:
    """Print a line per space, objectives and length."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for space in ("ofa", "regnetx"):
        began = time.perf_counter()
        pool = PoolSampler(space, devices=["t4"], pool_size=int(size)).pool
        print(f"{space}: {len(pool):,} members in {time.perf_counter() - began:.1f} s")
        for two in (False, True):
            sampler = PoolSampler(space, objectives=["accuracy", _LATENCY][: 1 + two], devices=["t4"], pool=pool)
            study = optuna.create_study(directions=["maximize", "minimize"][: 1 + two], sampler=sampler)
            for length in _LENGTHS:
                _finished(study, sampler, length, two)
                spent: list[float] = []
                used: list[float] = []  # of the processor: what counts where others run
                for _ in range(_TIMED + 3):
                    began, before = time.perf_counter(), time.process_time()
                    trial = study.ask()
                    member: Any = sampler.suggest(trial)
                    spent.append((time.perf_counter() - began) * 1e3)
                    used.append((time.process_time() - before) * 1e3)
                    values = [float(np.log(member.scores["macs"])), member.scores[_LATENCY]]
                    study.tell(trial, values[: 1 + two])
                timed = spent[3:]  # without what a sampler does once, after it has read the study
                print(
                    f"  {'two' if two else 'one'} {length:6,} trials: median {np.median(timed):5.1f} ms, "
                    f"95 % {np.quantile(timed, 0.95):6.1f} ms; processor: median {np.median(used[3:]):5.1f} ms; "
                    f"the first {spent[0]:7.1f} ms"
                )


if __name__ == "__main__":
    main(*sys.argv[1:])
