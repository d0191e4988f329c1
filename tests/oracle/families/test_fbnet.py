from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle.config import cfg_from_dict
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.families.fbnet import LAYERS
from oracle.spec import CellSpec, NetSpec

TAIL: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}


def fbnet(ops: list[int], **keys: dict[str, Any]) -> NetSpec:
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "fbnet"}, "FBNET": {"OPS": ops}} | keys))


def test_skips_are_cells_only_where_they_change_the_shape() -> None:
    net = fbnet([8] * 22)
    widths = [(16, 24, 2), (24, 32, 2), (32, 64, 2), (64, 112, 1), (112, 184, 2), (184, 352, 1)]

    assert net.input_shape == (3, 224, 224)
    assert net.cells == (
        CellSpec.make("simple_stem_in", w_in=3, w_out=16, **TAIL),
        *(CellSpec.make("fbnet_skip", w_in=a, w_out=b, stride=s, **TAIL) for a, b, s in widths),
        CellSpec.make("head", w_in=352, head_w=1984, num_classes=1000, dropout=0.0, **TAIL),
    )


def test_on_cifar_the_stem_and_the_second_stage_keep_the_size() -> None:
    net = fbnet([8] * 22, TRAIN={"DATASET": "cifar100", "IM_SIZE": 32}, MODEL={"TYPE": "fbnet", "NUM_CLASSES": 100})
    widths = [(16, 24, 1), (24, 32, 2), (32, 64, 2), (64, 112, 1), (112, 184, 2), (184, 352, 1)]

    assert net.cells == (
        CellSpec.make("res_stem_cifar", w_in=3, w_out=16, **TAIL),
        *(CellSpec.make("fbnet_skip", w_in=a, w_out=b, stride=s, **TAIL) for a, b, s in widths),
        CellSpec.make("head", w_in=352, head_w=1984, num_classes=100, dropout=0.0, **TAIL),
    )


@pytest.mark.parametrize(
    ("op", "kernel", "expansion", "groups"),
    [(0, 3, 1, 1), (1, 3, 1, 2), (2, 3, 3, 1), (3, 3, 6, 1),
     (4, 5, 1, 1), (5, 5, 1, 2), (6, 5, 3, 1), (7, 5, 6, 1)],
)  # fmt: skip
def test_the_choices_are_those_of_the_space(op: int, kernel: int, expansion: int, groups: int) -> None:
    blocks = fbnet([op] * 22).cells[1:-1]

    assert len(blocks) == LAYERS == 22
    assert {cell.kind for cell in blocks} == {"fbnet_block"}
    assert {(cell["kernel"], cell["groups"]) for cell in blocks} == {(kernel, groups)}
    assert [cell["w_exp"] for cell in blocks] == [expansion * int(cell["w_in"]) for cell in blocks]
    middle = [width for width in (24, 32, 64, 112, 184) for _ in range(4)]
    assert [cell["w_out"] for cell in blocks] == [16, *middle, 352]
    strided = [i for i, cell in enumerate(blocks) if cell["stride"] == 2]
    assert strided == [1, 5, 9, 17]


def test_layers_are_chosen_one_by_one() -> None:
    ops = [i % 9 for i in range(22)]
    kernels = [cell.kwargs.get("kernel") for cell in fbnet(ops).cells[1:-1]]
    # Layer 8 is skipped; so is layer 17, which has a stride.
    kept = [op for layer, op in enumerate(ops) if layer != 8]
    assert kernels == [None if op == 8 else 3 if op < 4 else 5 for op in kept]


def test_fbnet_c_has_the_size_that_timm_gives(by_hand: Callable[[NetSpec], Any]) -> None:
    """timm's fbnetc_100: 5.57 million parameters, 6.51 million activations."""
    counted = by_hand(fbnet([0, 3, 8, 0, 0, 7, 6, 7, 3, 7, 6, 7, 7, 7, 7, 7, 6, 7, 7, 7, 7, 3]))
    assert counted.params == 5_572_200
    assert round(counted.activations / 1e6, 2) == 6.51
    # Table 5 of arXiv 1812.03443, whose first layer is a skip.
    assert counted.macs / 1e6 == pytest.approx(375, rel=0.03)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"FBNET": {"OPS": []}}, "FBNET.OPS"),
        ({"FBNET": {"OPS": [0] * 21}}, "FBNET.OPS"),
        ({"FBNET": {"OPS": [0] * 23}}, "FBNET.OPS"),
        ({"FBNET": {"OPS": [0] * 21 + [9]}}, "FBNET.OPS"),
        ({"TRAIN": {"IM_SIZE": 31}}, "TRAIN.IM_SIZE"),
        ({"MODEL": {"TYPE": "fbnet", "NUM_CLASSES": 0}}, "MODEL.NUM_CLASSES"),
        ({"MODEL": {"TYPE": "fbnet", "ACTIVATION_FUN": "gelu"}}, "MODEL.ACTIVATION_FUN"),
        ({"MODEL": {"TYPE": "fbnet", "SCALING_TYPE": "w"}}, "MODEL.SCALING_TYPE"),
    ],
)
def test_an_impossible_network_names_its_key(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fbnet([0] * 22, **keys)
    assert caught.value.key == key
