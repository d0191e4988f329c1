from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle.config import cfg_from_dict
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.spec import CellSpec, NetSpec

SMALL: dict[str, Any] = {
    "STEM_W": 8,
    "DEPTHS": [1, 2],
    "WIDTHS": [8, 12],
    "EXP_RATIOS": [1, 6],
    "STRIDES": [1, 2],
    "KERNELS": [3, 5],
    "HEAD_W": 20,
}


def effnet(size: int = 16, **changes: Any) -> NetSpec:
    model = {"TYPE": "effnet", "ACTIVATION_FUN": "silu"}
    return to_spec(cfg_from_dict({"MODEL": model, "EN": SMALL | changes, "TRAIN": {"IM_SIZE": size}}))


def test_stages_become_cells() -> None:
    tail: dict[str, Any] = {"activation": "silu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
    rest: dict[str, Any] = {"drop_connect": 0.25, **tail}

    assert effnet(DC_RATIO=0.25, DROPOUT_RATIO=0.5).cells == (
        CellSpec.make("simple_stem_in", w_in=3, w_out=8, **tail),
        CellSpec.make("mbconv", w_in=8, w_exp=8, kernel=3, stride=1, w_se=2, w_out=8, **rest),
        CellSpec.make("mbconv", w_in=8, w_exp=48, kernel=5, stride=2, w_se=2, w_out=12, **rest),
        CellSpec.make("mbconv", w_in=12, w_exp=72, kernel=5, stride=1, w_se=3, w_out=12, **rest),
        CellSpec.make("head", w_in=12, head_w=20, num_classes=10, dropout=0.5, **tail),
    )


def test_expansion_and_squeeze_are_cut_off_not_rounded() -> None:
    block = effnet(STEM_W=9, EXP_RATIOS=[1.9, 6], SE_R=0.99).cells[1]

    assert (block["w_exp"], block["w_se"]) == (17, 8)  # 17.1 and 8.91


def test_no_squeeze_and_excitation() -> None:
    assert [cell["w_se"] for cell in effnet(SE_R=0).cells[1:-1]] == [0, 0, 0]


def test_a_small_one_on_paper(by_hand: Callable[[NetSpec], Any]) -> None:
    counted = by_hand(effnet())
    stem = 27 * 8
    first = 9 * 8, 8 * 8  # at 8 x 8; no expansion
    second = 8 * 48, 25 * 48, 48 * 12  # expansion at 8 x 8, the rest at 4 x 4
    third = 12 * 72, 25 * 72, 72 * 12
    head = 12 * 20
    squeeze = 2 * (8 * 2) + 10, 2 * (48 * 2) + 50, 2 * (72 * 3) + 75
    linear = 20 * 10 + 10

    assert counted.params == (
        stem + sum(first) + sum(second) + sum(third) + head + sum(squeeze) + linear
        + 2 * (8 + 8 + 8 + 48 + 48 + 12 + 72 + 72 + 12 + 20)
    )  # fmt: skip
    assert counted.macs == (
        64 * (stem + sum(first) + second[0]) + 16 * (sum(second[1:]) + sum(third) + head) + sum(squeeze) + linear
    )
    assert counted.activations == (
        64 * (8 + 8 + 8 + 48) + 16 * (48 + 12 + 72 + 72 + 12 + 20) + (2 + 8 + 2 + 48 + 3 + 72) + 10
    )


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({key: [] for key in ("DEPTHS", "WIDTHS", "EXP_RATIOS", "STRIDES", "KERNELS")}, "EN.DEPTHS"),
        ({"WIDTHS": [8]}, "EN.WIDTHS"),
        ({"EXP_RATIOS": [1, 6, 6]}, "EN.EXP_RATIOS"),
        ({"STRIDES": []}, "EN.STRIDES"),
        ({"KERNELS": [3]}, "EN.KERNELS"),
        ({"DEPTHS": [1, 0]}, "EN.DEPTHS"),
        ({"DEPTHS": [1, 10_000]}, "EN.DEPTHS"),
        ({"WIDTHS": [0, 8]}, "EN.WIDTHS"),
        ({"STRIDES": [0, 2]}, "EN.STRIDES"),
        ({"KERNELS": [4, 5]}, "EN.KERNELS"),
        ({"KERNELS": [0, 5]}, "EN.KERNELS"),
        ({"EXP_RATIOS": [0.1, 6]}, "EN.EXP_RATIOS"),
        ({"EXP_RATIOS": [1e15, 6]}, "EN.EXP_RATIOS"),
        ({"SE_R": 0.1}, "EN.SE_R"),
        ({"SE_R": 1e15}, "EN.SE_R"),
        ({"STEM_W": 0}, "EN.STEM_W"),
        ({"HEAD_W": 0}, "EN.HEAD_W"),
        ({"DC_RATIO": 1.0}, "EN.DC_RATIO"),
        ({"DROPOUT_RATIO": 1.5}, "EN.DROPOUT_RATIO"),
        ({"size": 3}, "TRAIN.IM_SIZE"),
    ],
)
def test_an_impossible_network_names_its_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        effnet(**change)
    assert caught.value.key == key
