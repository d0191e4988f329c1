"""One network from closed forms: kernels, memory and coverage as a trace of the whole module has them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.closedform import TemplateStore, network_form
from oracle.closedform.library import library
from oracle.config import load_cfg
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.spec import NetSpec, Workload
from tests.benchmarks.equality import said_by_forms, said_by_trace
from tests.oracle.closedform.members import FAMILIES, WORKLOADS, runs

_STORE = TemplateStore(library())


def assert_kernels_equal(net: NetSpec, workload: Workload) -> None:
    assert said_by_forms(net, workload, _STORE) == said_by_trace(net, workload)


@settings(max_examples=15)
@given(st.one_of(FAMILIES.values()), WORKLOADS)
def test_kernels_are_those_of_the_whole_module(net: NetSpec, workload: Workload) -> None:
    if runs(net, workload):
        assert_kernels_equal(net, workload)


@pytest.mark.parametrize("name", ["RegNetY-200MF", "ViT-S-16"])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_shipped_networks(name: str, mode: str) -> None:
    assert_kernels_equal(to_spec(load_cfg(name)), Workload(batch_size=2, mode=mode, dtype="float16"))


def test_order_of_execution() -> None:
    form = network_form(_STORE, to_spec(load_cfg("R-56")), Workload(batch_size=2, mode="training"))
    kernels = form.described()
    run = [(kernels[at].meta.phase, cell) for at, cell, _ in form.launches()]
    phases = [phase for phase, _ in run]
    assert phases == sorted(phases, key=("forward", "backward", "optimizer").index)
    forward = [cell for phase, cell in run if phase == "forward"]
    backward = [cell for phase, cell in run if phase == "backward"]
    assert (forward, backward) == (sorted(forward), sorted(backward, reverse=True))


def test_a_network_without_cells_is_an_error() -> None:
    with pytest.raises(OracleError, match="expected at least one cell"):
        network_form(_STORE, NetSpec((), (3, 32, 32), "nothing"), Workload())
