from __future__ import annotations

import pytest

from oracle.cells import make_cell
from oracle.errors import OracleError
from oracle.families.graphs import Edge, Structure, register_structure, structure_of
from oracle.families.nasbench201 import CELL, OPERATIONS
from oracle.spec import CellSpec


def test_a_graph_is_what_its_parameter_spells_out() -> None:
    structure = structure_of(CELL)
    assert structure is not None
    graph = structure.graph("|none~0|+|skip_connect~0|nor_conv_1x1~1|")

    assert graph.nodes == (
        (Edge("0to1", "none", 0),),
        (Edge("0to2", "skip_connect", 0), Edge("1to2", "nor_conv_1x1", 1)),
    )
    assert graph.operations == ("none", "skip_connect", "nor_conv_1x1")
    assert graph.wiring == ((0,), (0, 1))
    for operation in OPERATIONS:
        assert structure.graph(structure.alone(operation)).operations == (operation,)


def test_the_module_executes_the_same_graph() -> None:
    arch = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|avg_pool_3x3~0|none~1|skip_connect~2|"
    structure = structure_of(CELL)
    assert structure is not None
    module = make_cell(CellSpec.make(CELL, width=4, arch=arch, bn_eps=1e-5, bn_momentum=0.1))

    assert module.graph == structure.graph(arch)
    assert list(module.edges) == [edge.name for node in module.graph.nodes for edge in node]


def test_other_kinds_spell_out_none_and_a_kind_is_registered_once() -> None:
    structure = structure_of(CELL)
    assert structure is not None
    assert structure_of("nasbench201_stem") is None
    with pytest.raises(OracleError, match="has a structure already"):
        register_structure(Structure(CELL, "arch", OPERATIONS, structure.spelled, structure.alone))
