"""The tensor arena of a network, from a trace of its whole module: templates hold peaks, and no lifetimes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from oracle.arena import Lifetime, greedy_arena
from oracle.errors import WorkloadError

if TYPE_CHECKING:
    from oracle.optable import OpTable
    from oracle.spec import NetSpec, Workload


def net_arena(net: NetSpec, workload: Workload) -> int:
    """Bytes of a network's arena; it needs torch.

    Raises:
        WorkloadError: as `table_arena`.
        OracleError: a network that cannot be traced.
    """
    _check(workload)
    from oracle.counting.networks import trace_whole

    return table_arena(trace_whole(net, workload), workload)


def table_arena(table: OpTable, workload: Workload) -> int:
    """Bytes of the arena of an operator table.

    Raises:
        WorkloadError: training, or another runtime than an engine: arenas are of engines.
    """
    _check(workload)
    from oracle.counting import count, lowered_for

    counts = count(lowered_for(_functional(table), workload), workload)
    alive, sizes = counts.lifetimes, counts.sizes
    spans = [(storage, first, last) for storage, first, last in alive.spans[0]]
    if alive.boundary_in >= 0 and alive.input_forward >= 0:
        spans.append((alive.boundary_in, 0, alive.input_forward))
    return greedy_arena(Lifetime(int(sizes[storage]), first, last) for storage, first, last in sorted(spans))


def _functional(table: OpTable) -> OpTable:
    """The table with memory of its own for each result: operators of LiteRT never write over what they read."""
    storages, moved = list(table.storages), dict[int, int]()
    last = dict[int, int]()  # of each storage of the table, where its latest value is
    for index in sorted(range(len(table.values)), key=lambda index: table.values[index].producer):
        value = table.values[index]
        if value.base >= 0:
            moved[index] = moved.get(value.base, value.storage)
        elif value.producer >= 0 and value.storage in last:
            storages.append(table.storages[value.storage]._replace(kind="activation"))
            moved[index] = len(storages) - 1
        last[value.storage] = moved.get(index, value.storage)
    return replace(
        table,
        values=tuple(
            value._replace(storage=moved.get(index, value.storage)) for index, value in enumerate(table.values)
        ),
        storages=tuple(storages),
        boundary_out=last.get(table.boundary_out, table.boundary_out),
        released=(),
    )


def _check(workload: Workload) -> None:
    """Raise WorkloadError where no engine runs the network in inference."""
    if workload.training or workload.runtime != "engine":
        raise WorkloadError(
            f"runtime={workload.runtime!r}, mode={workload.mode!r}: a tensor arena is an engine's, in inference"
        )
