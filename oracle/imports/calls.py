"""A trace of several calls of a network, taken apart; and one call as a measurement of the network."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from oracle.counting import KernelCount
from oracle.errors import OracleError
from oracle.imports.matching import Matching, match_operators
from oracle.imports.replay import OperatorCall
from oracle.spec import Workload

_WHOLE = 0.9  # of the MACs of a network: less was cut off, or is of another network


def network_calls(
    calls: Sequence[OperatorCall], kernels: Sequence[KernelCount], workload: Workload
) -> list[list[OperatorCall]]:
    """The operators of each call of a network that a trace holds.

    Args:
        calls: all operators of a trace, in order.
        kernels: of one call of the network, predicted.
        workload: what was run.

    Raises:
        OracleError: no call of the network is in it, or not the larger part of one.
    """
    total = sum(kernel.macs for kernel in kernels)
    rest, found = list(calls), []
    while rest:
        matching = match_operators(rest, kernels, workload)
        if not matching.matches or _macs(matching) < _WHOLE * total:
            break
        matched = {match.call.source for match in matching.matches}
        places = [index for index, call in enumerate(rest) if call.source in matched]
        first, behind = places[0], places[-1] + 1
        found.append((rest[first].source, rest[first:behind]))
        rest = rest[:first] + rest[behind:]
    if not found:
        matching = match_operators(calls, kernels, workload)
        share = _macs(matching) / total if total else 0.0
        raise OracleError(
            f"the trace holds {share:.0%} of the network's MACs, expected at least {_WHOLE:.0%} in one call: "
            "say the batch size, dtype, mode and layout that ran, and record shapes"
        )
    order = {call.source: index for index, call in enumerate(calls)}
    return [part for _, part in sorted(found, key=lambda item: order[item[0]])]


def typical_call(parts: Sequence[Sequence[OperatorCall]]) -> Sequence[OperatorCall]:
    """The call whose time is the median: the first of those nearest to it."""
    totals = [sum(call.seconds for call in part) for part in parts]
    middle = median(totals)
    return parts[min(range(len(parts)), key=lambda index: abs(totals[index] - middle))]


def _macs(matching: Matching) -> int:
    return sum(kernel.macs for match in matching.matches for kernel in match.kernels)
