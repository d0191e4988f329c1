"""Vision transformers (arXiv 2010.11929), with patches cut by one convolution or by several (2106.14881)."""

from __future__ import annotations

from math import prod
from typing import Any

from oracle.families._cells import IMAGE_CHANNELS, classes, network, tail
from oracle.families._checks import MAX_BLOCKS, MAX_IMAGE, MAX_WIDTH, choice, integer, odd, per_stage, require
from oracle.families.scaling import refuse_scaling
from oracle.spec import CellSpec, NetSpec

CLASSIFIERS = ("token", "pooled")
STEMS = ("patchify", "conv")


def to_spec(cfg: Any) -> NetSpec:
    """The network of the VIT section.

    Raises:
        ConfigError: a patch that does not divide the image, heads that do not divide the width, and the like.
    """
    refuse_scaling(cfg)
    section = cfg["VIT"]
    hidden = integer("VIT.HIDDEN_DIM", section["HIDDEN_DIM"])
    heads = integer("VIT.NUM_HEADS", section["NUM_HEADS"])
    require(hidden % heads == 0, "VIT.NUM_HEADS", heads, f"a divisor of HIDDEN_DIM, {hidden}")
    layers = integer("VIT.NUM_LAYERS", section.NUM_LAYERS, high=MAX_BLOCKS)
    mlp = integer("VIT.MLP_DIM", section.MLP_DIM)
    class_token = choice("VIT.CLASSIFIER_TYPE", section.CLASSIFIER_TYPE, CLASSIFIERS) == "token"
    tokens = _patches(cfg) + class_token
    encoder = CellSpec.make("vit_encoder", hidden_dim=hidden, num_heads=heads, mlp_dim=mlp, ln_eps=cfg.LN.EPS)
    head = CellSpec.make(
        "vit_head", hidden_dim=hidden, num_classes=classes(cfg), class_token=class_token, ln_eps=cfg.LN.EPS
    )
    return network(cfg, [*_stem(cfg, tokens, class_token), *[encoder] * layers, head], cfg.TRAIN.IM_SIZE)


def _patches(cfg: Any) -> int:
    """How many patches the image is cut into."""
    image = integer("TRAIN.IM_SIZE", cfg.TRAIN.IM_SIZE, high=MAX_IMAGE)
    patch = integer("VIT.PATCH_SIZE", cfg.VIT.PATCH_SIZE)
    require(image % patch == 0, "VIT.PATCH_SIZE", patch, f"a divisor of TRAIN.IM_SIZE, {image}")
    count: int = (image // patch) ** 2
    require(count <= MAX_WIDTH, "VIT.PATCH_SIZE", patch, f"at most {MAX_WIDTH} patches, found {count}")
    return count


def _stem(cfg: Any, tokens: int, class_token: bool) -> list[CellSpec]:
    """The cells that turn the image into tokens."""
    section = cfg.VIT
    hidden, patch = section.HIDDEN_DIM, section.PATCH_SIZE
    cells: list[CellSpec] = []
    w_in, kernel, stride, padding = IMAGE_CHANNELS, patch, patch, 0
    if choice("VIT.STEM_TYPE", section.STEM_TYPE, STEMS) == "conv":
        kernels, strides, widths = _conv_stem(section)
        end = tail(cfg, "relu")
        for width, step in zip(widths[:-1], strides[:-1], strict=True):
            cells.append(CellSpec.make("conv_bn_act", w_in=w_in, w_out=width, kernel=3, stride=step, **end))
            w_in = width
        kernel, stride, padding = kernels[-1], strides[-1], (kernels[-1] - 1) // 2
    tokenizer = CellSpec.make(
        "vit_tokenizer",
        w_in=w_in,
        hidden_dim=hidden,
        kernel=kernel,
        stride=stride,
        padding=padding,
        seq_len=tokens,
        class_token=class_token,
    )
    return [*cells, tokenizer]


def _conv_stem(section: Any) -> tuple[list[int], list[int], list[int]]:
    """Kernels, strides and widths of a convolutional stem, checked."""
    kernels, strides, widths = section.C_STEM_KERNELS, section.C_STEM_STRIDES, section.C_STEM_DIMS
    per_stage("VIT", C_STEM_KERNELS=kernels, C_STEM_STRIDES=strides, C_STEM_DIMS=widths)
    require(len(widths) <= 100, "VIT.C_STEM_DIMS", len(widths), "at most 100 layers")
    for kernel, stride, width in zip(kernels, strides, widths, strict=True):
        odd("VIT.C_STEM_KERNELS", kernel)
        integer("VIT.C_STEM_STRIDES", stride)
        integer("VIT.C_STEM_DIMS", width)
    # pycls gives every layer but the last a 3x3 kernel, whatever the list says; so no list says otherwise.
    require(
        all(kernel == 3 for kernel in kernels[:-1]),
        "VIT.C_STEM_KERNELS",
        kernels,
        "3 for every layer but the last",
    )
    total, patch, hidden = prod(strides), section.PATCH_SIZE, section.HIDDEN_DIM
    require(total == patch, "VIT.C_STEM_STRIDES", strides, f"a product equal to PATCH_SIZE, {patch}")
    require(widths[-1] == hidden, "VIT.C_STEM_DIMS", widths, f"a last entry equal to HIDDEN_DIM, {hidden}")
    return kernels, strides, widths
