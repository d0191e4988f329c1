"""What other tools would count, from the sums that closed forms have: the same for one network and for columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from oracle.families.sharding import LINEAR
from oracle.spec import GENERIC, Workload


class Counted(NamedTuple):
    """Four counts of one network, or columns of them; None where a tool does not report one."""

    macs: Any
    flops: Any
    params: Any
    activations: Any


def seen_by(convention: str | None, workload: Workload) -> Workload:
    """The workload whose sums `counted_as` takes.

    Torch's counter sees the eager module, of which an engine drops what nobody reads. What multiply-adds there are does
    not depend on the types that an engine computes them in.
    """
    if convention != "torch" or workload.runtime != "engine":
        return workload
    return workload.with_(runtime="eager", engine=GENERIC, dtype="float32", weights="")


def counted_as(
    convention: str | None, sums: Mapping[str, Any], workload: Workload, kinds: Collection[str]
) -> Counted | None:
    """What a tool would count; None where closed forms do not hold it.

    Args:
        convention: as in `oracle.score`; None or oracle is our own.
        sums: what `oracle.closedform.template.SUMS` names, as ints or columns.
        workload: that they are for.
        kinds: of the cells that they add up.
    """
    if convention in (None, "oracle"):
        return Counted(sums["macs"], sums["flops"], sums["params"], sums["activations"])
    if convention == "pycls":
        return Counted(sums["pycls_macs"], None, sums["params"], sums["pycls_activations"])
    # It counts what we count, but in a backward pass, and in chunks of linear attention.
    if convention == "torch" and not workload.training and LINEAR not in kinds:
        return Counted(sums["macs"], 2 * sums["macs"], None, None)
    return None
