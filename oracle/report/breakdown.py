"""Where cost goes: kernels summed by module, class, operator, cell or phase."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from oracle.query import KernelCost

_Line = TypeVar("_Line", "KernelCost", "Group")


@dataclass(frozen=True, slots=True)
class Group:
    """Kernels that belong together.

    Attributes:
        name: of the module, class, operator, cell or phase.
        kernels: how many.
        macs, flops, traffic_bytes, weight_bytes: their sums.
        time_ms: sum of their times; nan where there is no device.
        share: of the latency; nan where there is no device.
        bound: what bounds the largest part of their time; "" where there is no device.
    """

    name: str
    kernels: int
    macs: int
    flops: int
    traffic_bytes: int
    weight_bytes: int
    time_ms: float
    share: float
    bound: str

    @property
    def intensity(self) -> float:
        """FLOP/byte."""
        return self.flops / self.traffic_bytes if self.traffic_bytes else 0.0

    @property
    def achieved_flops_per_s(self) -> float:
        """FLOP/s over the group's time."""
        return self.flops / self.time_ms * 1e3 if self.time_ms else 0.0


GROUPINGS: dict[str, Callable[[KernelCost, int | None], str]] = {
    "module": lambda kernel, depth: ".".join(kernel.module.split(".")[:depth]) or "(network)",
    "class": lambda kernel, _: kernel.op_class,
    "op": lambda kernel, _: kernel.name.split(" +")[0],  # a fused kernel goes by its main operator
    "cell": lambda kernel, _: f"{kernel.cell}: {kernel.module.split('.')[0]}",
    "phase": lambda kernel, _: kernel.phase,
}
ORDERS = {
    "order": "",
    "time": "time_ms",
    "macs": "macs",
    "flops": "flops",
    "traffic": "traffic_bytes",
    "intensity": "intensity",
}
"""Ways to sort, and the field they look at."""


def breakdown(kernels: Iterable[KernelCost], by: str, depth: int | None = None) -> tuple[Group, ...]:
    """Kernels in groups, in order of first execution; together they are the whole.

    Args:
        by: a key of `GROUPINGS`.
        depth: how many parts of a module path to tell apart; all if None. Only "module" looks at it.
    """
    groups: dict[str, list[KernelCost]] = {}
    for kernel in kernels:
        groups.setdefault(GROUPINGS[by](kernel, depth), []).append(kernel)
    return tuple(total(name, members) for name, members in groups.items())


def total(name: str, lines: Sequence[KernelCost] | Sequence[Group]) -> Group:
    """Kernels, or groups of them, as one group."""
    time_of: dict[str, float] = {}
    for line in lines:
        time_of[line.bound] = time_of.get(line.bound, 0.0) + line.time_ms
    return Group(
        name,
        sum(line.kernels if isinstance(line, Group) else 1 for line in lines),
        sum(line.macs for line in lines),
        sum(line.flops for line in lines),
        sum(line.traffic_bytes for line in lines),
        sum(line.weight_bytes for line in lines),
        sum(line.time_ms for line in lines),
        sum(line.share for line in lines),
        max(time_of, key=time_of.__getitem__, default=""),
    )


def ordered(lines: Sequence[_Line], order: str) -> list[_Line]:
    """Lines with the largest first, or as they are executed; see `ORDERS`."""
    return sorted(lines, key=attrgetter(ORDERS[order]), reverse=True) if ORDERS[order] else list(lines)
