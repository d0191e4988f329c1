"""Peaks of many chains, runs folded, against the definition for one chain of single cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.closedform.memory import ChainMemory
from oracle.memory import CellMemory, chain_peak

_SIZE = st.integers(0, 50)


@st.composite
def cells(draw: st.DrawFn, training: bool) -> CellMemory:
    sizes = [draw(_SIZE) if training else 0 for _ in range(10)]
    held = [draw(_SIZE) for _ in range(4)]
    return CellMemory(
        weights=draw(_SIZE),
        states=sizes[0],
        gradients=sizes[1],
        forward=held[0],
        forward_held=held[0] + held[1],
        backward=sizes[2],
        backward_held=sizes[2] + sizes[3],
        optimizer=sizes[4],
        retained=sizes[5],
        input=held[2],
        output=held[3],
        output_retained=training and draw(st.booleans()),
        input_retained=training and draw(st.booleans()),
    )


@pytest.mark.parametrize("training", [False, True])
@given(st.data())
def test_runs_peak_where_their_cells_do(training: bool, data: st.DataObject) -> None:
    runs = data.draw(st.lists(st.tuples(cells(training), st.integers(0, 4)), min_size=1, max_size=4))
    chain = ChainMemory(1, training)
    for cell, count in runs:
        fields: dict[str, Any] = {name: np.array([getattr(cell, name)]) for name in CellMemory.__dataclass_fields__}
        chain.add(np.array([0]), np.array([count]), CellMemory(**fields))
    single = [cell for cell, count in runs for _ in range(count)]
    expected = chain_peak(single).peak_bytes if single else 0
    assert chain.peak_bytes().tolist() == [expected]
