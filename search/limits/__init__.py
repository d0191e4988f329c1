"""Limits for a search loop of one's own: what the oracle knows of a network before anybody trains it.

limits = search.oracle_limits("latency_ms@t4 <= 2 at 90%", "params <= 30e6", space="regnetx")
limits.feasible(cfg), limits.explain(cfg)     # one network
limits.filter(cfgs), limits.mask(columns)     # many
limits.suggest(trial), limits.constrain(trial)  # in a study of optuna's
"""

from __future__ import annotations

from .judging import OracleLimits, Violation, oracle_limits

__all__ = ["OracleLimits", "Violation", "oracle_limits"]
