"""Which part of a pipeline is shown where layers differ: the one that what is asked depends on.

A pipeline is as fast as its slowest part, and fits where the part that needs most memory does; these may be two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oracle.closedform import CalibratedDevice, network_form, shared_store
from oracle.spec import NetSpec, Workload


def shown_part(net: NetSpec, workload: Workload, places: tuple[CalibratedDevice, ...]) -> NetSpec:
    """Of the parts of a pipeline the one that takes longest on the first of some devices; of none, the largest.

    Args:
        net: any network; one that is no pipeline, or whose parts are all alike, is its own.
        workload: that it is scored under.
        places: where it runs.

    Raises:
        OracleError: as `oracle.closedform.network_form`; a device states no peak for a dtype.
    """
    if not net.others:
        return net
    if not places:
        return largest_part(net, workload)

    def seconds(form: Any) -> float:
        return float(form.timed(places[:1]).total_s[0].dot(form.counts))

    return _most(net, workload, seconds)


def largest_part(net: NetSpec, workload: Workload) -> NetSpec:
    """Of the parts of a pipeline the one whose peak memory is the highest."""
    return _most(net, workload, lambda form: float(form.peak_memory_bytes)) if net.others else net


def _most(net: NetSpec, workload: Workload, of: Callable[[Any], float]) -> NetSpec:
    store = shared_store()
    return max((net, *net.others), key=lambda part: of(network_form(store, part, workload)))
