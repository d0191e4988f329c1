"""The layers of an engine's report, matched to what was counted of the network: predicted beside measured.

An engine names layers as the file it loaded does, and says little of their shapes. So a layer is matched by its name,
where the path of a module is in it; by its multiply-adds, where the report has them; and what is left of a kind
(convolutions, products, pools, changes of layout) by its order, if there are as many on both sides. Nothing else is
matched: its time stays beside.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from oracle.counting import KernelCount
from oracle.counting.networks import NetCount
from oracle.devices import Device
from oracle.imports.engines import Layer
from oracle.imports.profiles import NetworkProfile, network_profile, operator_of, seconds_of
from oracle.roofline import Efficiency
from oracle.spec import Workload

_CONVOLUTIONS = frozenset({"conv", "depthwise", "grouped"})
_PRODUCTS = frozenset({"linear", "matmul", "attention"})
_IS_CONVOLUTION = re.compile(r"conv(?!ert)", re.IGNORECASE)
_IS_PRODUCT = re.compile(
    r"gemm|matmul|fully_?connected|inner_?product|linear|(?:^|[^a-z])fc(?:$|[^a-z])", re.IGNORECASE
)
_IS_REORDER = re.compile(r"reorder|reformat|copynode", re.IGNORECASE)
_IS_POOL = re.compile(r"pool|mean", re.IGNORECASE)
_IS_COPY = re.compile(r"cast|convert|transpose|reshape|quantize", re.IGNORECASE)
_KINDS = ("conv", "matmul", "reorder", "pool")
_REORDER = "oracle.reorder"  # an engine's change of layout, as it is counted


def match_layers(layers: Sequence[Layer], kernels: Sequence[KernelCount]) -> dict[int, int]:
    """Place of a layer -> place of the kernel that it is.

    Args:
        layers: in the order of the report.
        kernels: predicted, in order of execution.
    """
    found: dict[int, int] = {}
    left = [place for place, layer in enumerate(layers) if not _IS_COPY.search(layer.kind or layer.name)]
    taken: set[int] = set()
    paths = _paths(kernels)
    for place in left:
        kind = _kind_of(layers[place])
        named = [
            index
            for path, places in paths.items()
            if path in _words(layers[place].name)
            for index in places
            if index not in taken and _kind(kernels[index]) == kind
        ]
        if named:
            best = max(named, key=lambda index: (len(_words(kernels[index].module)), -index))
            found[place] = best
            taken.add(best)
    for place in left:
        macs = layers[place].macs
        same = [i for i, kernel in enumerate(kernels) if i not in taken and macs and kernel.macs == macs]
        if place not in found and same:
            found[place] = same[0]
            taken.add(same[0])
    for kind in _KINDS:
        ours = [index for index, kernel in enumerate(kernels) if index not in taken and _kind(kernel) == kind]
        theirs = [place for place in left if place not in found and _kind_of(layers[place]) == kind]
        if len(ours) == len(theirs):
            found |= dict(zip(theirs, ours, strict=True))
    return dict(sorted(found.items()))


def profile_of_layers(
    network: str,
    workload: Workload,
    layers: Sequence[Layer],
    count: NetCount,
    device: Device | None = None,
    efficiency: Efficiency | None = None,
) -> NetworkProfile:
    """A report's layers beside what was counted and is predicted; arguments as those of `profile_of`.

    Raises:
        DeviceError: the device states no peak for a dtype that was used.
    """
    matched = match_layers(layers, count.kernels)
    kernels = [count.kernels[place] for place in matched.values()]
    roofs, predicted = seconds_of(kernels, count, device, efficiency, workload.runner)
    operators = [
        operator_of([kernel], layers[place].seconds, [roof], [guess])
        for place, kernel, roof, guess in zip(matched, kernels, roofs, predicted, strict=True)
    ]
    taken = set(matched.values())
    left = [kernel for index, kernel in enumerate(count.kernels) if index not in taken]
    return network_profile(network, workload, operators, sum(layer.seconds for layer in layers), left)


def _paths(kernels: Iterable[KernelCount]) -> dict[str, list[int]]:
    """Path of a module, as its words -> places of its kernels."""
    found: dict[str, list[int]] = {}
    for index, kernel in enumerate(kernels):
        if kernel.module:
            found.setdefault(_words(kernel.module), []).append(index)
    return found


def _words(name: str) -> str:
    """The parts of a path, each between dots: `/s1/b1.a/Conv` is `.s1.b1.a.Conv.`."""
    return "." + re.sub(r"[^A-Za-z0-9_]+", ".", name).strip(".") + "."


def _kind(kernel: KernelCount) -> str:
    if kernel.name == _REORDER:
        return "reorder"
    if kernel.op_class in _CONVOLUTIONS:
        return "conv"
    if kernel.op_class in ("pool", "reduction"):
        return "pool"
    return "matmul" if kernel.op_class in _PRODUCTS else ""


def _kind_of(layer: Layer) -> str:
    """What a layer is, by its kind, or by its name where the report has no kinds."""
    text = layer.kind or layer.name
    patterns = (_IS_REORDER, _IS_CONVOLUTION, _IS_PRODUCT, _IS_POOL)
    kinds = ("reorder", "conv", "matmul", "pool")
    return next((kind for kind, pattern in zip(kinds, patterns, strict=True) if pattern.search(text)), "")
