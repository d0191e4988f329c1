from __future__ import annotations

from collections.abc import Iterable

from oracle.closedform.assembling import kernel_fields
from oracle.closedform.template import SUMS
from oracle.counting import count
from oracle.counting.networks import TensorSpec, trace_cell
from oracle.spec import CellSpec, Workload


class Values:
    """A builder whose steps are the values of plain ints."""

    def add(self, size: int, /) -> int:
        return size

    def total(self, steps: Iterable[int], /) -> int:
        return sum(steps)


def test_fields_are_what_the_table_says() -> None:
    cell = CellSpec.make("nasbench201_reduction", w_in=4, w_out=6, bn_eps=1e-5, bn_momentum=0.1)
    image = TensorSpec((2, 4, 8, 8), (256, 64, 8, 1), "float32")
    table = trace_cell(cell, image, None, False, Workload()).table
    counts = count(table, Workload())
    fields = kernel_fields(Values(), table, counts, (7, counts.activations), "eager")

    sums = dict(zip(SUMS, fields["sums"], strict=True))
    convolutions = 2 * 16 * 6 * (4 * 9 + 6 * 9 + 4)  # both 3 x 3, and the shortcut's 1 x 1, on 4 x 4 pixels
    assert (sums["macs"], sums["pycls_macs"]) == (convolutions, 7)
    assert sums["activations"] == sums["pycls_activations"] == 3 * 2 * 6 * 16
    assert sums["params"] == 6 * (4 * 9 + 6 * 9 + 4) + 2 * 2 * 6
    assert sums["traffic_bytes"] == sum(fields["traffic"]) == sum(k.read_bytes + k.write_bytes for k in counts.kernels)
    assert fields["numbers"].macs == tuple(kernel.macs for kernel in counts.kernels)
    main = next(at for at, kernel in enumerate(fields["kernels"]) if kernel.op_class == "conv")
    assert fields["shapes"][main] == (((2, 4, 8, 8), (6, 4, 3, 3)), ((2, 6, 4, 4),))
    assert [kernel.name for kernel in fields["kernels"]] == [kernel.name for kernel in counts.kernels]
