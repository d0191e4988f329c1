from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.anynet import BLOCKS, STEM_STRIDES
from oracle.spec import CellSpec, NetSpec

BOTTLENECK: dict[str, Any] = {
    "STEM_W": 8,
    "DEPTHS": [2, 1],
    "WIDTHS": [16, 32],
    "STRIDES": [1, 2],
    "BOT_MULS": [1.0, 0.5],
    "GROUP_WS": [8, 4],
}
PLAIN = {key: value for key, value in BOTTLENECK.items() if key not in ("BOT_MULS", "GROUP_WS")}


def anynet(keys: dict[str, Any], **changes: Any) -> NetSpec:
    cfg = {"MODEL": {"TYPE": "anynet"}, "ANYNET": keys | changes, "TRAIN": {"IM_SIZE": 16}}
    return to_spec(cfg_from_dict(cfg))


def test_bottleneck_stages_become_cells() -> None:
    blocks = [cell.kwargs for cell in anynet(BOTTLENECK, SE_ON=True).cells[1:-1]]

    assert [(b["w_in"], b["w_out"], b["stride"]) for b in blocks] == [(8, 16, 1), (16, 16, 1), (16, 32, 2)]
    assert [(b["w_b"], b["groups"], b["w_se"]) for b in blocks] == [(16, 2, 2), (16, 2, 4), (16, 4, 4)]
    assert not any(b["stride_1x1"] for b in blocks)


def test_rounding_of_bottleneck_and_squeeze_widths_is_to_even() -> None:
    net = anynet(
        {"STEM_W": 10, "DEPTHS": [1], "WIDTHS": [9], "STRIDES": [1], "BOT_MULS": [0.5], "GROUP_WS": [1]},
        SE_ON=True,
    )

    assert (net.cells[1]["w_b"], net.cells[1]["w_se"]) == (4, 2)  # 4.5 and 2.5


@pytest.mark.parametrize("stem", STEM_STRIDES)
@pytest.mark.parametrize("block", BLOCKS)
def test_every_stem_goes_with_every_block(stem: str, block: str) -> None:
    net = anynet(BOTTLENECK, STEM_TYPE=stem, BLOCK_TYPE=block)

    assert net.cells[0] == CellSpec.make(
        stem, w_in=3, w_out=8, activation="relu", inplace=True, bn_eps=1e-5, bn_momentum=0.1
    )
    assert [cell.kind for cell in net.cells[1:]] == [block] * 3 + ["head"]


@pytest.mark.parametrize("block", ["vanilla_block", "res_basic_block"])
def test_blocks_without_a_bottleneck_need_no_ratios(block: str) -> None:
    net = anynet(PLAIN, BLOCK_TYPE=block)

    assert net == anynet(BOTTLENECK, BLOCK_TYPE=block)
    assert list(net.cells[1].kwargs)[:4] == ["w_in", "w_out", "stride", "activation"]


# Image 16. The stem has stride 2: 8 x 8 of 8. Stages: 8 x 8 of 16 (two blocks), 4 x 4 of 32; head 32 -> 10.
STEM = (27 * 8 * 64, 27 * 8 + 2 * 8, 8 * 64)
HEAD = (32 * 10 + 10, 32 * 10 + 10, 10)
TRUNK = (
    9 * 64 * (8 * 16 + 3 * 16 * 16) + 9 * 16 * (16 * 32 + 32 * 32),
    9 * (8 * 16 + 3 * 16 * 16 + 16 * 32 + 32 * 32) + 2 * (4 * 16 + 2 * 32),
    4 * 16 * 64 + 2 * 32 * 16,
)
SHORTCUTS = (8 * 16 * 64 + 16 * 32 * 16, 8 * 16 + 16 * 32 + 2 * (16 + 32), 16 * 64 + 32 * 16)


@pytest.mark.parametrize(
    ("block", "parts"),
    [("vanilla_block", (STEM, TRUNK, HEAD)), ("res_basic_block", (STEM, TRUNK, SHORTCUTS, HEAD))],
)
def test_plain_networks_on_paper(
    block: str, parts: tuple[tuple[int, int, int], ...], by_hand: Callable[[NetSpec], Any]
) -> None:
    counted = by_hand(anynet(PLAIN, BLOCK_TYPE=block))

    assert (counted.macs, counted.params, counted.activations) == tuple(map(sum, zip(*parts, strict=True)))


def test_a_resnet_written_as_an_anynet_is_the_same_network() -> None:
    stages = {"DEPTHS": [3, 4, 6, 3], "WIDTHS": [256, 512, 1024, 2048], "STRIDES": [1, 2, 2, 2]}
    widths = {"BOT_MULS": [0.5] * 4, "GROUP_WS": [4, 8, 16, 32]}
    stem = {"STEM_TYPE": "res_stem_in", "STEM_W": 64}
    cfg = {"MODEL": {"TYPE": "anynet", "NUM_CLASSES": 1000}, "ANYNET": {**stem, **stages, **widths}}

    assert to_spec(cfg_from_dict(cfg)) == to_spec(load_cfg("ResNeXt-50-32x4d"))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"DEPTHS": [], "WIDTHS": [], "STRIDES": [], "BOT_MULS": [], "GROUP_WS": []}, "DEPTHS"),
        ({"WIDTHS": [16]}, "WIDTHS"),
        ({"STRIDES": [1, 2, 2]}, "STRIDES"),
        ({"BOT_MULS": [1.0]}, "BOT_MULS"),
        ({"BOT_MULS": []}, "BOT_MULS"),
        ({"GROUP_WS": [8]}, "GROUP_WS"),
        ({"GROUP_WS": []}, "GROUP_WS"),
        ({"BLOCK_TYPE": "vanilla_block", "GROUP_WS": [8]}, "GROUP_WS"),
        ({"DEPTHS": [0, 1]}, "DEPTHS"),
        ({"DEPTHS": [9_999, 2]}, "DEPTHS"),
        ({"WIDTHS": [16, 0]}, "WIDTHS"),
        ({"WIDTHS": [16, 2**21]}, "WIDTHS"),
        ({"STRIDES": [0, 2]}, "STRIDES"),
        ({"GROUP_WS": [7, 4]}, "GROUP_WS"),
        ({"GROUP_WS": [32, 4]}, "GROUP_WS"),
        ({"GROUP_WS": [0, 4]}, "GROUP_WS"),
        ({"BOT_MULS": [0.01, 1]}, "BOT_MULS"),
        ({"BOT_MULS": [2.0**40, 1]}, "BOT_MULS"),
        ({"SE_ON": True, "SE_R": 2.0**30}, "SE_R"),
        ({"STEM_W": 0}, "STEM_W"),
        ({"STEM_TYPE": "res_stem"}, "STEM_TYPE"),
        ({"BLOCK_TYPE": "res_bottleneck"}, "BLOCK_TYPE"),
        ({"HEAD_W": 2**30}, "HEAD_W"),
    ],
)
def test_an_impossible_network_names_its_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=r"expected|at most") as caught:
        anynet(BOTTLENECK, **change)
    assert caught.value.key == f"ANYNET.{key}"


def test_an_unknown_word_lists_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean res_bottleneck_block") as caught:
        anynet(BOTTLENECK, BLOCK_TYPE="res_bottleneck_blok")
    assert all(block in str(caught.value) for block in BLOCKS)


@pytest.mark.parametrize(("stem", "smallest"), [("res_stem_cifar", 2), ("simple_stem_in", 4), ("res_stem_in", 8)])
def test_the_image_must_survive_all_strides(stem: str, smallest: int) -> None:
    cfg = {"MODEL": {"TYPE": "anynet"}, "ANYNET": BOTTLENECK | {"STEM_TYPE": stem}}

    assert to_spec(cfg_from_dict(cfg, ["TRAIN.IM_SIZE", smallest])).input_shape[1] == smallest
    with pytest.raises(ConfigError, match=rf"total stride, {smallest}\b") as caught:
        to_spec(cfg_from_dict(cfg, ["TRAIN.IM_SIZE", smallest - 1]))
    assert caught.value.key == "TRAIN.IM_SIZE"


def test_an_endless_stride_is_one_short_error() -> None:
    with pytest.raises(ConfigError, match="more than") as caught:
        anynet(PLAIN, BLOCK_TYPE="vanilla_block", DEPTHS=[1] * 9000, WIDTHS=[8] * 9000, STRIDES=[2**20] * 9000)
    assert len(str(caught.value)) < 200
