"""Search in the set of feasible networks: a sampler for anybody's optuna that chooses among members of a space.

    sampler = oracle.search.PoolSampler("nasbench201", ["params <= 1e6"], objectives=["accuracy", "latency_ms@t4"])
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

A pool of feasible, distinct members (`members`, `identity`) is described by what is known of each (`features`); a
Gaussian process learns from what was evaluated (`surrogate`), and the member that promises most is next (`acquisition`,
`choosing`). Members beside the best are added to the pool (`moves`). All state lies in the study's trials (`history`).
"""

from __future__ import annotations

from .members import Members, Source
from .sampler import ExhaustedError, Member, PoolSampler
from .warm import Earlier

__all__ = ["Earlier", "ExhaustedError", "Member", "Members", "PoolSampler", "Source"]
