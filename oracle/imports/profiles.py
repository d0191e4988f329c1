"""One network operator by operator: as measured, beside what the roofs allow and what is predicted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from oracle.counting import KernelCount
from oracle.counting.networks import NetCount
from oracle.devices import Device
from oracle.imports.matching import match_operators
from oracle.imports.points import kernel_columns, products_of
from oracle.imports.replay import OperatorCall
from oracle.roofline import TEXTBOOK, Efficiency, time_kernels
from oracle.spec import Workload


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """An operator (with the casts it needs) as measured and as the roofs allow.

    Attributes:
        name, op_class, module, phase: of its main kernel, as predicted.
        flops, traffic_bytes: counted, per call.
        time_s: measured, median over the repeats.
        roof_s: at the roofs of the device; None without one.
        predicted_s: by a calibration of the device; None without one.
    """

    name: str
    op_class: str
    module: str
    phase: str
    flops: int
    traffic_bytes: int
    time_s: float
    roof_s: float | None
    predicted_s: float | None = None

    @property
    def achieved_flops_per_s(self) -> float:
        """FLOP/s; 0 where nothing is computed."""
        return self.flops / self.time_s if self.time_s else 0.0

    @property
    def achieved_bytes_per_s(self) -> float:
        """Byte/s of the least traffic."""
        return self.traffic_bytes / self.time_s if self.time_s else 0.0

    @property
    def roof_share(self) -> float | None:
        """What share of its roof it reaches."""
        return self.roof_s / self.time_s if self.roof_s is not None and self.time_s else None


@dataclass(frozen=True, slots=True)
class NetworkProfile:
    """A network's operators.

    Attributes:
        network, workload: what ran.
        operators: those that were matched, in order of execution.
        total_s: measured sum over all operators, matched or not.
        other_s: the part of it that no prediction claims: views, and operators in another guise.
        left: predicted kernels that nobody was seen to run.
    """

    network: str
    workload: Workload
    operators: tuple[OperatorTime, ...]
    total_s: float
    other_s: float
    left: tuple[KernelCount, ...]

    @property
    def achieved_flops_per_s(self) -> float:
        """FLOP/s of the matched operators over the time of all."""
        return sum(item.flops for item in self.operators) / self.total_s

    @property
    def achieved_bytes_per_s(self) -> float:
        """Byte/s of the matched operators over the time of all."""
        return sum(item.traffic_bytes for item in self.operators) / self.total_s

    @property
    def roof_share(self) -> float | None:
        """What share of its roofs the network reaches: the time they allow over the time measured."""
        roofs = [item.roof_s for item in self.operators]
        return None if None in roofs else sum(item for item in roofs if item is not None) / self.total_s

    def by_class(self) -> dict[str, tuple[float, float, float, float | None]]:
        """Class -> (seconds, FLOP/s, byte/s, share of the roof), the slowest first."""
        groups: dict[str, list[OperatorTime]] = defaultdict(list)
        for item in self.operators:
            groups[item.op_class].append(item)
        found: dict[str, tuple[float, float, float, float | None]] = {}
        for op_class, items in groups.items():
            seconds = sum(item.time_s for item in items)
            roofs = [item.roof_s for item in items if item.roof_s is not None]
            share = sum(roofs) / seconds if len(roofs) == len(items) else None
            flops, traffic = sum(item.flops for item in items), sum(item.traffic_bytes for item in items)
            found[op_class] = seconds, flops / seconds, traffic / seconds, share
        return dict(sorted(found.items(), key=lambda pair: -pair[1][0]))


def profile_of(
    network: str,
    workload: Workload,
    calls: Iterable[OperatorCall],
    count: NetCount,
    device: Device | None = None,
    efficiency: Efficiency | None = None,
) -> NetworkProfile:
    """The operators of one call of a network, matched to what was counted.

    Args:
        network, workload: what ran.
        calls: as the profiler saw them, in order.
        count: of the network.
        device: whose roofs count; without one there is no share of the roof.
        efficiency: of a calibration of that device, for what is predicted.

    Raises:
        DeviceError: the device states no peak for a dtype that was used.
    """
    seen = list(calls)
    matching = match_operators(seen, count.kernels, workload)
    kernels = [kernel for match in matching.matches for kernel in match.kernels]
    roofs, predicted = map(iter, seconds_of(kernels, count, device, efficiency, workload.runner))
    operators = [
        operator_of(match.kernels, match.seconds, list(islice(roofs, many)), list(islice(predicted, many)))
        for match in matching.matches
        for many in (len(match.kernels),)
    ]
    return network_profile(network, workload, operators, sum(call.seconds for call in seen), matching.left)


def operator_of(
    kernels: Sequence[KernelCount], seconds: float, roofs: Sequence[float | None], predicted: Sequence[float | None]
) -> OperatorTime:
    """What was measured of some kernels together, under the name of the one that multiplies most.

    Args:
        kernels: at least one.
        seconds: that they took.
        roofs, predicted: of each; see `seconds_of`.
    """
    main = max(kernels, key=lambda kernel: kernel.macs)
    return OperatorTime(
        main.name,
        main.op_class,
        main.module,
        main.phase,
        sum(kernel.matrix_flops + kernel.vector_flops for kernel in kernels),
        sum(kernel.read_bytes + kernel.write_bytes for kernel in kernels),
        seconds,
        _total(roofs),
        _total(predicted),
    )


def network_profile(
    network: str, workload: Workload, operators: Iterable[OperatorTime], total: float, left: Iterable[KernelCount]
) -> NetworkProfile:
    """The profile of a network whose operators were matched; what of its seconds is none of theirs stays beside."""
    found = tuple(operators)
    return NetworkProfile(network, workload, found, total, total - sum(item.time_s for item in found), tuple(left))


def seconds_of(
    kernels: Sequence[KernelCount], count: NetCount, device: Device | None, efficiency: Efficiency | None, runner: str
) -> tuple[list[float] | list[None], list[float] | list[None]]:
    """Seconds of each kernel at the roofs of a device, and by a calibration of it; None without one."""
    roofs = _seconds(kernels, count, device, TEXTBOOK, runner)
    priced = None if efficiency is None else device
    return roofs, _seconds(kernels, count, priced, efficiency or TEXTBOOK, runner)


def _total(seconds: Sequence[float | None]) -> float | None:
    known = [value for value in seconds if value is not None]
    return sum(known) if len(known) == len(seconds) else None


def _seconds(
    kernels: Sequence[KernelCount], count: NetCount, device: Device | None, efficiency: Efficiency, runner: str
) -> list[float] | list[None]:
    """Seconds of each kernel on a device, at a share of its roofs; None of each without a device.

    Raises:
        DeviceError: the device states no peak for a dtype that is used.
    """
    if device is None:
        return [None] * len(kernels)
    kinds, matrix, vector, traffic, weights = kernel_columns(kernels, count, runner)
    products = products_of(kernels, count.table) if efficiency.tiled else None
    timing = time_kernels(kinds, matrix, vector, traffic, device, efficiency, weights, products=products)
    return [float(value) for value in timing.total_s]
