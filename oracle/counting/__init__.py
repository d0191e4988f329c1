"""From an operator table to counts: what every kernel computes and moves, and what the whole needs in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from oracle.counting.conversions import operands_of, runs_integers, without_conversions
from oracle.counting.flops import Work, work_of
from oracle.counting.fusion import Kernel, has_bias, kernels_of, lowered_for
from oracle.counting.memory import Lifetimes, lifetimes_of
from oracle.counting.quantised import quantised
from oracle.counting.traffic import moved_elements, stored_bytes
from oracle.optable import MATRIX_CLASSES, OpTable, Row, Shape, Use, prod
from oracle.spec import MXFP4, QUANTISED_WEIGHTS, Workload

__all__ = ["MATRIX_CLASSES", "KernelCount", "TableCount", "count", "kernel_count", "lowered_for", "works_of"]

Dim = Any  # an int, or a sympy expression
Works: TypeAlias = tuple[Work | None, Work | None]

_PRODUCTS = frozenset({"conv", "depthwise", "grouped", "linear", "matmul"})


class KernelCount(NamedTuple):
    """What one kernel computes and moves.

    Attributes:
        name: its main operator, and how many more it contains: `aten.convolution +2`.
        op_class, module, phase, cell: those of the main operator.
        matrix_dtype, vector_dtype: types it computes in on each unit.
        macs: multiply-adds of contractions, as they are counted.
        matrix_flops, vector_flops: operations that run on the matrix unit (2 per MAC) and on the vector unit.
        masked_flops: operations that are counted and that no kernel runs: of scores that causal masks and windows hide
            (`Workload.causal`).
        read_bytes, write_bytes: what crosses its border.
        weight_bytes: the part of `read_bytes` that is weights.
        rows: its operators, as rows of the table.
    """

    name: str
    op_class: str
    module: str
    phase: str
    cell: int
    matrix_dtype: str
    vector_dtype: str
    macs: Dim
    matrix_flops: Dim
    vector_flops: Dim
    masked_flops: Dim
    read_bytes: Dim
    write_bytes: Dim
    weight_bytes: Dim
    rows: tuple[int, ...]


class TableCount(NamedTuple):
    """Counts of a whole table.

    Attributes:
        kernels: in order of execution.
        params: elements of parameters, shared ones once.
        activations: elements of the outputs of convolutions, linear layers and matrix products (forward).
        unknown: names of operators nobody registered a formula for, sorted.
        coverage: how many rows are counted, known to compute nothing, and unknown.
        lifetimes, sizes: what `oracle.counting.memory.measure` needs; sizes are bytes per storage.
    """

    kernels: tuple[KernelCount, ...]
    params: Dim
    activations: Dim
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]
    lifetimes: Lifetimes
    sizes: tuple[Dim, ...]


def count(table: OpTable, workload: Workload) -> TableCount:
    """Count a table under a workload's runtime and dtype; it is what runs there, see `lowered_for`."""
    table = quantised(without_conversions(table, workload.runtime), workload)
    works = [works_of(row, workload) for row in table.rows]
    integers = workload.is_quantised or runs_integers(table)
    kernels = kernels_of(table, workload.runtime, workload.engine, quantised=integers)
    run = {row for kernel in kernels for row in kernel.rows}
    quantises = workload.weights in QUANTISED_WEIGHTS
    other = workload.weights != MXFP4 if quantises else bool(workload.autocast_dtype)
    return TableCount(
        tuple(kernel_count(table, kernel, works, run, workload) for kernel in kernels),
        sum(storage.elements for storage in table.storages if storage.kind == "parameter"),
        sum(_activations(row) for row in table.rows if row.phase == "forward"),
        tuple(sorted({row.name for row, (work, _) in zip(table.rows, works, strict=True) if work is None})),
        _coverage([work for work, _ in works]),
        lifetimes_of(table, kernels, workload.runtime, recast=workload.runtime == "engine" and other),
        tuple(stored_bytes(storage.elements, storage.dtype) for storage in table.storages),
    )


def works_of(row: Row, workload: Workload) -> Works:
    """What is counted of a row, and what runs: kernels skip the scores that a causal mask hides, all counters do not.

    None for both where no formula is registered.
    """
    counted = work_of(row, workload.causal)
    hides = row.op_class == "attention" and workload.causal != "half"
    return counted, work_of(row, "half") if hides else counted


def _coverage(works: list[Work | None]) -> tuple[int, int, int]:
    unknown = sum(work is None for work in works)
    nothing = sum(work == Work(0, 0) for work in works)
    return len(works) - unknown - nothing, nothing, unknown


def kernel_count(
    table: OpTable, kernel: Kernel, works: Sequence[Works] | Mapping[int, Works], run: set[int], workload: Workload
) -> KernelCount:
    """Count one kernel of a table.

    Args:
        table: the operators.
        kernel: those that it runs, and what crosses its border.
        works: of each operator of the table, as from `works_of`.
        run: the rows that any kernel runs.
        workload: runtime, dtype.
    """
    main = table.rows[kernel.main]
    macs: Dim = 0
    matrix: Dim = 0
    vector: Dim = 0
    masked: Dim = 0
    for index in kernel.rows:
        row, (counted, work) = table.rows[index], (own or Work(0, 0) for own in works[index])
        if index in kernel.folded:
            # The scale went into the weights, the shift into the bias: one addition is left, none if there was a bias.
            counted = work = Work(0, 0 if has_bias(main) else prod(row.args[0]))
        macs = macs + counted.macs
        products = 2 * work.macs if row.op_class in MATRIX_CLASSES else 0
        matrix = matrix + products
        vector = vector + work.flops - products
        masked = masked + (counted.flops - work.flops)
    reads = [(table.rows[row], use) for row, use in kernel.reads]
    extra = len(kernel.rows) - 1
    return KernelCount(
        main.name + (f" +{extra}" if extra else ""),
        main.op_class,
        main.module,
        main.phase,
        main.cell,
        _matrix_dtype(main, workload),
        _vector_dtype([table.rows[index] for index in kernel.rows], workload),
        macs,
        matrix,
        vector,
        masked,
        _bytes(reads, False),
        _bytes([(table.rows[row], use) for row, use in kernel.writes], True),
        _bytes([(row, use) for row, use in reads if _is_weight(table, use, run)], False),
        kernel.rows,
    )


def _is_weight(table: OpTable, use: Use, run: set[int]) -> bool:
    """Whether a kernel reads a weight, or what was computed from weights before anything ran."""
    producer = table.values[use.value].producer
    return table.storage_of(use).is_weight or (producer >= 0 and producer not in run)


def _bytes(uses: list[tuple[Row, Use]], writing: bool) -> Dim:
    total: Dim = 0
    for row, use in uses:
        total = total + stored_bytes(moved_elements(row, use, writing), use.dtype)
    return total


def _matrix_dtype(row: Row, workload: Workload) -> str:
    """The type of the operands, in the words of device files."""
    read = operands_of(row) if row.op_class in _PRODUCTS else row.reads
    dtype = read[0].dtype if read else row.dtype
    if workload.is_quantised:
        return workload.dtype
    if workload.dtype == "tf32" and dtype == "float32" and row.op_class in MATRIX_CLASSES:
        return "tf32"
    if dtype.startswith("float8"):
        return "float8"
    if dtype in ("int8", "uint8"):
        return "int8"
    if dtype == "complex128":
        return "float64"
    return dtype if "float" in dtype else "float32"


def _vector_dtype(rows: list[Row], workload: Workload) -> str:
    dtypes = {row.dtype for row in rows if "float" in row.dtype and not row.dtype.startswith("float8")}
    return dtypes.pop() if len(dtypes) == 1 and not workload.is_quantised else "float32"


def _activations(row: Row) -> Dim:
    if row.op_class in _PRODUCTS:
        return prod(row.out) if isinstance(row.out, Shape) else 0
    if row.op_class == "attention":
        q, k = row.args[0], row.args[1]
        return prod(q[:-1]) * k[-2] + prod(row.result)  # scores, and their product with the values
    return 0
