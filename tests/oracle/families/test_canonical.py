from __future__ import annotations

import itertools

import torch
from hypothesis import given
from hypothesis import strategies as st

from oracle.cells import make_cell
from oracle.families.canonical import canonical_form, path_counts
from oracle.families.nasbench201 import CELL, OPERATIONS, STRING, canonical, graph_of, paths
from oracle.spec import CellSpec
from tests.nightly import examples

cells = st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6).map(lambda ops: STRING.format(*ops))


def of_the_benchmark(arch: str) -> str:
    """`Structure.to_unique_str(consider_zero=True)` of NAS-Bench-201's own code, restated."""
    nodes = ["0"]
    for node in graph_of(arch).nodes:
        texts = []
        for edge in node:
            source = nodes[edge.source]
            if edge.operation == "none" or source == "#":
                texts.append("#")
            elif edge.operation == "skip_connect":
                texts.append(source)
            else:
                texts.append(f"({source})@{edge.operation}")
        nodes.append("+".join(sorted(texts)))
    return nodes[-1]


def test_how_many_cells_are_distinct() -> None:
    archs = [STRING.format(*ops) for ops in itertools.product(OPERATIONS, repeat=6)]
    forms = {arch: canonical(arch) for arch in archs}

    assert len({of_the_benchmark(arch) for arch in archs}) == 6466  # the paper's number
    assert len(set(forms.values())) == 5044
    assert sum(not form for form in forms.values()) == 341


def test_a_convolution_that_is_added_twice_is_no_pair_of_convolutions() -> None:
    twice = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    pair = "|nor_conv_3x3~0|+|none~0|none~1|+|nor_conv_3x3~0|skip_connect~1|none~2|"

    assert of_the_benchmark(twice).replace("+#", "").replace("#+", "") == of_the_benchmark(pair).replace(
        "+#", ""
    ).replace("#+", "")
    assert canonical(twice) == "nor_conv_3x3.0(input) + nor_conv_3x3.0(input)"
    assert canonical(pair) == "nor_conv_3x3.0(input) + nor_conv_3x3.1(input)"


def test_zeros_identities_order_and_pooling() -> None:
    def form(*ops: str) -> str:
        return canonical(STRING.format(*ops))

    none, skip, one, three, pool = OPERATIONS
    assert form(none, none, none, skip, none, none) == "input"
    assert form(skip, none, none, none, skip, none) == "input"
    assert form(none, none, one, none, three, pool) == ""  # what only zeros feed
    assert form(one, none, three, skip, none, none) == "input"  # what does not reach the output
    assert form(one, three, none, none, skip, skip) == form(three, one, none, none, skip, skip)
    assert form(one, skip, skip, none, none, pool) == "avg_pool_3x3(input) + avg_pool_3x3(nor_conv_1x1.0(input))"


def evaluated(arch: str) -> torch.Tensor:
    """The output of a cell whose convolutions are known by what they are, in training mode and with shifts of zero."""
    torch.manual_seed(0)
    module = (
        make_cell(CellSpec.make(CELL, width=2, arch=arch, bn_eps=1e-5, bn_momentum=0.1)).to_empty(device="cpu").double()
    )
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.reset_parameters()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 4:  # equal weights for equal kernels: only the wiring is left to differ
                parameter.copy_(torch.linspace(-1, 1, parameter.numel()).reshape(parameter.shape).sin())
    return module(torch.linspace(-2, 2, 2 * 2 * 16).double().cos().reshape(2, 2, 4, 4))


@examples(40)
@given(cells)
def test_cells_of_one_form_compute_the_same(arch: str) -> None:
    form = canonical(arch)
    torch.testing.assert_close(evaluated(arch), evaluated(_twin(arch)))
    assert canonical(_twin(arch)) == form


def _twin(arch: str) -> str:
    """The first cell of the space with the same form."""
    return _first()[canonical(arch)]


def _first(found: dict[str, str] = {}) -> dict[str, str]:  # noqa: B006 - remembered
    if not found:
        for ops in itertools.product(OPERATIONS, repeat=6):
            found.setdefault(canonical(STRING.format(*ops)), STRING.format(*ops))
    return found


@given(cells)
def test_paths_belong_to_the_form(arch: str) -> None:
    assert paths(arch) == paths(_twin(arch))
    assert bool(paths(arch)) == bool(canonical(arch))


def test_paths_are_counted() -> None:
    graph = graph_of("|nor_conv_1x1~0|+|skip_connect~0|skip_connect~1|+|none~0|skip_connect~1|nor_conv_3x3~2|")

    assert path_counts(graph, "none", "skip_connect") == {
        ("nor_conv_1x1",): 1,
        ("nor_conv_3x3",): 1,
        ("nor_conv_1x1", "nor_conv_3x3"): 1,
    }


def test_graphs_of_other_sizes() -> None:
    graph = graph_of("|nor_conv_1x1~0|+|skip_connect~0|nor_conv_1x1~1|")

    assert canonical_form(graph, "none", "skip_connect") == "input + nor_conv_1x1.1(nor_conv_1x1.0(input))"
