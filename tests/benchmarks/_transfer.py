"""Networks measured on one device, carried over to another by fits that saw none of their families."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from oracle.calibration import general_prior, transfer
from oracle.calibration.validation import cross_predict
from tests.benchmarks._networks import Group

__all__ = ["carried_over", "shared"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


def shared(here: Group, there: Group) -> list[tuple[int, int]]:
    """Places of the networks that both measured."""
    place = {name: index for index, name in enumerate(there.names)}
    return [(index, place[name]) for index, name in enumerate(here.names) if name in place]


def carried_over(here: Group, there: Group, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Seconds here of the networks that both measured, from their seconds there; batch sizes may differ."""
    mine, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    roofline = np.array([here.networks[index].roofline_s for index in mine])
    predicted_here, predicted_there = _unseen(_Whole(here))[mine], _unseen(_Whole(there))[theirs]
    return transfer(there.seconds[theirs], predicted_there, predicted_here, roofline)


class _Whole:
    """A group as a key: itself alone."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._key = (group.device.name, group.workload, len(group.names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Whole) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


@cache
def _unseen(whole: _Whole) -> Floats:
    group = whole.group
    names = group.families if len(set(group.families)) > 1 else group.names  # a design space is one family
    return cross_predict(group.networks, group.seconds, general_prior(group.device.kind), names)
