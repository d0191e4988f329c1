from __future__ import annotations

import pytest

from oracle.closedform.template import SUMS
from oracle.query.recounting import counted_as
from oracle.spec import Workload

TOTALS = {name: 10 * position for position, name in enumerate(SUMS, start=1)}


@pytest.mark.parametrize("convention", [None, "oracle"])
def test_our_own_counts_are_the_sums(convention: str | None) -> None:
    own = tuple(TOTALS[name] for name in ("macs", "flops", "params", "activations"))
    assert counted_as(convention, TOTALS, Workload(), ()) == own


def test_pycls_counts_no_flops_and_torch_nothing_else() -> None:
    theirs = TOTALS["pycls_macs"], None, TOTALS["params"], TOTALS["pycls_activations"]
    assert counted_as("pycls", TOTALS, Workload(mode="training"), ()) == theirs
    assert counted_as("torch", TOTALS, Workload(), ()) == (TOTALS["macs"], 2 * TOTALS["macs"], None, None)


def test_what_takes_a_trace_is_left_open() -> None:
    assert counted_as("torch", TOTALS, Workload(mode="training"), ()) is None
    assert counted_as("fvcore", TOTALS, Workload(), ()) is None
