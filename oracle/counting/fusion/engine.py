"""Engine: constants computed beforehand, batch norm folded, epilogues fused, chains merged as engines merge them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oracle.counting.fusion.chains import CHAINED, merged_groups
from oracle.counting.fusion.constants import constant_rows, is_constant
from oracle.counting.fusion.engines import RULES, EngineRules
from oracle.counting.fusion.kernel import ANCHORS, Kernel, all_producers, assemble, live_rows
from oracle.counting.fusion.redundant import without_redundant
from oracle.counting.fusion.trimming import CALLER, trimmed
from oracle.counting.traffic import reads_of
from oracle.optable import OpTable, Row, Shape, Use, equal
from oracle.spec import GENERIC

__all__ = ["engine", "has_bias", "is_foldable_norm", "is_vector"]

_CONVOLUTIONS = frozenset({"conv", "depthwise", "grouped"})
_FOLDED_INTO = _CONVOLUTIONS | {"linear"}
_NORMS = frozenset(
    {"aten.native_batch_norm", "aten._native_batch_norm_legit_no_training", "aten._batch_norm_no_update"}
)
_ADDITIONS = frozenset({"aten.add", "aten.add_"})
_AFFINE = _ADDITIONS | {"aten.mul", "aten.mul_", "aten.sub", "aten.sub_", "aten.div", "aten.div_"}


def engine(table: OpTable, rules: EngineRules = RULES[GENERIC]) -> tuple[Kernel, ...]:
    """Remove zeros, fold, fuse, merge, and leave every other operator a kernel of its own."""
    table = without_redundant(table)
    producers = all_producers(table)
    live = live_rows(table, producers)
    ready = constant_rows(table) & live
    rows = sorted(live - ready)
    readers = _readers(table, rows)
    chains: dict[int, list[int]] = {}
    taken: set[int] = set()
    # From the last: of two convolutions that meet in an addition, the one that runs later can add.
    for row in reversed(rows):
        if table.rows[row].op_class in ANCHORS:
            chains[row] = list(_epilogue(table, row, readers, taken, ready, rules))
            taken.update(chains[row])
    groups = merged_groups(table, rows, producers, rules.merged, rules.alone)
    if rules.merged == CHAINED:
        chains = trimmed(table, chains, groups, readers, is_foldable_norm)
    inside = {row for chain in chains.values() for row in chain}
    folded, dropped = set[int](), dict[int, set[int]]()
    kernels: list[list[int]] = []
    for anchor, chain in chains.items():
        kernels.append([anchor, *chain])
        for row in chain:
            if is_foldable_norm(table.rows[row]):
                folded.add(row)
                dropped[row] = _gone(table, anchor, row)
    if rules.scaled:
        groups = _with_scales(table, kernels, groups, readers, inside)
    groups = _with_activations(table, groups, readers, inside, rules)
    for group in groups:
        left = [row for row in group if row not in inside and row not in chains]
        if left:
            kernels.append(left)
    return assemble(table, kernels, producers=producers, folded=folded, dropped=dropped)


def is_foldable_norm(row: Row) -> bool:
    """A batch norm that uses known statistics."""
    return row.name in _NORMS and (row.name != "aten.native_batch_norm" or not row.args[5])


def has_bias(anchor: Row) -> bool:
    """Whether a convolution or linear operator adds a bias of its own, which a folded shift can join."""
    if anchor.op_class == "linear":
        return anchor.name in ("aten.addmm", "aten.addmv")
    return anchor.args[2] is not None


def _with_scales(
    table: OpTable, kernels: list[list[int]], groups: list[list[int]], readers: dict[int, set[int]], inside: set[int]
) -> list[list[int]]:
    """The groups without products with a number, which the matrix products that read them take in."""
    kernel = {group[0]: group for group in kernels}
    left = []
    for group in groups:
        row = table.rows[group[0]]
        alone = len(group) == 1 and group[0] not in inside and row.name == "aten.mul" and len(row.reads) == 1
        reader = _only_reader(table, group[0], readers) if alone else None
        if reader in kernel and table.rows[reader].op_class == "matmul":
            kernel[reader].append(group[0])
        else:
            left.append(group)
    return left


def _with_activations(
    table: OpTable, groups: list[list[int]], readers: dict[int, set[int]], inside: set[int], rules: EngineRules
) -> list[list[int]]:
    """The groups, sums and batch norms that stand alone together with the activation that follows."""
    joined: set[int] = set()
    found = []
    for group in groups:
        if group[0] in joined:
            continue
        row = table.rows[group[0]]
        names = rules.norm if is_foldable_norm(row) else rules.sum if row.name in _ADDITIONS else frozenset[str]()
        if names and len(group) == 1 and group[0] not in inside:
            after = _only_reader(table, group[0], readers)
            if after is not None and after not in inside and table.rows[after].name in names:
                joined.add(after)
                found.append([*group, after])
                continue
        found.append(group)
    return found


def _readers(table: OpTable, rows: Sequence[int]) -> dict[int, set[int]]:
    """For each value, the rows that read it, and `CALLER` for whoever called the network."""
    readers: dict[int, set[int]] = {}
    for row in rows:
        for use in reads_of(table.rows[row]):
            for value in table.lineage(use.value):
                readers.setdefault(value, set()).add(row)
    for output in table.outputs:
        for value in table.lineage(output):
            readers.setdefault(value, set()).add(CALLER)
    return readers


def _epilogue(
    table: OpTable, anchor: int, readers: dict[int, set[int]], taken: set[int], ready: set[int], rules: EngineRules
) -> Iterator[int]:
    """Rows that can run on the anchor's results before they leave the chip."""
    tail = anchor
    while True:
        following = _only_reader(table, tail, readers)
        if following is None or following in taken or not _fits(table, tail, anchor, following, ready, rules):
            return
        yield following
        tail = following


def _only_reader(table: OpTable, row: int, readers: dict[int, set[int]]) -> int | None:
    """The one row that reads what another makes, where that is in the same cell."""
    found = set().union(*(readers.get(use.value, set()) for use in table.rows[row].writes))
    if len(found) != 1 or CALLER in found:
        return None
    (reader,) = found
    one, other = table.rows[row], table.rows[reader]
    return reader if (one.cell, one.phase) == (other.cell, other.phase) else None


def _fits(table: OpTable, tail: int, anchor: int, at: int, ready: set[int], rules: EngineRules) -> bool:
    row, before = table.rows[at], table.rows[anchor]
    product = before.op_class not in _CONVOLUTIONS
    if is_foldable_norm(row):
        # Its channels must be those of the anchor: no view between them may have moved the dimensions.
        return tail == anchor and before.op_class in _FOLDED_INTO and row.args[0] == before.out
    if not _same_size(table.rows[tail], row):
        return False
    if _is_sum(row):
        return rules.product_sum if product else rules.conv_sum
    if row.name in _AFFINE:
        others = [use for use in row.reads if table.values[use.value].producer != tail]
        bias = row.name in _ADDITIONS and tail == anchor and bool(others)
        known = all(is_vector(use) and is_constant(table, use.value, -1, ready) for use in others)
        return known and (bias or (rules.product_affine if product else rules.conv_affine))
    names = rules.product if product else rules.conv
    fused = row.op_class == "activation" and len(row.reads) == 1 and (names is None or row.name in names)
    return fused or row.name == "aten._to_copy"


def _is_sum(row: Row) -> bool:
    """Of two tensors of one shape."""
    shapes = [argument for argument in row.args[:2] if isinstance(argument, Shape)]
    return row.name in _ADDITIONS and len(shapes) == 2 and shapes[0] == shapes[1]


def _same_size(tail: Row, row: Row) -> bool:
    return len(row.writes) == 1 and equal(tail.writes[0].elements, row.writes[0].elements)


def is_vector(use: Use) -> bool:
    """A number, or one per channel."""
    return bool(sum(size != 1 for size in use.shape) <= 1)


def _gone(table: OpTable, anchor: int, norm: int) -> set[int]:
    """Values a folded norm no longer reads: all but one vector, its shift, where the anchor had no bias to join."""
    row = table.rows[norm]
    parameters = [use.value for use in row.reads[1:]]
    if not has_bias(table.rows[anchor]):
        del parameters[int(row.args[1] is not None)]  # after the scale comes the shift, or else the mean
    return set(parameters)
