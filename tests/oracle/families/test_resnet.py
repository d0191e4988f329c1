from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.spec import NetSpec


def imagenet(depth: int = 50, size: int = 224, **keys: Any) -> NetSpec:
    model = {"TYPE": "resnet", "DEPTH": depth, "NUM_CLASSES": 1000}
    keys = {"TRANS_FUN": "bottleneck_transform"} | keys
    return to_spec(cfg_from_dict({"MODEL": model, "RESNET": keys, "TRAIN": {"IM_SIZE": size}}))


def cifar(depth: int, size: int = 32, dataset: str = "cifar10", **keys: Any) -> NetSpec:
    train = {"IM_SIZE": size, "DATASET": dataset}
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "resnet", "DEPTH": depth}, "RESNET": keys, "TRAIN": train}))


@pytest.mark.parametrize(("depth", "counts"), [(50, (3, 4, 6, 3)), (101, (3, 4, 23, 3)), (152, (3, 8, 36, 3))])
def test_imagenet_stages(depth: int, counts: tuple[int, ...]) -> None:
    blocks = imagenet(depth).cells[1:-1]

    assert [b["w_out"] for b in blocks] == [
        w for w, n in zip((256, 512, 1024, 2048), counts, strict=True) for _ in range(n)
    ]
    assert [b["w_b"] for b in blocks] == [w for w, n in zip((64, 128, 256, 512), counts, strict=True) for _ in range(n)]
    assert sum(b["stride"] == 2 for b in blocks) == 3
    # Every block but one per stage has three layers, as has that; stem and head make two.
    assert 3 * len(blocks) + 2 == depth


def test_a_resnet_50_on_paper(by_hand: Callable[[NetSpec], Any]) -> None:
    # With the stride on the 1x1, as the first paper has it: its table 1 says 3.8e9 multiply-adds.
    first, later = by_hand(imagenet()), by_hand(imagenet(STRIDE_1X1=False))

    assert first.params == later.params == 25_557_032
    assert first.macs == pytest.approx(3.86e9, rel=0.01)
    # Only the first 1x1 of three stages sees four times the pixels, and the 3x3 after it sees the same.
    extra = 3 * (56 * 56 * 256 * 128)  # each later stage: a quarter of the pixels, four times the weights
    assert later.macs - first.macs == extra - 3 * (28 * 28 * 256 * 128)


def test_groups_widen_the_bottleneck() -> None:
    blocks = imagenet(NUM_GROUPS=32, WIDTH_PER_GROUP=4).cells[1:-1]

    assert {(b["w_out"], b["w_b"], b["groups"]) for b in blocks} == {
        (256, 128, 32),
        (512, 256, 32),
        (1024, 512, 32),
        (2048, 1024, 32),
    }


@pytest.mark.parametrize("stride_1x1", [True, False])
def test_where_the_stride_stands_is_passed_on(stride_1x1: bool) -> None:
    assert {b["stride_1x1"] for b in imagenet(STRIDE_1X1=stride_1x1).cells[1:-1]} == {stride_1x1}


# Parameters of CIFAR-10 ResNets whose shortcuts are 1x1 convolutions with batch norm.
@pytest.mark.parametrize(("depth", "params"), [(20, 272_474), (56, 855_770), (110, 1_730_714)])
def test_cifar_networks_have_their_known_size(depth: int, params: int, by_hand: Callable[[NetSpec], Any]) -> None:
    net = cifar(depth)

    assert by_hand(net).params == params
    assert len(net.cells) - 2 == (depth - 2) // 2
    assert {cell.kind for cell in net.cells} == {"res_stem_cifar", "res_basic_block", "head"}


def test_a_resnet_8_on_paper(by_hand: Callable[[NetSpec], Any]) -> None:
    counted = by_hand(cifar(8))
    blocks = 2 * 9 * 16 * 16, 9 * (16 * 32 + 32 * 32), 9 * (32 * 64 + 64 * 64)
    shortcuts = 0, 16 * 32, 32 * 64
    pixels = 32 * 32, 16 * 16, 8 * 8

    trunk = sum((b + s) * p for b, s, p in zip(blocks, shortcuts, pixels, strict=True))
    assert counted.macs == 27 * 16 * 1024 + trunk + 64 * 10 + 10
    norms = 2 * (16 + 2 * 16 + 3 * 32 + 3 * 64)
    assert counted.params == 27 * 16 + sum(blocks) + sum(shortcuts) + norms + 650
    assert counted.activations == 16 * 1024 * 3 + 3 * 32 * 256 + 3 * 64 * 64 + 10


def test_every_cifar_data_set_is_one() -> None:
    assert cifar(20, dataset="CIFAR100") == cifar(20)


@pytest.mark.parametrize("depth", [0, 7, 9, 2, 21, 60_002])
def test_a_cifar_depth_that_does_not_exist_is_refused(depth: int) -> None:
    with pytest.raises(ConfigError, match="6n") as caught:
        cifar(depth)
    assert caught.value.key == "MODEL.DEPTH"


@pytest.mark.parametrize("depth", [0, 18, 34, 51])
def test_an_imagenet_depth_that_does_not_exist_is_refused(depth: int) -> None:
    with pytest.raises(ConfigError, match="50, 101 or 152") as caught:
        imagenet(depth)
    assert caught.value.key == "MODEL.DEPTH"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"TRANS_FUN": "basic_transform"}, "RESNET.TRANS_FUN"),
        ({"TRANS_FUN": "basic"}, "RESNET.TRANS_FUN"),
        ({"NUM_GROUPS": 0}, "RESNET.NUM_GROUPS"),
        ({"WIDTH_PER_GROUP": 0}, "RESNET.WIDTH_PER_GROUP"),
        ({"WIDTH_PER_GROUP": 2**19}, "RESNET.WIDTH_PER_GROUP"),
        ({"size": 31}, "TRAIN.IM_SIZE"),
        ({"size": 20_000}, "TRAIN.IM_SIZE"),
    ],
)
def test_an_impossible_imagenet_resnet_names_its_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        imagenet(**change)
    assert caught.value.key == key


def test_an_impossible_cifar_resnet_names_its_key() -> None:
    with pytest.raises(ConfigError, match="DATASET='cifar10'") as caught:
        cifar(20, TRANS_FUN="bottleneck_transform")
    assert caught.value.key == "RESNET.TRANS_FUN"
    with pytest.raises(ConfigError) as caught:
        cifar(20, size=3)
    assert caught.value.key == "TRAIN.IM_SIZE"


def test_a_class_is_needed() -> None:
    with pytest.raises(ConfigError) as caught:
        to_spec(load_cfg("ResNet-50", ["MODEL.NUM_CLASSES", 0]))
    assert caught.value.key == "MODEL.NUM_CLASSES"
