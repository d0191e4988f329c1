"""Cells of other people: nothing that we know of ours is taken for granted of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from oracle.build import build
from oracle.cells import register_cell, registry
from oracle.config import load_cfg
from oracle.errors import OracleError
from oracle.families import to_spec
from oracle.query import score, score_many
from oracle.spec import CellSpec, NetSpec

_STEM = CellSpec.make("simple_stem_in", w_in=3, w_out=8, activation="relu", inplace=True, bn_eps=1e-5, bn_momentum=0.1)


class Two(nn.Module):
    """Two convolutions with a width between them."""

    def __init__(self, w_in: int, mid: int, w_out: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(w_in, mid, 1, device="meta")
        self.b = nn.Conv2d(mid, w_out, 1, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.b(self.a(x))
        return out


@pytest.fixture(autouse=True)
def own_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CELLS", dict(registry._CELLS))
    register_cell("foreign_optional")(lambda w_in, w_out, mid=16: Two(w_in, mid, w_out))
    register_cell("foreign_dropout")(lambda w_in, w_out, dropout: Two(w_in, 32 if dropout > 0.6 else 16, w_out))
    register_cell("foreign_eps")(lambda w_in, w_out, bn_eps: Two(w_in, 32 if bn_eps > 0.1 else 16, w_out))


def net(kind: str, **params: Any) -> NetSpec:
    return NetSpec((_STEM, CellSpec.make(kind, w_in=8, w_out=16, **params)), (3, 32, 32))


@pytest.mark.parametrize(
    ("kind", "several"),
    [
        ("foreign_optional", [{}, {"mid": 4}, {"mid": 16}, {}]),
        ("foreign_dropout", [{"dropout": 0.5}, {"dropout": 0.9}, {"dropout": 0.0}]),
        ("foreign_eps", [{"bn_eps": 0.01}, {"bn_eps": 0.5}]),
    ],
)
def test_every_parameter_counts(kind: str, several: list[dict[str, Any]]) -> None:
    nets = [net(kind, **params) for params in several]
    expected = [sum(p.numel() for p in build(one).parameters()) for one in nets]
    assert [score(one).params for one in nets] == expected
    for one, truth in zip(nets, expected, strict=True):
        assert score_many([one] * 20).params.tolist() == [truth] * 20


def test_code_that_changed_is_another_cell() -> None:
    before = registry.code_digest("foreign_eps")
    assert before == registry.code_digest("foreign_dropout")  # of one file
    assert before != registry.code_digest("simple_stem_in")


def test_a_parameter_must_not_be_called_as_dimensions_are() -> None:
    with pytest.raises(OracleError, match=r"parameter d1: d0, d1, \.\.\. are dimensions of the input"):
        register_cell("foreign_dimension")(lambda w_in, d1: Two(w_in, d1, 8))


@pytest.mark.parametrize("width", [np.int32, np.int64])
def test_numpys_integers_do_not_overflow(width: Any) -> None:
    plain = to_spec(load_cfg("ResNet-50"))
    cells = tuple(
        CellSpec(cell.kind, tuple((name, width(value) if type(value) is int else value) for name, value in cell.params))
        for cell in plain.cells
    )
    for batch_size in (1, 64):
        found, expected = (score(one, batch_size=batch_size) for one in (NetSpec(cells, plain.input_shape), plain))
        assert (found.macs, found.flops, found.traffic_bytes) == (expected.macs, expected.flops, expected.traffic_bytes)
        assert type(found.macs) is int


def test_a_parameter_that_our_cell_does_not_have_is_an_error() -> None:
    plain = to_spec(load_cfg("R-56"))
    odd = CellSpec(plain.cells[0].kind, (*plain.cells[0].params, ("extra", 3)))
    lacking = CellSpec(plain.cells[0].kind, plain.cells[0].params[1:])
    for cell in (odd, lacking):
        with pytest.raises(OracleError, match="expected the parameters"):
            score(NetSpec((cell, *plain.cells[1:]), plain.input_shape))


@pytest.mark.parametrize("shape", [(3, 32, 64), (3, 64, 32)])
def test_an_image_of_one_pixel_in_one_direction_is_refused_where_strides_matter(shape: tuple[int, ...]) -> None:
    plain = to_spec(load_cfg("RegNetX-200MF"))
    wide = NetSpec(plain.cells, shape)
    with pytest.raises(OracleError, match="an image of one pixel in one direction only has no closed form"):
        score(wide, batch_size=2, mode="training", layout="nhwc")
    with pytest.raises(OracleError, match="an image of one pixel in one direction only has no closed form"):
        score_many([wide] * 20, batch_size=2, mode="training", layout="nhwc")
    assert score(wide, batch_size=2, mode="training").macs > 0
