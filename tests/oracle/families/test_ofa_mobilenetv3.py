from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle.config import cfg_from_dict
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.ofa_mobilenetv3 import squeeze
from oracle.spec import CellSpec, NetSpec

SMALL: dict[str, Any] = {"KERNELS": [3], "EXPANSIONS": [3], "DEPTHS": [2]}
# Drawn once from the space; entries beyond a stage's depth choose nothing.
DRAWN: dict[str, Any] = {
    "KERNELS": [5, 7, 3, 7, 3, 5, 5, 3, 7, 7, 5, 3, 3, 3, 7, 5, 5, 7, 3, 3],
    "EXPANSIONS": [3, 6, 4, 4, 6, 3, 3, 4, 4, 6, 6, 3, 4, 3, 6, 6, 3, 4, 6, 6],
    "DEPTHS": [2, 3, 4, 3, 2],
}


def ofa(section: dict[str, Any], **keys: dict[str, Any]) -> NetSpec:
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "ofa_mobilenetv3"}, "OFA": section} | keys))


def test_choices_become_cells() -> None:
    tail: dict[str, Any] = {"inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
    relu, hard = {"activation": "relu", **tail}, {"activation": "hardswish", **tail}

    def block(w_in: int, w_exp: int, kernel: int, stride: int, w_se: int, w_out: int, end: Any) -> CellSpec:
        inner = {"w_in": w_in, "w_exp": w_exp, "kernel": kernel, "stride": stride, "w_se": w_se}
        return CellSpec.make("ofa_block", **inner, w_out=w_out, **end)

    net = ofa(DRAWN)
    assert net.input_shape == (3, 224, 224)
    assert net.cells == (
        CellSpec.make("conv_bn_act", w_in=3, w_out=16, kernel=3, stride=2, **hard),
        block(16, 16, 3, 1, 0, 16, relu),
        block(16, 48, 5, 2, 0, 24, relu),
        block(24, 144, 7, 1, 0, 24, relu),
        block(24, 144, 3, 2, 40, 40, relu),
        block(40, 120, 5, 1, 32, 40, relu),
        block(40, 120, 5, 1, 32, 40, relu),
        block(40, 160, 7, 2, 0, 80, hard),
        block(80, 480, 7, 1, 0, 80, hard),
        block(80, 480, 5, 1, 0, 80, hard),
        block(80, 240, 3, 1, 0, 80, hard),
        block(80, 320, 3, 1, 80, 112, hard),
        block(112, 336, 3, 1, 88, 112, hard),
        block(112, 672, 7, 1, 168, 112, hard),
        block(112, 336, 5, 2, 88, 160, hard),
        block(160, 640, 7, 1, 160, 160, hard),
        CellSpec.make("ofa_head", w_in=160, w_exp=960, head_w=1280, num_classes=1000, **hard),
    )


# Parameters of subnets that the paper's own code (PyPI: ofa 0.1.0) builds, and their MACs at 176 x 176 without
# bias additions, as fvcore counts them.
@pytest.mark.parametrize(
    ("section", "params", "macs"),
    [
        ({"KERNELS": [7], "EXPANSIONS": [6], "DEPTHS": [4]}, 7_664_760, 359_243_472),
        (SMALL, 3_410_792, 78_054_120),
        (DRAWN, 4_287_352, 163_087_040),
    ],
)
def test_subnets_are_those_of_the_released_code(
    section: dict[str, Any], params: int, macs: int, by_hand: Callable[[NetSpec], Any]
) -> None:
    net = ofa(section | {"RESOLUTION": 176})
    counted = by_hand(net)
    bias = 1000 + sum(int(c["w_se"]) + int(c["w_exp"]) for c in net.cells if c.kwargs.get("w_se"))

    assert (counted.params, counted.macs - bias) == (params, macs)


def test_one_entry_stands_for_all() -> None:
    full = {"KERNELS": [3] * 20, "EXPANSIONS": [3] * 20, "DEPTHS": [2] * 5}
    assert ofa(SMALL) == ofa(full)


def test_entries_beyond_a_stages_depth_choose_nothing() -> None:
    kernels = [3, 3, 7, 5] * 5
    assert ofa(SMALL) == ofa(SMALL | {"KERNELS": kernels})


def test_the_resolution_is_the_image_unless_it_is_zero() -> None:
    assert ofa(SMALL | {"RESOLUTION": 128}).input_shape == (3, 128, 128)
    assert ofa(SMALL | {"RESOLUTION": 160}, TRAIN={"IM_SIZE": 96}).input_shape == (3, 160, 160)
    assert ofa(SMALL, TRAIN={"IM_SIZE": 96}).input_shape == (3, 96, 96)


@pytest.mark.parametrize(("width", "divisible"), [(1, 8), (12, 16), (20, 24), (30, 32), (36, 40), (84, 88), (168, 168)])
def test_widths_round_to_multiples_of_eight_and_lose_no_tenth(width: int, divisible: int) -> None:
    assert squeeze(4 * width) == divisible
    assert 10 * squeeze(4 * width) >= 9 * width


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"KERNELS": []}, "OFA.KERNELS"),
        ({"KERNELS": [3] * 19}, "OFA.KERNELS"),
        ({"KERNELS": [9]}, "OFA.KERNELS"),
        ({"EXPANSIONS": []}, "OFA.EXPANSIONS"),
        ({"EXPANSIONS": [3] * 19 + [5]}, "OFA.EXPANSIONS"),
        ({"DEPTHS": []}, "OFA.DEPTHS"),
        ({"DEPTHS": [2] * 4}, "OFA.DEPTHS"),
        ({"DEPTHS": [1]}, "OFA.DEPTHS"),
        ({"RESOLUTION": 127}, "OFA.RESOLUTION"),
        ({"RESOLUTION": 225}, "OFA.RESOLUTION"),
    ],
)
def test_a_choice_outside_the_space_names_its_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ofa(SMALL | change)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"TRAIN": {"IM_SIZE": 31}}, "TRAIN.IM_SIZE"),
        ({"MODEL": {"TYPE": "ofa_mobilenetv3", "ACTIVATION_FUN": "silu"}}, "MODEL.ACTIVATION_FUN"),
        ({"MODEL": {"TYPE": "ofa_mobilenetv3", "SCALING_TYPE": "r"}}, "MODEL.SCALING_TYPE"),
    ],
)
def test_an_impossible_network_names_its_key(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ofa(SMALL, **keys)
    assert caught.value.key == key
