"""An engine's nodes beside predicted kernels: matched by the modules that both came from.

Engines name nodes after those of the exported graph (`node_Conv_7/WithoutBiases`, `relu_nchwc`,
`mul_3_QuantizeLinear`), and the exporter notes the module of each. A predicted kernel has a module for each of its
operators. What an engine keeps apart and the prediction fuses adds up in the kernel's time; kernels of one module,
such as the products of an attention, are one row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from oracle.counting import KernelCount
from oracle.counting.networks import NetCount
from oracle.devices import Device
from oracle.imports.engines import Layer
from oracle.imports.profiles import NetworkProfile, OperatorTime, network_profile, operator_of, seconds_of
from oracle.roofline import Efficiency
from oracle.spec import Workload


class _Group(NamedTuple):
    """Kernels whose main operators are in one module, by their positions."""

    module: str
    positions: list[int]


def engine_profile(
    network: str,
    workload: Workload,
    nodes: Sequence[Layer],
    modules: Mapping[str, str],
    count: NetCount,
    device: Device | None = None,
    efficiency: Efficiency | None = None,
) -> NetworkProfile:
    """The nodes of one call of a network, matched to what was counted.

    Args:
        network, workload: what ran.
        nodes: as the engine's profiler saw them, in order.
        modules: name in the exported graph -> module.
        count: of the network, under the workload.
        device: whose roofs count; without one there is no share of the roof.
        efficiency: of a calibration of that device, for what is predicted.

    Raises:
        DeviceError: the device states no peak for a dtype that was used.
    """
    groups = _groups(count.kernels)
    times = _assigned(nodes, modules, groups, count)
    roofs, predicted = seconds_of(count.kernels, count, device, efficiency, workload.runner)
    operators, left = list[OperatorTime](), list[KernelCount]()
    for group, seconds in zip(groups, times, strict=True):
        kernels = [count.kernels[position] for position in group.positions]
        if seconds is None:
            left += kernels
            continue
        at_roofs, guesses = ([own[position] for position in group.positions] for own in (roofs, predicted))
        found = operator_of(kernels, seconds, at_roofs, guesses)
        more = f" and {len(kernels) - 1} more" if len(kernels) > 1 else ""
        operators.append(replace(found, name=found.name + more))
    return network_profile(network, workload, operators, sum(node.seconds for node in nodes), left)


def _groups(kernels: Sequence[KernelCount]) -> list[_Group]:
    found: dict[str, _Group] = {}
    for position, kernel in enumerate(kernels):
        found.setdefault(kernel.module, _Group(kernel.module, [])).positions.append(position)
    return list(found.values())


def _assigned(
    nodes: Iterable[Layer], modules: Mapping[str, str], groups: Sequence[_Group], count: NetCount
) -> list[float | None]:
    """Seconds per group of kernels; None where no node is of it."""
    of_module: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        rows = (row for position in group.positions for row in count.kernels[position].rows)
        for module in dict.fromkeys((group.module, *(count.table.rows[row].module for row in rows))):
            of_module[module].append(index)
    times: list[float | None] = [None] * len(groups)
    last = 0
    for node in nodes:
        known = of_module.get(modules.get(_named(node.name, modules), ""), [])
        if not known:
            continue
        # two additions of one block, say: the one that comes next
        last = next((index for index in known if index >= last), known[-1])
        times[last] = (times[last] or 0.0) + node.seconds
    return times


def _named(name: str, modules: Mapping[str, str]) -> str:
    """The longest beginning of an engine's name that the exported graph has; "" if none."""
    if name in modules:
        return name
    ends = [match.start() for match in re.finditer(r"[_/.: ]", name)]
    return next((name[:end] for end in reversed(ends) if name[:end] in modules), "")
