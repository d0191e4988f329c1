"""What a forward asks of tensors without data: masks mask something, what is computed is right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import oracle
from oracle.errors import TraceError


class Asks(nn.Module):
    """Two layers if a test is true, one if it is not."""

    def __init__(self, test: Any) -> None:
        super().__init__()
        self.layer, self.test = nn.Linear(4, 4), test

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        if self.test(mask, y):
            y = self.layer(y)
        return y


def macs(test: Any) -> tuple[int | None, tuple[str, ...]]:
    cost = oracle.profile(Asks(test), torch.empty(1, 4), torch.ones(1, 4, dtype=torch.int64))
    return cost.macs, cost.notes


@pytest.mark.parametrize(
    ("test", "answer"),
    [
        (lambda mask, y: mask.bool().all(), False),
        (lambda mask, y: torch.all(mask == 1), False),
        (lambda mask, y: (mask == 0).any(), True),
        (lambda mask, y: not mask.bool().any(), False),
        (lambda mask, y: mask.sum() == mask.numel(), False),
        (lambda mask, y: mask.sum() > 0, True),
        (lambda mask, y: (mask == 1).all().item(), False),
        (lambda mask, y: y.isnan().any(), False),
        (lambda mask, y: y.isfinite().all(), True),
        (lambda mask, y: torch.logical_or(mask.bool().all(), y.isnan().any()), False),
    ],
    ids="all equal any not-any sum-equals sum-above item nan finite either".split(),
)
def test_a_test_of_a_mask_or_of_what_was_computed_is_answered_and_told(test: Any, answer: bool) -> None:
    found, notes = macs(test)
    assert found == (32 if answer else 16)
    assert any(note.startswith(f"a test of values was taken to be {answer}: ") or "taken" in note for note in notes)


@pytest.mark.parametrize(
    "test",
    [lambda mask, y: y.sum() > 0, lambda mask, y: mask[0, 0] > 0, lambda mask, y: y.argmax().item() > 2],
    ids=["sum", "element", "position"],
)
def test_a_test_of_data_has_no_answer(test: Any) -> None:
    with pytest.raises(TraceError, match="its forward depends on the data"):
        macs(test)


def test_a_forward_may_look_at_numbers_of_its_own() -> None:
    assert macs(lambda mask, y: torch.div(7, 2, rounding_mode="trunc") == 3) == (32, ())


def test_validated_distributions_are_taken_to_be_valid() -> None:
    class Gaussian(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> Any:
            return torch.distributions.Normal(self.layer(x), self.layer(x).exp())

    assert oracle.profile(Gaussian(), torch.empty(2, 4)).macs == 64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_experts_are_counted_in_any_type_and_read_where_rows_reach_them(dtype: torch.dtype) -> None:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(8, 16, 32, dtype=dtype))

        def forward(self, x: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
            return torch._grouped_mm(x, self.weight, offs=ends)

    ends = torch.zeros(8, dtype=torch.int32)
    size = dtype.itemsize
    for rows, experts in ((2, 2), (100, 8)):
        cost = oracle.profile(Experts(), torch.empty(rows, 16, dtype=dtype), ends)
        assert cost.macs == rows * 16 * 32
        assert cost.traffic_bytes == size * (rows * 16 + experts * 16 * 32 + rows * 32) + 8 * 4
