from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.scaling import Scaling, scale_group, scale_width, scaling_of


def factors(kind: str, factor: float) -> Scaling:
    scaling = scaling_of(cfg_from_dict({"MODEL": {"SCALING_TYPE": kind, "SCALING_FACTOR": factor}}))
    assert scaling is not None
    return scaling


def test_no_type_means_no_scaling() -> None:
    assert scaling_of(cfg_from_dict({"MODEL": {"SCALING_FACTOR": 4}})) is None
    assert to_spec(load_cfg("RegNetX-400MF", ["MODEL.SCALING_FACTOR", 4])) == to_spec(load_cfg("RegNetX-400MF"))


@pytest.mark.parametrize(
    ("kind", "exponents"),
    [
        ("d", (1, 0, 0, 0)),
        ("w", (0, 1 / 2, 0, 0)),
        ("g", (0, 0, 1, 0)),  # S = g / 2
        ("r", (0, 0, 0, 1 / 2)),
        ("dw", (1 / 2, 1 / 4, 0, 0)),
        ("dwr", (1 / 3, 1 / 6, 0, 1 / 6)),
        ("d1_w1_r1", (1 / 3, 1 / 6, 0, 1 / 6)),
        ("d1_w8_g8_r1", (1 / 10, 8 / 20, 8 / 20, 1 / 20)),
        ("w2.5_d0.5", (0.5 / 3, 2.5 / 6, 0, 0)),
        ("d0", (0, 0, 0, 0)),
    ],
)
def test_exponents_by_hand(kind: str, exponents: tuple[float, ...]) -> None:
    scaling = factors(kind, 2.0)
    found = (scaling.depth, scaling.width, scaling.group, scaling.resolution)

    assert found == pytest.approx([2.0**exponent for exponent in exponents], rel=1e-12)


@given(weights=st.tuples(*[st.integers(0, 9)] * 4), factor=st.floats(0.1, 100))
def test_flops_grow_by_the_factor(weights: tuple[int, int, int, int], factor: float) -> None:
    scaling = factors("_".join(f"{letter}{weight}" for letter, weight in zip("dwgr", weights, strict=True)), factor)
    grown = scaling.depth * scaling.width**2 * scaling.resolution**2

    expected = factor if weights[0] + weights[1] + weights[3] else 1.0
    assert math.isclose(grown, expected, rel_tol=1e-9)


def test_rounding_by_hand() -> None:
    assert [scale_width(24, f) for f in (0.01, 1.0, 1.5, 1.1, 1.16)] == [8, 24, 32, 24, 24]
    assert [scale_width(20, f) for f in (1.0, 1.4)] == [16, 32]  # 2.5 and 3.5 eights: to even
    assert [scale_group(g, 1.0) for g in (1, 2, 3, 5, 6, 12, 13, 40)] == [1, 2, 4, 4, 8, 16, 16, 40]
    assert scale_group(1, 1.5) == 1.5  # the compatibility rule makes it whole


def test_a_scaled_regnet_by_hand() -> None:
    # Widths 32 64 160 384, depths 1 2 7 12, groups of 16; "dw" by 4: depth x 2, width x sqrt 2.
    net = to_spec(load_cfg("RegNetX-400MF", ["MODEL.SCALING_TYPE", "dw", "MODEL.SCALING_FACTOR", 4]))
    blocks = net.cells[1:-1]

    # 45.3 90.5 226.3 543.1 -> 48 88 224 544 -> multiples of the group: 48 (3), 5.5 to even 96, 224, 544
    assert [block["w_out"] for block in blocks] == [48] * 2 + [96] * 4 + [224] * 14 + [544] * 24
    assert [block["groups"] for block in blocks if block["stride"] == 2] == [3, 6, 14, 34]
    assert net.cells[0]["w_out"] == 32
    assert net.input_shape == (3, 224, 224)


def test_a_scaled_anynet_by_hand() -> None:
    cfg: dict[str, Any] = {
        "MODEL": {"TYPE": "anynet", "SCALING_TYPE": "d1_w8_g8_r1", "SCALING_FACTOR": 8.0},
        "ANYNET": {
            "DEPTHS": [1, 3],
            "WIDTHS": [32, 96],
            "STRIDES": [2, 2],
            "BOT_MULS": [1.0, 0.5],
            "GROUP_WS": [1, 16],
        },
        "TRAIN": {"IM_SIZE": 100},
    }
    net = to_spec(cfg_from_dict(cfg))
    blocks = net.cells[1:-1]

    # depth x 8^0.1 = 1.231: 1, 4. width x 8^0.4 = 2.297: 73.5 -> 72, 220.5 -> 224.
    # groups: 2.297 -> 4; 36.8 -> 40. Inner 72 = 18 x 4; inner 112 = 2.8 x 40 -> 120, so width 240.
    assert [block["w_out"] for block in blocks] == [72] + [240] * 4
    assert [(block["w_b"], block["groups"]) for block in blocks[:2]] == [(72, 18), (120, 3)]
    assert net.input_shape == (3, 112, 112)  # 100 x 8^0.05 = 110.96


def test_a_scaled_efficientnet_by_hand() -> None:
    net = to_spec(load_cfg("EfficientNet-B0", ["MODEL.SCALING_TYPE", "dwr", "MODEL.SCALING_FACTOR", 2]))
    widths = [int(block["w_out"]) for block in net.cells[1:-1]]

    # depth x 1.26: 1 2 2 3 3 4 1 -> 1 3 3 4 4 5 1; width x 1.1225: 16 24 40 80 112 192 320 -> ...
    assert widths == [16] + [24] * 3 + [48] * 3 + [88] * 4 + [128] * 4 + [216] * 5 + [360]
    assert net.input_shape == (3, 252, 252)  # 251.4
    assert (net.cells[0]["w_out"], net.cells[-1]["head_w"]) == (32, 1280)


def test_vanilla_and_basic_blocks_scale_without_groups() -> None:
    cfg = {
        "MODEL": {"TYPE": "anynet", "SCALING_TYPE": "w", "SCALING_FACTOR": 4},
        "ANYNET": {"BLOCK_TYPE": "vanilla_block", "DEPTHS": [1], "WIDTHS": [12], "STRIDES": [1]},
    }

    assert to_spec(cfg_from_dict(cfg)).cells[1]["w_out"] == 24


@pytest.mark.parametrize("kind", ["x", "D1", "d1__w1", "d1_d2", "d-1", "1", "d1 w1", "d" + "9" * 400])
def test_an_unreadable_type_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError) as caught:
        factors(kind, 2.0)
    assert caught.value.key == "MODEL.SCALING_TYPE"


@pytest.mark.parametrize(
    ("kind", "factor", "key"),
    [
        ("d", 0, "MODEL.SCALING_FACTOR"),
        ("d", 1e7, "MODEL.SCALING_FACTOR"),
        ("d0.001_g9999", 2.0, "MODEL.SCALING_TYPE"),
        ("d", 1000, "REGNET.DEPTH"),
        ("w", 1e6, None),
        ("r", 1e6, "TRAIN.IM_SIZE"),
        ("r", 1e-6, "TRAIN.IM_SIZE"),
    ],
)
def test_impossible_scaling_names_its_key(kind: str, factor: float, key: str | None) -> None:
    cfg = load_cfg("RegNetX-400MF", ["MODEL.SCALING_TYPE", kind, "MODEL.SCALING_FACTOR", factor])
    if key is None:
        assert to_spec(cfg).cells[-1]["w_in"] == 384 * 1000
        return
    with pytest.raises(ConfigError) as caught:
        to_spec(cfg)
    assert caught.value.key == key


@pytest.mark.parametrize("name", ["ResNet-50", "R-56", "ViT-S-16"])
def test_families_that_do_not_scale_say_so(name: str) -> None:
    with pytest.raises(ConfigError, match="anynet, effnet and regnet do") as caught:
        to_spec(load_cfg(name, ["MODEL.SCALING_TYPE", "d", "MODEL.SCALING_FACTOR", 2]))
    assert caught.value.key == "MODEL.SCALING_TYPE"
