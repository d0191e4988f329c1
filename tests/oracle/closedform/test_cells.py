"""Many cells of one kind: every cell in one piece, every template used where its guards hold."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.closedform.cells import cost_cells
from oracle.closedform.inputs import CellInputs
from oracle.closedform.library import library
from oracle.closedform.store import TemplateStore
from oracle.closedform.template import SUMS, Format
from oracle.counting import count
from oracle.counting.memory import measure
from oracle.counting.networks import TensorSpec, trace_cell
from oracle.spec import CellSpec, Workload

_BN: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


def bottlenecks(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Dense, grouped and depthwise blocks, with and without a projection, with and without SE."""
    groups = rng.choice([1, 2, 4, 8], size=count)
    w_b = groups * rng.choice([1, 2, 3], size=count)
    w_in = rng.choice([8, 16], size=count)
    return {
        "w_in": w_in,
        "w_out": rng.choice([8, 16], size=count),
        "stride": rng.choice([1, 2], size=count),
        "w_b": w_b,
        "groups": groups,
        "w_se": rng.choice([0, 1, 5], size=count),
        "stride_1x1": False,
        **_BN,
    }


def entry(column: Any, place: int) -> int:
    return int(column[place] if isinstance(column, np.ndarray) else column)


def test_every_cell_gets_what_its_trace_says() -> None:
    rng = np.random.default_rng(3)
    many, size = 150, rng.choice([1, 2, 7], size=150)
    columns = bottlenecks(rng, many)
    dims = (np.full(many, 2), columns["w_in"], size, np.full(many, 7))
    inputs = CellInputs("res_bottleneck_block", tuple(columns.items()), dims, Format.image("float32", 4, "nchw"))
    store = TemplateStore(library())
    answered = np.zeros(many, dtype=int)
    for piece in cost_cells(store, inputs, many, Workload(), []):
        answered[piece.where] += 1
        for place, row in enumerate(piece.where[:5]):
            params = {k: int(v[row]) if isinstance(v, np.ndarray) else v for k, v in columns.items()}
            shape = tuple(int(dim[row]) for dim in dims)
            stride = (shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1)
            cell = CellSpec.make("res_bottleneck_block", **params)
            table = trace_cell(cell, TensorSpec(shape, stride, "float32"), None, False, Workload()).table
            counted = count(table, Workload())
            found = dict(zip(SUMS, (entry(column, place) for column in piece.costs.sums), strict=True))
            assert found["macs"] == sum(kernel.macs for kernel in counted.kernels)
            assert found["traffic_bytes"] == sum(k.read_bytes + k.write_bytes for k in counted.kernels)
            assert found["params"] == counted.params
            assert entry(piece.costs.memory.forward, place) == measure(counted.lifetimes, counted.sizes).forward
    assert (answered == 1).all()

    # Asked again, in another order, no template is made any more.
    made, order = store.made, rng.permutation(many)
    shuffled = {k: v[order] if isinstance(v, np.ndarray) else v for k, v in columns.items()}
    again = CellInputs(inputs.kind, tuple(shuffled.items()), tuple(dim[order] for dim in dims), inputs.input)
    assert sum(len(piece.where) for piece in cost_cells(store, again, many, Workload(), [])) == many
    assert store.made == made
