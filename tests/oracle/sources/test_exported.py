"""Programs that torch.export saved cost what their modules cost."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from oracle.errors import OracleError
from oracle.query import Cost, profile
from oracle.sources import inputs_of, open_source

FIELDS = ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes", "unknown")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.qkv, self.head = nn.Linear(16, 48), nn.Linear(16, 5)
        self.head.weight = nn.Parameter(torch.randn(5, 16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.norm(self.conv(x))).flatten(2).transpose(1, 2)
        q, k, v = (t.unflatten(-1, (2, 8)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        x = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return self.head(x.mean(1))


class Several(nn.Module):
    def forward(self, x: torch.Tensor, scale: float, y: torch.Tensor) -> Any:
        return {"sum": x + scale * y, "half": [x / 2]}


def save(module: nn.Module, path: Path, *inputs: Any, **options: Any) -> str:
    torch.export.save(torch.export.export(module.eval(), inputs, **options), path)
    return str(path)


def fields(cost: Cost) -> list[Any]:
    return [getattr(cost, name) for name in FIELDS]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "workload", [{}, {"dtype": "float16"}, {"runtime": "engine"}, {"runtime": "compiled", "layout": "nhwc"}]
)
def test_a_program_costs_what_its_module_costs(workload: dict[str, str], tmp_path: Path) -> None:
    net, x = Net(), torch.randn(2, 3, 8, 8)
    found = open_source(save(net, tmp_path / "n.pt2", x))
    ours = profile(found.module, *found.args, **workload)
    theirs = profile(net, x, **workload)
    assert fields(ours) == fields(theirs)
    assert [(k.name, k.module) for k in ours.kernels()] == [(k.name, k.module) for k in theirs.kernels()]


@pytest.mark.filterwarnings("ignore")
def test_free_dimensions_take_a_batch_and_fixed_ones_refuse_it(tmp_path: Path) -> None:
    net, x = Net(), torch.randn(2, 3, 8, 8)
    fixed = save(net, tmp_path / "fixed.pt2", x)
    with pytest.raises(OracleError, match="exported for input 2x3x8x8"):
        open_source(fixed, (), 4)
    free = save(net, tmp_path / "free.pt2", x, dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    found = open_source(free, (), 4)
    assert fields(profile(found.module, *found.args)) == fields(profile(net, torch.randn(4, 3, 8, 8)))
    with pytest.raises(OracleError, match="free dimensions: 0"):
        open_source(free, inputs_of(["2x3x9x9"]))


@pytest.mark.filterwarnings("ignore")
def test_inputs_that_are_numbers_and_outputs_in_a_nest(tmp_path: Path) -> None:
    x, y = torch.randn(4, 5), torch.randn(4, 5)
    found = open_source(save(Several(), tmp_path / "s.pt2", x, 0.5, y))
    assert [str(item) for item in found.inputs] == ["4x5:float32", "4x5:float32"]
    assert fields(profile(found.module, *found.args)) == fields(profile(Several(), x, 0.5, y))


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What torch.export would show on the terminal: with tracebacks, of files that it cannot read."""
    found: list[logging.LogRecord] = []

    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    handler = Shown()
    logging.getLogger("torch.export").addHandler(handler)
    yield found
    logging.getLogger("torch.export").removeHandler(handler)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 no zip"])
def test_a_file_that_is_none(content: bytes | None, tmp_path: Path, logged: list[Any]) -> None:
    path = tmp_path / "x.pt2"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OracleError, match=r"no such file|not a file of torch\.export: BadZipFile"):
        open_source(path)
    assert not logged


@pytest.mark.filterwarnings("ignore")
def test_a_broken_file_says_why_in_one_line(tmp_path: Path, logged: list[Any]) -> None:
    whole = Path(save(Net(), tmp_path / "n.pt2", torch.randn(2, 3, 8, 8)))
    (tmp_path / "half.pt2").write_bytes(whole.read_bytes()[:2000])
    torch.save(Net().state_dict(), tmp_path / "weights.pt2")
    logged.clear()
    for name, reason in (("half", "BadZipFile"), ("weights", "failed locating file")):
        with pytest.raises(OracleError, match=rf"not a file of torch\.export: .*{reason}") as raised:
            open_source(tmp_path / f"{name}.pt2")
        assert "warnings above" not in str(raised.value)
        assert "\n" not in str(raised.value)
    assert not logged
    assert not logging.getLogger("torch.export").filters
