"""What makes two candidates one: equal networks that would be trained alike.

A key is the network's fingerprint, 32 hexadecimal digits; where a space samples keys that no network depends on (a
learning rate), those of the candidate follow as 16 more, for its quality depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.errors import OracleError
from oracle.families.fingerprint import Fingerprints, fingerprint
from oracle.families.many import depends
from oracle.spec import NetSpec

from ..space import Space
from .grid import Grid

NETWORK_DIGITS = 32
Words = NDArray[np.uint64]


class Keys:
    """The keys of a space's candidates.

    Args:
        space, grid: of the study.
        trained: whether a quality depends on more than the network.

    Attributes:
        training: dotted keys that are sampled and that no network of the space depends on.
    """

    def __init__(self, space: Space, grid: Grid, *, trained: bool = True) -> None:
        varying = grid.parameters.varying if trained else ()
        self.training = tuple(key for key in varying if not depends(space.base.MODEL.TYPE, key))

    def of(self, spec: NetSpec, config: Mapping[str, Any]) -> str:
        """The key of one candidate.

        Raises:
            OracleError: a network without cells.
        """
        if not spec.cells:
            raise OracleError(f"network {spec.name!r}: expected at least one cell")
        network = "".join(f"{word:016x}" for word in fingerprint(spec))
        return f"{network}{_mark([config[key] for key in self.training]):016x}" if self.training else network

    def marks(self, columns: Mapping[str, NDArray[Any]]) -> Words:
        """(n,) a word for the training of each candidate."""
        rows = zip(*(columns[key].tolist() for key in self.training), strict=True)
        known: dict[str, int] = {}
        return np.array([known.setdefault(repr(row), _mark(row)) for row in map(list, rows)], dtype=np.uint64)

    def many(self, prints: Fingerprints, columns: Mapping[str, NDArray[Any]]) -> list[str]:
        """The keys of the candidates with some (2, n) fingerprints and config values."""
        words = [*prints.tolist(), *([self.marks(columns).tolist()] if self.training else [])]
        return ["".join(f"{word:016x}" for word in row) for row in zip(*words, strict=True)]


def _mark(values: list[Any]) -> int:
    """A word for the values of training keys; 1 and 1.0 are one value to whoever trains."""
    plain = [float(value) if isinstance(value, int) and not isinstance(value, bool) else value for value in values]
    return int.from_bytes(blake2b(repr(plain).encode(), digest_size=8).digest(), "big")
