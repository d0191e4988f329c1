from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oracle.config import cfg_from_dict, load_cfg
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.spec import CellSpec, NetSpec

CONV: dict[str, Any] = {
    "STEM_TYPE": "conv",
    "C_STEM_KERNELS": [3, 3, 3, 3, 1],
    "C_STEM_STRIDES": [2, 2, 2, 2, 1],
    "C_STEM_DIMS": [24, 48, 96, 192, 192],
    "HIDDEN_DIM": 192,
    "NUM_HEADS": 3,
    "MLP_DIM": 768,
}


def vit(size: int = 224, **keys: Any) -> NetSpec:
    return to_spec(
        cfg_from_dict({"MODEL": {"TYPE": "vit", "NUM_CLASSES": 1000}, "VIT": keys, "TRAIN": {"IM_SIZE": size}})
    )


# Parameters as torchvision publishes them for its weights (vit_b_16, vit_b_32, vit_l_16, vit_l_32, vit_h_14).
@pytest.mark.parametrize(
    ("base", "patch", "params"),
    [
        ("ViT-B-16", 16, 86_567_656),
        ("ViT-B-16", 32, 88_224_232),
        ("ViT-L-16", 16, 304_326_632),
        ("ViT-L-16", 32, 306_535_400),
        ("ViT-H-16", 14, 632_045_800),
    ],
)
def test_networks_have_their_published_size(
    base: str, patch: int, params: int, by_hand: Callable[[NetSpec], Any]
) -> None:
    assert by_hand(to_spec(load_cfg(base, ["VIT.PATCH_SIZE", patch]))).params == params


def test_patches_become_tokens() -> None:
    assert vit().cells[0] == CellSpec.make(
        "vit_tokenizer",
        w_in=3,
        hidden_dim=768,
        kernel=16,
        stride=16,
        padding=0,
        seq_len=197,
        class_token=True,
    )
    assert vit().cells[1:] == (
        *[CellSpec.make("vit_encoder", hidden_dim=768, num_heads=12, mlp_dim=3072, ln_eps=1e-5)] * 12,
        CellSpec.make("vit_head", hidden_dim=768, num_classes=1000, class_token=True, ln_eps=1e-5),
    )


def test_a_pooled_classifier_has_no_class_token() -> None:
    net = vit(CLASSIFIER_TYPE="pooled")

    assert (net.cells[0]["seq_len"], net.cells[0]["class_token"]) == (196, False)
    assert net.cells[-1]["class_token"] is False


def test_an_even_patch_is_fine() -> None:
    assert vit(size=6, PATCH_SIZE=2).cells[0]["seq_len"] == 10


def test_a_convolutional_stem() -> None:
    net = vit(**CONV)
    tail: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
    widths = [3, 24, 48, 96, 192]

    assert net.cells[:4] == tuple(
        CellSpec.make("conv_bn_act", w_in=widths[i], w_out=widths[i + 1], kernel=3, stride=2, **tail) for i in range(4)
    )
    assert net.cells[4] == CellSpec.make(
        "vit_tokenizer",
        w_in=192,
        hidden_dim=192,
        kernel=1,
        stride=1,
        padding=0,
        seq_len=197,
        class_token=True,
    )
    assert len(net.cells) == 4 + 1 + 12 + 1


def test_a_convolutional_stem_of_one_layer() -> None:
    stem = {"C_STEM_KERNELS": [7], "C_STEM_STRIDES": [4], "C_STEM_DIMS": [192], "PATCH_SIZE": 4}
    first = vit(32, **(CONV | stem)).cells[0].kwargs

    assert (first["w_in"], first["kernel"], first["stride"], first["padding"]) == (3, 7, 4, 3)
    assert first["seq_len"] == 65


def test_the_stem_on_paper(by_hand: Callable[[NetSpec], Any]) -> None:
    counted, patchify = by_hand(vit(**CONV)), by_hand(vit(HIDDEN_DIM=192, NUM_HEADS=3, MLP_DIM=768))
    layers = 9 * 3 * 24, 9 * 24 * 48, 9 * 48 * 96, 9 * 96 * 192
    last = 192 * 192 + 192
    cut = 16 * 16 * 3 * 192 + 192

    assert counted.params - patchify.params == sum(layers) + 2 * (24 + 48 + 96 + 192) + last - cut
    pixels = 112**2, 56**2, 28**2, 14**2
    stem = sum(layer * pixel for layer, pixel in zip(layers, pixels, strict=True))
    assert counted.macs - patchify.macs == stem + 14**2 * (last - cut)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"size": 225}, "VIT.PATCH_SIZE"),
        ({"size": 8}, "VIT.PATCH_SIZE"),
        ({"size": 0}, "TRAIN.IM_SIZE"),
        ({"PATCH_SIZE": 0}, "VIT.PATCH_SIZE"),
        ({"size": 4096, "PATCH_SIZE": 1}, "VIT.PATCH_SIZE"),
        ({"NUM_HEADS": 7}, "VIT.NUM_HEADS"),
        ({"NUM_HEADS": 0}, "VIT.NUM_HEADS"),
        ({"HIDDEN_DIM": 0}, "VIT.HIDDEN_DIM"),
        ({"MLP_DIM": 0}, "VIT.MLP_DIM"),
        ({"NUM_LAYERS": 0}, "VIT.NUM_LAYERS"),
        ({"NUM_LAYERS": 10_001}, "VIT.NUM_LAYERS"),
        ({"CLASSIFIER_TYPE": "mean"}, "VIT.CLASSIFIER_TYPE"),
        ({"STEM_TYPE": "convolution"}, "VIT.STEM_TYPE"),
        ({"STEM_TYPE": "conv"}, "VIT.C_STEM_KERNELS"),
        (CONV | {"C_STEM_KERNELS": [3, 3, 3, 3, 2]}, "VIT.C_STEM_KERNELS"),
        (CONV | {"C_STEM_KERNELS": [5, 3, 3, 3, 1]}, "VIT.C_STEM_KERNELS"),
        (CONV | {"C_STEM_STRIDES": [2, 2, 2, 2]}, "VIT.C_STEM_STRIDES"),
        (CONV | {"C_STEM_STRIDES": [2, 2, 2, 2, 2]}, "VIT.C_STEM_STRIDES"),
        (CONV | {"C_STEM_STRIDES": [2, 2, 2, 0, 1]}, "VIT.C_STEM_STRIDES"),
        (CONV | {"C_STEM_DIMS": [24, 48, 96, 192, 193]}, "VIT.C_STEM_DIMS"),
        (CONV | {"C_STEM_DIMS": [24, 0, 96, 192, 192]}, "VIT.C_STEM_DIMS"),
        (
            CONV | {"C_STEM_DIMS": [192] * 200, "C_STEM_KERNELS": [3] * 200, "C_STEM_STRIDES": [1] * 200},
            "VIT.C_STEM_DIMS",
        ),
    ],
)
def test_an_impossible_network_names_its_key(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        vit(**change)
    assert caught.value.key == key
