from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from oracle.config import cfg_from_dict
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.nasbench201 import OPERATIONS
from oracle.spec import CellSpec, NetSpec

CONV, SKIP, NONE = "nor_conv_3x3", "skip_connect", "none"


def arch(*ops: str) -> str:
    return "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops)


def nasbench(ops: str, **keys: dict[str, Any]) -> NetSpec:
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "nasbench201"}, "NB201": {"ARCH": ops}} | keys))


def test_an_architecture_alone_is_the_cifar_network() -> None:
    norm: dict[str, Any] = {"bn_eps": 1e-5, "bn_momentum": 0.1}
    ops = arch(CONV, NONE, CONV, SKIP, NONE, SKIP)
    cells = {w: [CellSpec.make("nasbench201_cell", width=w, arch=ops, **norm)] * 5 for w in (16, 32, 64)}
    net = nasbench(ops)

    assert net.input_shape == (3, 32, 32)
    assert net.cells == (
        CellSpec.make("nasbench201_stem", w_in=3, w_out=16, **norm),
        *cells[16],
        CellSpec.make("nasbench201_reduction", w_in=16, w_out=32, **norm),
        *cells[32],
        CellSpec.make("nasbench201_reduction", w_in=32, w_out=64, **norm),
        *cells[64],
        CellSpec.make("nasbench201_head", w_in=64, num_classes=10, inplace=True, **norm),
    )


def test_six_operations_say_what_their_string_says() -> None:
    ops = [CONV, NONE, SKIP, "avg_pool_3x3", NONE, "nor_conv_1x1"]
    assert nasbench("", NB201={"OPS": ops}) == nasbench(arch(*ops))


@pytest.mark.parametrize(
    "section",
    [
        {"OPS": [NONE] * 5},
        {"OPS": [NONE] * 5 + ["conv"]},
        {"OPS": [NONE] * 6, "ARCH": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"},
    ],
)
def test_other_operations_name_their_key(section: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        nasbench("", NB201=section)
    assert caught.value.key == "NB201.OPS"


def test_images_and_classes_of_the_other_two_data_sets() -> None:
    """ImageNet-16-120: 16 x 16 images of 120 classes."""
    net = nasbench(arch(*[CONV] * 6), MODEL={"TYPE": "nasbench201", "NUM_CLASSES": 120}, TRAIN={"IM_SIZE": 16})
    assert net.input_shape == (3, 16, 16)
    assert net.cells[-1]["num_classes"] == 120


# Millions of MACs and of parameters that the benchmark's own interface (github.com/D-X-Y/NAS-Bench-201) gives
# for CIFAR-10: its smallest networks, and its largest.
@pytest.mark.parametrize(
    ("ops", "macs_m", "params_m"),
    [([SKIP] * 6, 7.78305, 0.073306), ([NONE] * 6, 7.78305, 0.073306), ([CONV] * 6, 220.11969, 1.531546)],
)
def test_networks_have_their_published_size(
    ops: list[str], macs_m: float, params_m: float, by_hand: Callable[[NetSpec], Any]
) -> None:
    counted = by_hand(nasbench(arch(*ops)))
    assert (counted.macs / 1e6, counted.params / 1e6) == (macs_m, params_m)


def test_every_architecture_of_the_space_is_a_network_of_its_own() -> None:
    every = [arch(*ops) for ops in product(OPERATIONS, repeat=6)]
    assert len({nasbench(ops) for ops in every[::25]}) == 15_625 // 25


@pytest.mark.parametrize(
    "ops",
    [
        "",
        "none",
        "|none~0|",
        "|none~0|+|none~0|none~1|",
        arch(*[NONE] * 6) + "+|none~0|none~1|none~2|none~3|",
        arch(*[NONE] * 6)[1:],
        arch(*[NONE] * 6) + " ",
        "|none~0|+|none~1|none~0|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~3|",
        "|none~0|+|none~0|none~1|+|none~0|none~1||none~2|",
        "|none|+|none|none|+|none|none|none|",
    ],
)
def test_a_string_of_another_form_is_told_the_form(ops: str) -> None:
    form = r"expected \|op~0\|\+\|op~0\|op~1\|\+.* with op one of none, skip"
    with pytest.raises(ConfigError, match=form) as caught:
        nasbench(ops)
    assert caught.value.key == "NB201.ARCH"


def test_an_unknown_operation_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'nor_conv_5x5': expected one of none, .*did you mean") as caught:
        nasbench(arch(NONE, NONE, "nor_conv_5x5", NONE, NONE, NONE))
    assert caught.value.key == "NB201.ARCH"


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"TRAIN": {"IM_SIZE": 30}}, "TRAIN.IM_SIZE"),
        ({"TRAIN": {"IM_SIZE": 0}}, "TRAIN.IM_SIZE"),
        ({"MODEL": {"TYPE": "nasbench201", "NUM_CLASSES": 0}}, "MODEL.NUM_CLASSES"),
        ({"MODEL": {"TYPE": "nasbench201", "ACTIVATION_FUN": "silu"}}, "MODEL.ACTIVATION_FUN"),
        ({"MODEL": {"TYPE": "nasbench201", "SCALING_TYPE": "d1"}}, "MODEL.SCALING_TYPE"),
    ],
)
def test_an_impossible_network_names_its_key(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        nasbench(arch(*[CONV] * 6), **keys)
    assert caught.value.key == key
