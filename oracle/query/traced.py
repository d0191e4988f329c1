"""What a trace of any module says, in the form that closed forms have for a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oracle.calibration import kernel_class
from oracle.closedform import Described, Launch, main_dtype
from oracle.closedform.calibrated import CalibratedDevice, roofs_at
from oracle.closedform.template import KernelMeta
from oracle.counting.conventions import recount
from oracle.counting.fusion import main_row
from oracle.errors import OracleError
from oracle.imports.points import products_of
from oracle.memory import PeakMemory
from oracle.optable import shapes_text
from oracle.products import Products
from oracle.query.cost import Cost
from oracle.query.scoring import cost_of
from oracle.roofline import KernelKinds, Roofs, Timing, time_at

if TYPE_CHECKING:
    from oracle.counting.networks import NetCount
    from oracle.query.models import LatencyModels
    from oracle.spec import Workload

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TracedForm:
    """Counts of a traced module; what each attribute is stands at `oracle.closedform.NetworkForm`."""

    sums: dict[str, int]
    numbers: Ints
    counts: NDArray[np.float64]
    memory: PeakMemory
    flash_bytes: int
    unknown: tuple[str, ...]
    coverage: tuple[int, int, int]
    kernels: list[Described]
    cells: list[int]
    products: Products
    notes: tuple[str, ...]

    @property
    def main_dtype(self) -> str:
        """The type of most multiply-adds."""
        return main_dtype([kernel.meta.matrix_dtype for kernel in self.kernels], self.numbers[0])

    @property
    def kernel_count(self) -> int:
        """How many kernels run."""
        return len(self.kernels)

    @property
    def peak_memory_bytes(self) -> int:
        """The most bytes that are alive at once."""
        return int(self.memory.peak_bytes)

    def timed(self, places: tuple[CalibratedDevice, ...]) -> Timing:
        """Seconds of each kernel, a row per device."""
        metas = [kernel.meta for kernel in self.kernels]
        kinds = KernelKinds(
            tuple(meta.kernel_class for meta in metas),
            tuple(meta.matrix_dtype for meta in metas),
            tuple(meta.vector_dtype for meta in metas),
        )
        matrix, vector = (self.numbers[:2] != 0).tolist()
        roofs = Roofs.stacked([roofs_at(place.holding(self.flash_bytes), kinds, matrix, vector) for place in places])
        return time_at(roofs, self.numbers, self.products if roofs.tiled else None)

    def described(self) -> list[Described]:
        """The kernels."""
        return self.kernels

    def launches(self) -> list[Launch]:
        """Every kernel in order of execution."""
        numbered = enumerate(zip(self.cells, self.kernels, strict=True))
        return [(place, cell, kernel.meta.module) for place, (cell, kernel) in numbered]


_RECURRENT = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}
"""Layers by the torch function that runs them."""


def score_count(
    count: NetCount,
    name: str,
    workload: Workload,
    models: LatencyModels,
    convention: str | None = None,
    strict: bool = False,
) -> Cost:
    """The cost of a counted module; arguments and errors as those of `cost_of`."""
    recounted = None
    if convention not in (None, "oracle"):
        found = recount(count.traced, str(convention))
        recounted = found.macs, found.flops, found.params, found.activations
    cost = cost_of(_form_of(count, workload), name, workload, models, convention, strict, recounted)
    on_gpu = any(place.device.kind.endswith("-gpu") for place in models.places.values())
    return replace(cost, notes=(*cost.notes, *_recurrent_notes(count))) if on_gpu else cost


def _recurrent_notes(count: NetCount) -> tuple[str, ...]:
    """What to know of the time of recurrent layers on a GPU; their counts are the same whoever runs them."""
    names = sorted({_RECURRENT[row.function] for row in count.table.rows if row.function in _RECURRENT})
    if not names:
        return ()
    note = (
        f"{', '.join(names)}: taken to run step by step, as on a processor; on a GPU cuDNN and engines launch a few "
        "kernels for all steps, and can be many times faster"
    )
    return (note,)


def _form_of(count: NetCount, workload: Workload) -> TracedForm:
    """Counts without the trace that they come from, which a result must not keep alive."""
    kernels, numbers = [], []
    for kernel in count.kernels:
        table = count.table
        meta = KernelMeta(
            kernel.name,
            kernel.op_class,
            kernel_class(table, kernel.rows, workload.runner),
            kernel.module,
            kernel.phase,
            kernel.matrix_dtype,
            kernel.vector_dtype,
        )
        kernels.append(Described(meta, kernel.macs, shapes_text(table.rows[main_row(table, kernel.rows)].main_shapes)))
        traffic = kernel.read_bytes + kernel.write_bytes
        numbers.append((kernel.matrix_flops, kernel.vector_flops, traffic, kernel.weight_bytes))
    try:
        columns = np.array(numbers, dtype=np.int64).reshape(-1, 4).T
    except OverflowError as error:
        raise OracleError("a kernel's FLOPs or bytes exceed 64 bits: the network or the batch is too large") from error
    masked = sum(kernel.masked_flops for kernel in count.kernels)
    sums = {
        "macs": sum(kernel.macs for kernel in kernels),
        "flops": sum(matrix + vector for matrix, vector, *_ in numbers) + masked,
        "masked_flops": masked,
        "traffic_bytes": sum(own[2] for own in numbers),
        "params": count.params,
        "activations": count.activations,
    }
    ones, cells = np.ones(len(kernels)), [kernel.cell for kernel in count.kernels]
    found = products_of(count.kernels, count.table)
    flash_bytes = 0 if workload.training else int(count.memory.weights_bytes)
    coverage = count.unknown, count.coverage
    return TracedForm(
        *(sums, columns, ones, count.memory, flash_bytes, *coverage, kernels, cells, found, count.table.notes)
    )
