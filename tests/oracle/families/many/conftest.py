"""The yardstick of vectorised families: the scalar ones, candidate by candidate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from oracle.config import cfg_from_dict
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.many import population_of
from oracle.families.many.groups import overlaid
from oracle.families.population import Population
from oracle.spec import NetSpec

Rows = Sequence[Mapping[str, Any]]


def network_or_key(cfg: Any) -> NetSpec | str:
    """The network, or the key of the complaint about it."""
    try:
        return to_spec(cfg)
    except ConfigError as error:
        return error.key


def compare(base: dict[str, Any], rows: Rows, num_stages: tuple[int, int] | None = None) -> Population:
    """Every network and every reason for having none is what `to_spec` says; returns the networks."""
    cfg = cfg_from_dict(base)
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    alone = [network_or_key(overlaid(cfg, row)) for row in rows]
    specs = [net for net in alone if isinstance(net, NetSpec)]
    kept = [number for number, net in enumerate(alone) if isinstance(net, NetSpec)]
    reasons = Counter(key for key in alone if isinstance(key, str))

    population, found, rejected = population_of(cfg, columns, num_stages)

    assert found.tolist() == kept
    assert rejected == dict(reasons)
    assert population.size == len(kept)
    assert list(population.specs()) == specs
    for own, net in zip(population.specs(), specs, strict=True):  # parts that are shorter, and alike, are left out
        assert set(own.others) == set(net.others) or not own.others
    return population


@pytest.fixture(scope="session")
def agree() -> Callable[..., Population]:
    """`agree(base, rows)`."""
    return compare
