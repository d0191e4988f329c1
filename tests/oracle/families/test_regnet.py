from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.regnet import block_levels, block_widths, level_widths, stage_runs
from oracle.spec import CellSpec, NetSpec

# Widths, depths and group width per stage, from the tables of arXiv 2003.13678 (figures 16 and 17).
PUBLISHED = {
    "RegNetX-200MF": ([24, 56, 152, 368], [1, 1, 4, 7], 8),
    "RegNetX-400MF": ([32, 64, 160, 384], [1, 2, 7, 12], 16),
    "RegNetX-600MF": ([48, 96, 240, 528], [1, 3, 5, 7], 24),
    "RegNetX-800MF": ([64, 128, 288, 672], [1, 3, 7, 5], 16),
    "RegNetX-1.6GF": ([72, 168, 408, 912], [2, 4, 10, 2], 24),
    "RegNetX-3.2GF": ([96, 192, 432, 1008], [2, 6, 15, 2], 48),
    "RegNetX-4.0GF": ([80, 240, 560, 1360], [2, 5, 14, 2], 40),
    "RegNetX-6.4GF": ([168, 392, 784, 1624], [2, 4, 10, 1], 56),
    "RegNetX-8.0GF": ([80, 240, 720, 1920], [2, 5, 15, 1], 120),
    "RegNetX-12GF": ([224, 448, 896, 2240], [2, 5, 11, 1], 112),
    "RegNetX-16GF": ([256, 512, 896, 2048], [2, 6, 13, 1], 128),
    "RegNetX-32GF": ([336, 672, 1344, 2520], [2, 7, 13, 1], 168),
    "RegNetY-200MF": ([24, 56, 152, 368], [1, 1, 4, 7], 8),
    "RegNetY-400MF": ([48, 104, 208, 440], [1, 3, 6, 6], 8),
    "RegNetY-600MF": ([48, 112, 256, 608], [1, 3, 7, 4], 16),
    "RegNetY-800MF": ([64, 128, 320, 768], [1, 3, 8, 2], 16),
    "RegNetY-1.6GF": ([48, 120, 336, 888], [2, 6, 17, 2], 24),
    "RegNetY-3.2GF": ([72, 216, 576, 1512], [2, 5, 13, 1], 24),
    "RegNetY-4.0GF": ([128, 192, 512, 1088], [2, 6, 12, 2], 64),
    "RegNetY-6.4GF": ([144, 288, 576, 1296], [2, 7, 14, 2], 72),
    "RegNetY-8.0GF": ([168, 448, 896, 2016], [2, 4, 10, 1], 56),
    "RegNetY-12GF": ([224, 448, 896, 2240], [2, 5, 11, 1], 112),
    "RegNetY-16GF": ([224, 448, 1232, 3024], [2, 4, 11, 1], 112),
    "RegNetY-32GF": ([232, 696, 1392, 3712], [2, 5, 12, 1], 232),
}


def regnet(**keys: Any) -> NetSpec:
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "regnet"}, "REGNET": keys}))


def stages(net: NetSpec) -> tuple[list[int], list[int]]:
    """Widths and depths; a new stage starts at every stride."""
    runs: list[list[int]] = []
    for block in net.cells[1:-1]:
        if block["stride"] != 1:
            runs.append([])
        runs[-1].append(int(block["w_out"]))
    return [run[0] for run in runs], [len(run) for run in runs]


@pytest.mark.parametrize("name", PUBLISHED)
def test_stages_are_those_of_the_paper(name: str) -> None:
    widths, depths, group_w = PUBLISHED[name]
    net = to_spec(load_cfg(name))

    assert stages(net) == (widths, depths)
    for block in net.cells[1:-1]:
        # The paper's ratio is 1 throughout; a stage narrower than a group has one group.
        assert block["w_b"] == block["w_out"]
        assert block["groups"] == max(1, int(block["w_out"]) // group_w)
        assert block["w_se"] == (round(int(block["w_in"]) * 0.25) if "Y" in name else 0)


@given(
    depth=st.integers(1, 60),
    w0=st.integers(1, 64).map(lambda n: 8 * n),
    wa=st.floats(0, 300),
    wm=st.floats(1.01, 4),
)
def test_widths_follow_the_formula(depth: int, w0: int, wa: float, wm: float) -> None:
    levels = block_levels(block_widths(np.arange(depth), w0, wa), w0, wm)
    widths = level_widths(levels, w0, wm)

    for j in range(depth):
        # Logarithms of numpy and math differ in the last bit, which matters only next to a half.
        level = math.log((w0 + wa * j) / w0) / math.log(wm)
        assert abs(level - levels[j]) <= 0.5 + 1e-9
        width = w0 * wm ** float(levels[j]) / 8
        assert abs(width - widths[j] / 8) <= 0.5 + 1e-9
    assert stage_runs(widths) == [(w, len(list(run))) for w, run in groupby(widths.tolist())]


def test_half_levels_and_half_widths_round_to_even() -> None:
    assert block_levels(np.array([2.0, 8.0]), 1, 4.0).tolist() == [0.0, 2.0]
    assert level_widths(np.array([0.0]), 20, 2.0).tolist() == [16]  # 2.5 eights
    assert level_widths(np.array([0.0]), 28, 2.0).tolist() == [32]  # 3.5 eights


def test_rows_of_an_array_are_networks() -> None:
    w0, wa, wm = (np.array(column)[:, None] for column in ([24, 48], [24.48, 27.89], [2.54, 2.09]))
    together = level_widths(block_levels(block_widths(np.arange(16), w0, wa), w0, wm), w0, wm)

    for row, numbers in zip(together, [(24, 24.48, 2.54), (48, 27.89, 2.09)], strict=True):
        alone = level_widths(
            block_levels(block_widths(np.arange(16), *numbers[:2]), numbers[0], numbers[2]), *numbers[::2]
        )
        assert row.tolist() == alone.tolist()


def test_no_slope_means_one_stage() -> None:
    assert stages(regnet(DEPTH=7, W0=64, WA=0)) == ([64], [7])


def test_every_option_reaches_the_cells() -> None:
    cfg = {
        "MODEL": {"TYPE": "regnet", "ACTIVATION_FUN": "Swish", "ACTIVATION_INPLACE": False, "NUM_CLASSES": 7},
        "REGNET": {
            "STEM_TYPE": "res_stem_in",
            "STEM_W": 48,
            "BLOCK_TYPE": "res_bottleneck_linear_block",
            "STRIDE": 1,
            "SE_ON": True,
            "SE_R": 0.5,
            "DEPTH": 2,
            "W0": 32,
            "WA": 0,
            "GROUP_W": 8,
            "BOT_MUL": 2,
            "HEAD_W": 100,
        },
        "BN": {"EPS": 0.001, "MOM": 0.2},
        "TRAIN": {"IM_SIZE": 30},
    }
    tail: dict[str, Any] = {"activation": "silu", "inplace": False, "bn_eps": 0.001, "bn_momentum": 0.2}
    block: dict[str, Any] = {"w_out": 32, "stride": 1, "w_b": 64, "groups": 8}

    assert to_spec(cfg_from_dict(cfg)) == NetSpec(
        (
            CellSpec.make("res_stem_in", w_in=3, w_out=48, **tail),
            CellSpec.make("res_bottleneck_linear_block", w_in=48, **block, w_se=24, stride_1x1=False, **tail),
            CellSpec.make("res_bottleneck_linear_block", w_in=32, **block, w_se=16, stride_1x1=False, **tail),
            CellSpec.make("head", w_in=32, head_w=100, num_classes=7, dropout=0.0, **tail),
        ),
        (3, 30, 30),
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DEPTH", 0),
        ("DEPTH", 10_001),
        ("W0", 0),
        ("W0", 20),
        ("W0", 2**30),
        ("WA", 1e9),
        ("WM", 1.0),
        ("WM", 0.5),
        ("WM", 1e9),
        ("GROUP_W", 0),
        ("BOT_MUL", 0.0),
        ("BOT_MUL", 1e-300),
        ("BOT_MUL", 1.5),
        ("BOT_MUL", 2.0**21),
        ("STRIDE", 0),
        ("STEM_W", 0),
        ("STEM_TYPE", "simple_stem"),
        ("BLOCK_TYPE", "bottleneck"),
        ("HEAD_W", 2**21),
    ],
)
def test_an_impossible_value_names_its_key(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        regnet(**{key: value})
    assert caught.value.key == f"REGNET.{key}"
    assert str(value) in str(caught.value)


def test_an_image_below_the_total_stride_is_refused() -> None:
    cfg = {"MODEL": {"TYPE": "regnet"}, "REGNET": {"DEPTH": 22, "W0": 24, "WA": 24.48, "WM": 2.54}}

    assert to_spec(cfg_from_dict(cfg, ["TRAIN.IM_SIZE", 32])).input_shape == (3, 32, 32)
    with pytest.raises(ConfigError, match="total stride, 32") as caught:
        to_spec(cfg_from_dict(cfg, ["TRAIN.IM_SIZE", 31]))
    assert caught.value.key == "TRAIN.IM_SIZE"
