"""Why candidates are no networks: what the family says of one for each key that is to blame."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.many import population_of

from .space import Space

_DRAWN = 5_000  # candidates among which examples are looked for
_ASKED = 500  # that the family converts one by one


def reasons(space: Space, keys: Collection[str]) -> dict[str, str]:
    """Dotted key -> the reason for the first candidate that it makes impossible, if a few draws show one."""
    columns = space.sample(0, min(_DRAWN, space.chunk_size))
    count = len(next(iter(columns.values()), ()))
    _, kept, rejected = population_of(space.base, columns)
    found: dict[str, str] = {}
    wanted = {key for key in keys if key in rejected}
    for row in np.setdiff1d(np.arange(count), kept)[:_ASKED]:
        if found.keys() >= wanted:
            break
        try:
            to_spec(space.cfg(columns, int(row)))
        except ConfigError as error:
            if error.key in wanted:
                found.setdefault(error.key, str(error).removeprefix(f"{error.key}: "))
    return found
