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

Rows = Sequence[Mapping[str, Any]]


def compare(base: dict[str, Any], rows: Rows, num_stages: tuple[int, int] | None = None) -> Population:
    """Every network and every reason for having none is what `to_spec` says; returns the networks."""
    cfg = cfg_from_dict(base)
    columns = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    specs, kept, reasons = [], [], Counter[str]()
    for number, row in enumerate(rows):
        try:
            specs.append(to_spec(overlaid(cfg, row)))
        except ConfigError as error:
            reasons[error.key] += 1
        else:
            kept.append(number)

    population, found, rejected = population_of(cfg, columns, num_stages)

    assert found.tolist() == kept
    assert rejected == dict(reasons)
    assert population.size == len(kept)
    assert list(population.specs()) == specs
    return population


@pytest.fixture(scope="session")
def agree() -> Callable[..., Population]:
    """`agree(base, rows)`."""
    return compare
