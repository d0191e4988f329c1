"""Selections by values: with a stated number of rows they have a size, which real runs that keep as many agree with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import oracle
from oracle.errors import TraceError, WorkloadError


class Selects(nn.Module):
    """A layer on the rows that a selection keeps."""

    def __init__(self, select: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.layer, self.select = nn.Linear(8, 16), select

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept: torch.Tensor = self.layer(self.select(x))
        return kept


class Experts(nn.Module):
    """A layer per expert on the rows that chose it."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 16) for _ in range(count))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chosen, out = x[:, : len(self.layers)].argmax(1), x.new_zeros(len(x), 16)
        for number, layer in enumerate(self.layers):
            rows = torch.where(chosen == number)[0]
            out[rows] = layer(x[rows])
        return out


SELECTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mask": lambda x: x[x[:, 0] > 0],
    "places": lambda x: x[torch.where(x[:, 0] > 0)[0]],
    "nonzero": lambda x: x[(x[:, 0] > 0).nonzero()[:, 0]],
    "masked_select": lambda x: x.masked_select((x[:, :1] > 0).expand(-1, 8)).view(-1, 8),
    "twice": lambda x: x[x[:, 0] > 0][:, :4].repeat(1, 2) + x[x[:, 0] > 0],
}


def rows(positive: int, negative: int) -> torch.Tensor:
    """Rows of which so many are kept."""
    return torch.cat([torch.ones(positive, 8), -torch.ones(negative, 8)])


@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS)
def test_with_a_stated_number_a_selection_costs_what_a_real_one_of_as_many_does(select: Any) -> None:
    module, x = Selects(select), rows(5, 7)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(x)
    stated = 40 if select is SELECTIONS["masked_select"] else 5
    cost = oracle.profile(module, x, selected=stated)
    assert cost.macs == counter.get_total_flops() // 2 == 5 * 8 * 16
    assert cost.notes == (f"each selection by values keeps {stated} rows, or all where there are fewer: as stated",)
    assert not cost.unknown


def test_no_selection_keeps_more_than_there_are() -> None:
    module = Selects(SELECTIONS["mask"])
    assert oracle.profile(module, rows(5, 7), selected=1000).macs == 12 * 8 * 16
    assert oracle.profile(module, rows(5, 7), selected=0).macs == 0


def test_parts_of_a_whole_add_up_to_it() -> None:
    x = torch.rand(12, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Experts(3)(x)
    assert oracle.profile(Experts(3), x, selected=1000).macs == counter.get_total_flops() // 2 == 12 * 8 * 16


@pytest.mark.parametrize(
    ("select", "operator"),
    [("mask", "an index by a mask"), ("places", "aten::nonzero"), ("masked_select", "aten::masked_select")],
)
def test_without_a_number_the_error_names_operator_place_and_remedy(select: str, operator: str) -> None:
    with pytest.raises(TraceError) as raised:
        oracle.profile(Selects(SELECTIONS[select]), rows(5, 7))
    said = str(raised.value)
    assert f"what {operator} returns follows from values (asked in " in said
    assert "test_selections.py" in said
    assert "selected=" in said
    assert "\n" not in said


@pytest.mark.parametrize("selected", [-1, 1.5, "9", True])
def test_the_number_is_natural(selected: Any) -> None:
    with pytest.raises(WorkloadError, match="selected="):
        oracle.profile(Selects(SELECTIONS["mask"]), rows(5, 7), selected=selected)


def test_configs_select_nothing() -> None:
    with pytest.raises(WorkloadError, match="selected=5"):
        oracle.score("ResNet-50", selected=5)


class Globals(nn.Module):
    """Attention of few places to all, as many as a mask marks: they are counted first, as Longformer does."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.layer = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        marked = mask > 0
        most = marked.long().sum(dim=1).max()
        kept = x.new_zeros(len(x), most, 8)
        kept[(torch.arange(most) < marked.sum(1, keepdim=True)).nonzero(as_tuple=True)] = x[marked]
        scores: torch.Tensor = self.query(kept) @ self.layer(x).transpose(1, 2)
        return scores[..., x.shape[1] - most :]


def test_a_count_of_a_mask_is_what_was_stated() -> None:
    x, mask = torch.rand(1, 12, 8), torch.tensor([[1] * 5 + [0] * 7])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        Globals()(x, mask)
    expected = 5 * 8 * 8 + 12 * 8 * 8 + 5 * 12 * 8
    assert oracle.profile(Globals(), x, mask, selected=5).macs == counter.get_total_flops() // 2 == expected
    with pytest.raises(TraceError, match=r"what a count of a mask returns follows from values.*selected="):
        oracle.profile(Globals(), x, mask)


def sizes(x: torch.Tensor) -> torch.Tensor:
    """Sizes of levels as detectors write them down."""
    found = torch.empty((2, 2), dtype=torch.long)
    for level, (height, width) in enumerate([(2, 2), (1, 4)]):
        found[level, 0] = height
        found[level, 1] = width
    return found


class OwnNumbers(nn.Module):
    """Looks at a number that it computes from shapes with tensors, as torchvision's pooling of regions does."""

    def __init__(self, compute: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.compute = nn.Linear(8, 8), compute

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(int(self.compute(x))):
            x = self.layer(x)
        return x


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: torch.tensor(len(x) / 2).log2().round() + 1,  # of 8 rows: log2(4) + 1 = 3
        lambda x: (torch.tensor(1) + torch.tensor(2)).item(),
        lambda x: torch.tensor(3.5, dtype=torch.float64).floor(),
        lambda x: 3 if torch.tensor(len(x)) > 5 else 0,
        lambda x: torch.tensor([(2, 4), (1, 3)])[:, 1].max() - torch.tensor([1, 0])[0],
        lambda x: 3 if (torch.tensor([(2, 2), (1, 4)]).prod(1).sum() == len(x)) else 0,
        lambda x: 3 if (sizes(x)[:, 0] * sizes(x)[:, 1]).sum() == len(x) else 0,
        lambda x: torch.tensor([[1.0, 2.0], [5.0, 3.0]]).t()[1, 1],
    ],
    ids=["logarithm", "sum", "floor", "test", "column", "product", "written", "transposed"],
)
def test_a_forward_may_look_at_numbers_of_its_own(compute: Any) -> None:
    assert oracle.profile(OwnNumbers(compute), torch.empty(8, 8)).macs == 3 * 8 * 8 * 8


def test_a_number_of_its_own_that_an_input_has_changed_is_unknown() -> None:
    def compute(x: torch.Tensor) -> torch.Tensor:
        number = torch.tensor(3.0)
        number += x.sum()
        return number

    with pytest.raises(TraceError, match=r"depends on the data.*asked in forward"):
        oracle.profile(OwnNumbers(compute), torch.empty(8, 8))
