"""Which measured operator is which predicted kernel: the longest common order of equal work.

Both sides are sequences of operators with their work: the measured calls replayed on meta, the prediction
counted from the network. Nothing is matched by position or by name alone, so that an iteration that began in
the middle, a view, or a kernel of another network stays unmatched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from oracle.counting import KernelCount
from oracle.imports.replay import OperatorCall, replay
from oracle.spec import Workload

_Key = tuple[str, int, int]
_PRODUCTS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul", "attention"})


@dataclass(frozen=True, slots=True)
class Match:
    """A measured call and the predicted kernels it is; `positions` are theirs in the prediction."""

    call: OperatorCall
    kernels: tuple[KernelCount, ...]
    positions: tuple[int, ...]

    @property
    def seconds(self) -> float:
        """Measured time of the kernels together."""
        return self.call.seconds


@dataclass(frozen=True, slots=True)
class Matching:
    """What was matched, and what was not.

    Attributes:
        matches: in the order of the prediction.
        unmatched: measured calls that do something and have no partner.
        views: measured calls that do nothing but cost time, seconds.
        left: predicted kernels without a measurement.
    """

    matches: tuple[Match, ...]
    unmatched: tuple[OperatorCall, ...]
    views_s: float
    left: tuple[KernelCount, ...]


def match_operators(
    calls: Iterable[OperatorCall], kernels: Sequence[KernelCount], workload: Workload | None = None
) -> Matching:
    """Match measured calls to the kernels of one network, in eager mode or another.

    Fused kernels are matched by their main operator, if that is a contraction, which its MACs identify.

    Args:
        calls: of one call of the network, in the order of the trace.
        kernels: predicted, in order of execution, for instance `count_net(net, workload).kernels`.
        workload: what was run.
    """
    done = [(call, replay(call, workload)) for call in calls]
    views_s = sum(call.seconds for call, found in done if found == ())
    active = [(call, found) for call, found in done if found != ()]
    exact = all(len(kernel.rows) == 1 for kernel in kernels)
    tokens: list[_Key] = []
    places: list[range] = []
    for call, found in active:
        keys = [_key(kernel, exact) for kernel in found] if found is not None else [(call.name, -1, -1)]
        places.append(range(len(tokens), len(tokens) + len(keys)))
        tokens.extend(keys)
    partner: dict[int, int] = {}
    matcher = SequenceMatcher(None, tokens, [_key(kernel, exact) for kernel in kernels], autojunk=False)
    for block in matcher.get_matching_blocks():
        partner |= {block.a + step: block.b + step for step in range(block.size)}
    matches, unmatched = [], []
    for (call, _), place in zip(active, places, strict=True):
        if all(index in partner for index in place):
            positions = tuple(partner[index] for index in place)
            matches.append(Match(call, tuple(kernels[position] for position in positions), positions))
        else:
            unmatched.append(call)
    taken = {position for match in matches for position in match.positions}
    left = tuple(kernel for position, kernel in enumerate(kernels) if position not in taken)
    return Matching(tuple(matches), tuple(unmatched), views_s, left)


def _key(kernel: KernelCount, exact: bool) -> _Key:
    """What two counts of one operator agree in; unless exact, without what fused neighbours change."""
    if kernel.op_class in _PRODUCTS:
        op_class = "matmul" if kernel.op_class == "linear" else kernel.op_class
        return (op_class, kernel.macs, kernel.write_bytes if exact else -1)
    return (kernel.name.rstrip("_"), 0, kernel.matrix_flops + kernel.vector_flops)
