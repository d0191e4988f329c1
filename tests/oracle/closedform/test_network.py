"""One network from closed forms: kernels, memory and coverage as a trace of the whole module has them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracle.build import build
from oracle.cells import cell_role
from oracle.closedform import TemplateStore, network_form
from oracle.closedform.library import library
from oracle.config import load_cfg
from oracle.counting.networks import count_table
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.naming import cell_names
from oracle.spec import RUNTIMES, NetSpec, Workload
from oracle.trace import isolated, trace
from tests.benchmarks.equality import said_by_count, said_by_forms, said_by_trace
from tests.nightly import examples
from tests.oracle.closedform.members import FAMILIES, WORKLOADS, runs

_STORE = TemplateStore(library())
_MEMBERS = ("R-56", "RegNetY-200MF", "EfficientNet-B0", "ViT-S-16", "NB201-ResNet", "FBNet-C", "OFA-D2-E3-K3")


def assert_kernels_equal(net: NetSpec, workload: Workload) -> None:
    assert said_by_forms(net, workload, _STORE) == said_by_trace(net, workload)


@examples(15)
@given(st.one_of(FAMILIES.values()), WORKLOADS)
def test_kernels_are_those_of_the_whole_module(net: NetSpec, workload: Workload) -> None:
    if runs(net, workload):
        assert_kernels_equal(net, workload)


@pytest.mark.parametrize("name", ["RegNetY-200MF", "ViT-S-16"])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_shipped_networks(name: str, mode: str) -> None:
    assert_kernels_equal(to_spec(load_cfg(name)), Workload(batch_size=2, mode=mode, dtype="float16"))


@pytest.mark.parametrize("name", _MEMBERS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_weights_in_half_precision_are_those_of_a_converted_module(name: str, runtime: str) -> None:
    """The module is torch's `Module.half()`, traced as it is."""
    net = to_spec(load_cfg(name))
    workload = Workload(batch_size=2, dtype="float16", weights="float16", runtime=runtime)
    module, image = build(net).half().eval(), torch.empty(2, *net.input_shape, dtype=torch.float16, device="meta")
    with isolated():
        cells = {cell: index for index, cell in enumerate(cell_names(net, cell_role))}
        whole = count_table(trace(module, (image,), {}, workload, cell_of=cells).table, workload)
    assert said_by_forms(net, workload, _STORE) == said_by_count(whole, workload)
    assert "float32" not in {kernel.matrix_dtype for kernel in whole.kernels if kernel.macs}
    assert not any("_to_copy" in whole.table.rows[row].name for kernel in whole.kernels for row in kernel.rows)


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
