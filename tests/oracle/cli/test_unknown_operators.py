"""An operator without a formula is named on standard error, or fatal under --strict."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import oracle
from oracle.cells import register_cell, registry
from oracle.families import FAMILIES

Run = Callable[..., Any]


@pytest.fixture
def mystery(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The `resnet` family makes networks of one linear layer and one operator that nobody described."""
    name = f"oracletest{uuid.uuid4().hex[:8]}"

    @torch.library.custom_op(f"{name}::mystery", mutates_args=())
    def operator(x: Tensor) -> Tensor:
        return x.clone()

    operator.register_fake(torch.empty_like)

    class Mystery(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.fc = nn.Linear(width, width, device="meta")

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = operator(self.fc(x))
            return found

    register_cell(name)(Mystery)
    spec = oracle.NetSpec((oracle.CellSpec.make(name, width=8),), (3, 8, 8), "strange")
    monkeypatch.setitem(FAMILIES, "resnet", lambda _: spec)
    yield f"{name}.mystery"
    registry._CELLS.pop(name)


def test_it_is_named_and_the_table_says_what_is_missing(run: Run, mystery: str) -> None:
    done = run("score", "ResNet-50", "-d", "t4")
    assert done.code == 0
    named = f"operator={mystery} has no FLOP formula: it counts 0 FLOPs and its bytes (in strange)"
    assert done.err == f"oracle: warning: {named}\n"
    assert "1 of 2 operators count 0 FLOPs" in done.out
    assert mystery in done.out.replace("\n", "")
    assert mystery in run("score", "ResNet-50", "--format", "csv").out


def test_it_is_fatal_under_strict(run: Run, mystery: str) -> None:
    done = run("score", "ResNet-50", "--strict")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"oracle: error: ResNet-50: operators={mystery} have no FLOP formula")
