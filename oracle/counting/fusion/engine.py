"""Engine: constants computed beforehand, batch norm folded, epilogues fused."""

from __future__ import annotations

from collections.abc import Iterator

from oracle.counting.fusion.kernel import ANCHORS, Kernel, all_producers, assemble, live_rows
from oracle.counting.fusion.zeros import without_zeros
from oracle.counting.traffic import reads_of
from oracle.optable import OpTable, Row, Shape, Use

__all__ = ["constant_rows", "engine", "has_bias", "is_foldable_norm", "is_vector"]

_FOLDED_INTO = frozenset({"conv", "depthwise", "grouped", "linear"})
_NORMS = frozenset(
    {"aten.native_batch_norm", "aten._native_batch_norm_legit_no_training", "aten._batch_norm_no_update"}
)
_ADDITIONS = frozenset({"aten.add", "aten.add_"})
_AFFINE = _ADDITIONS | {"aten.mul", "aten.mul_", "aten.sub", "aten.sub_", "aten.div", "aten.div_"}
_CALLER = -1  # stands among the consumers for whoever called the network
_RANDOM = frozenset(
    f"aten.{name}"
    for name in "bernoulli bernoulli_ uniform_ normal_ exponential_ rand randn rand_like randn_like randint"
    " randint_like randperm multinomial native_dropout".split()
)


def engine(table: OpTable) -> tuple[Kernel, ...]:
    """Remove zeros, fold, fuse, and leave every other operator a kernel of its own."""
    table = without_zeros(table)
    producers = all_producers(table)
    live = live_rows(table, producers)
    ready = constant_rows(table) & live
    rows = sorted(live - ready)
    consumers: dict[int, set[int]] = {}
    for row in rows:
        for use in reads_of(table.rows[row]):
            for value in table.lineage(use.value):
                consumers.setdefault(value, set()).add(row)
    for output in table.outputs:
        for value in table.lineage(output):
            consumers.setdefault(value, set()).add(_CALLER)
    taken: set[int] = set()
    groups: list[list[int]] = []
    folded: set[int] = set()
    dropped: dict[int, set[int]] = {}
    # From the last: of two convolutions that meet in an addition, the one that runs later can add.
    for row in reversed(rows):
        if table.rows[row].op_class in ANCHORS:
            group = [row]
            for follower in _epilogue(table, row, consumers, taken, ready):
                if is_foldable_norm(table.rows[follower]):
                    folded.add(follower)
                    dropped[follower] = _gone(table, row, follower)
                group.append(follower)
            taken.update(group)
            groups.append(group)
    groups.extend([row] for row in rows if row not in taken)
    return assemble(table, groups, producers=producers, folded=folded, dropped=dropped)


def is_foldable_norm(row: Row) -> bool:
    """A batch norm that uses known statistics."""
    return row.name in _NORMS and (row.name != "aten.native_batch_norm" or not row.args[5])


def has_bias(anchor: Row) -> bool:
    """Whether a convolution or linear operator adds a bias of its own, which a folded shift can join."""
    if anchor.op_class == "linear":
        return anchor.name in ("aten.addmm", "aten.addmv")
    return anchor.args[2] is not None


def constant_rows(table: OpTable) -> set[int]:
    """Inference rows that depend on weights only (casts of weights, reparametrisations, position tables)."""
    constant: set[int] = set()
    if any(row.phase != "forward" for row in table.rows):
        return constant  # weights change at every step
    for index, row in enumerate(table.rows):
        parts = [part for use in (*row.reads, *row.writes) for part in table.lineage(use.value)]
        known = all(_is_constant(table, part, index, constant) for part in parts)
        if known and row.writes and row.name not in _RANDOM:
            constant.add(index)
    return constant


def _is_constant(table: OpTable, value: int, row: int, constant: set[int]) -> bool:
    made = table.values[value]
    if made.producer < 0:
        return table.storages[made.storage].is_weight
    return made.producer == row or made.producer in constant


def _epilogue(
    table: OpTable, anchor: int, consumers: dict[int, set[int]], taken: set[int], ready: set[int]
) -> Iterator[int]:
    """Rows that can run on the anchor's results before they leave the chip."""
    tail = anchor
    while True:
        readers = set().union(*(consumers.get(use.value, set()) for use in table.rows[tail].writes))
        if len(readers) != 1 or _CALLER in readers:
            return
        (reader,) = readers
        row = table.rows[reader]
        same = (row.cell, row.phase) == (table.rows[anchor].cell, table.rows[anchor].phase)
        if not same or reader in taken or not _fits(table, tail, anchor, row, ready):
            return
        yield reader
        tail = reader


def _fits(table: OpTable, tail: int, anchor: int, row: Row, ready: set[int]) -> bool:
    if is_foldable_norm(row):
        # Its channels must be those of the anchor: no view between them may have moved the dimensions.
        before = table.rows[anchor]
        return tail == anchor and before.op_class in _FOLDED_INTO and row.args[0] == before.out
    if row.name in _ADDITIONS:
        shapes = [argument for argument in row.args[:2] if isinstance(argument, Shape)]
        if len(shapes) == 2 and shapes[0] == shapes[1]:
            return True
    if row.name in _AFFINE:
        others = [use for use in row.reads if table.values[use.value].producer != tail]
        return all(is_vector(use) and _is_constant(table, use.value, -1, ready) for use in others)
    return (row.op_class == "activation" and len(row.reads) == 1) or row.name == "aten._to_copy"


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
