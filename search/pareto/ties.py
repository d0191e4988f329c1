"""Members of a front that the error of predictions does not distinguish.

A member is tied with another one that is no worse than it but for latencies that differ by less than their error: if
the truth lies within the error, the other one takes its place on the front. Two latencies on one device tie where their
ratio is no more than `oracle.calibration.intervals.tie_ratio`: the errors are taken to be independent, which is
cautious, as what they have in common cancels in the ratio. Counts and qualities are exact here, and never tie unless
they are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from oracle.calibration.intervals import tie_ratio
from oracle.query.trust import Trust

from .objectives import LATENCY

_AT = f"{LATENCY}@"


def tie_ratios(names: Sequence[str], trust: Mapping[str, Trust]) -> tuple[float, ...] | None:
    """How many times as long each objective must be to be worse for certain: 1 where it is exact.

    Args:
        names: of objectives; `latency_ms@t4` for a latency.
        trust: device -> how far to trust its latencies.

    Returns:
        None where the error of one of them is not known, so that ties are unknown.
    """
    found = []
    for name in names:
        if not name.startswith(_AT):
            found.append(1.0)
            continue
        known = trust.get(name.removeprefix(_AT))
        if known is None or known.interval is None:
            return None
        found.append(tie_ratio(known.interval))
    return tuple(found)


def tied_with(
    columns: Sequence[NDArray[np.float64]], maximise: Sequence[bool], ratios: Sequence[float]
) -> list[list[int]]:
    """For each member of a front, the positions of those that are no worse, as far as the error lets anybody say.

    Args:
        columns: (n,) values of the members, one array per objective.
        maximise: of each objective.
        ratios: of each objective, from `tie_ratios`.

    Example:
        >>> latency_ms, macs = np.array([1.0, 1.1, 3.0]), np.array([4.0, 5.0, 9.0])
        >>> tied_with([latency_ms, macs], [False, True], [1.2, 1.0])  # the first is tied with the second
        [[1], [], []]
    """
    found = []
    for row in range(len(columns[0])):
        tied = np.ones(len(columns[0]), dtype=np.bool_)
        for column, more, ratio in zip(columns, maximise, ratios, strict=True):
            tied &= column * ratio >= column[row] if more else column <= column[row] * ratio
        tied[row] = False
        found.append(np.flatnonzero(tied).tolist())
    return found


def tie_caption(names: Sequence[str], trust: Mapping[str, Trust], tied: int, members: int) -> str:
    """The rule in words, and how many members it finds; "" where no objective is a latency.

    Args:
        names: of objectives.
        trust: device -> how far to trust its latencies.
        tied: members that are tied with another one.
        members: of the front.
    """
    devices = [name.removeprefix(_AT) for name in names if name.startswith(_AT)]
    if not devices:
        return ""
    ratios = tie_ratios(names, trust)
    if ratios is None:
        unknown = [device for device in devices if device not in trust or trust[device].interval is None]
        return f"Tied: not known, as no error is known of latencies on {', '.join(unknown)}."
    factors = ", ".join(
        f"{100 * (ratio - 1):.3g} % on {name.removeprefix(_AT)}"
        for name, ratio in zip(names, ratios, strict=True)
        if name.startswith(_AT)
    )
    return (
        f"Tied: members of the front that are no worse but for latencies within the error, {factors} (sqrt(2) times "
        f"half the 80 % interval, errors taken as independent); {tied:,} of {members:,} have such."
    )
