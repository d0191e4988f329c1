"""A hand counter over cells: what a reader would work out with pencil and paper, independent of any trace."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from oracle.spec import NetSpec

STEMS = {"simple_stem_in": (3, 2), "res_stem_cifar": (3, 1), "res_stem_in": (7, 2)}


@dataclass
class Tally:
    """Running totals; h is the image's side, or the number of tokens once it has become a sequence."""

    h: int
    macs: int = 0
    params: int = 0
    activations: int = 0

    def conv(self, w_in: int, w_out: int, k: int, stride: int = 1, groups: int = 1, *, bias: bool = False) -> None:
        self.h = -(-self.h // stride)  # odd kernels, padded by (k - 1) / 2
        weights = k * k * w_in * w_out // groups
        self.macs += (weights + w_out * bias) * self.h**2
        self.params += weights + w_out * bias
        self.activations += w_out * self.h**2

    def conv_bn(self, w_in: int, w_out: int, k: int, stride: int = 1, groups: int = 1) -> None:
        self.conv(w_in, w_out, k, stride, groups)
        self.params += 2 * w_out

    def linear(self, w_in: int, w_out: int, rows: int = 1) -> None:
        self.macs += rows * (w_in + 1) * w_out
        self.params += (w_in + 1) * w_out
        self.activations += rows * w_out

    def squeeze_excite(self, w: int, w_se: int) -> None:
        h, self.h = self.h, 1
        self.conv(w, w_se, 1, bias=True)
        self.conv(w_se, w, 1, bias=True)
        self.h = h

    def shortcut(self, c: dict[str, Any]) -> None:
        """The projection's share; the side stays, because the block's own convolutions will change it."""
        if c["w_in"] != c["w_out"] or c["stride"] != 1:
            h = self.h
            self.conv_bn(c["w_in"], c["w_out"], 1, c["stride"])
            self.h = h

    def stem(self, kind: str, c: dict[str, Any]) -> None:
        kernel, stride = STEMS[kind]
        self.conv_bn(c["w_in"], c["w_out"], kernel, stride)
        if kind == "res_stem_in":
            self.h = -(-self.h // 2)
            self.activations += c["w_out"] * self.h**2  # the max-pool

    def plain_block(self, c: dict[str, Any]) -> None:
        self.conv_bn(c["w_in"], c["w_out"], 3, c["stride"])
        self.conv_bn(c["w_out"], c["w_out"], 3)

    def bottleneck(self, c: dict[str, Any]) -> None:
        first, second = (c["stride"], 1) if c["stride_1x1"] else (1, c["stride"])
        self.conv_bn(c["w_in"], c["w_b"], 1, first)
        self.conv_bn(c["w_b"], c["w_b"], 3, second, c["groups"])
        if c["w_se"]:
            self.squeeze_excite(c["w_b"], c["w_se"])
        self.conv_bn(c["w_b"], c["w_out"], 1)

    def mbconv(self, c: dict[str, Any]) -> None:
        if c["w_exp"] != c["w_in"]:
            self.conv_bn(c["w_in"], c["w_exp"], 1)
        self.conv_bn(c["w_exp"], c["w_exp"], c["kernel"], c["stride"], c["w_exp"])
        if c["w_se"]:
            self.squeeze_excite(c["w_exp"], c["w_se"])
        self.conv_bn(c["w_exp"], c["w_out"], 1)

    def nasbench201_stem(self, c: dict[str, Any]) -> None:
        self.conv_bn(c["w_in"], c["w_out"], 3)

    def nasbench201_cell(self, c: dict[str, Any]) -> None:
        for kernel in re.findall(r"nor_conv_(\d)x\d~", c["arch"]):
            self.conv_bn(c["width"], c["width"], int(kernel))

    def nasbench201_reduction(self, c: dict[str, Any]) -> None:
        self.conv_bn(c["w_in"], c["w_out"], 3, 2)
        self.conv_bn(c["w_out"], c["w_out"], 3)
        self.conv(c["w_in"], c["w_out"], 1)  # behind the average pool

    def nasbench201_head(self, c: dict[str, Any]) -> None:
        self.params += 2 * c["w_in"]
        self.linear(c["w_in"], c["num_classes"])

    def fbnet_block(self, c: dict[str, Any]) -> None:
        self.conv_bn(c["w_in"], c["w_exp"], 1, 1, c["groups"])
        self.conv_bn(c["w_exp"], c["w_exp"], c["kernel"], c["stride"], c["w_exp"])
        self.conv_bn(c["w_exp"], c["w_out"], 1, 1, c["groups"])

    def fbnet_skip(self, c: dict[str, Any]) -> None:
        self.conv_bn(c["w_in"], c["w_out"], 1, c["stride"])

    def ofa_head(self, c: dict[str, Any]) -> None:
        self.conv_bn(c["w_in"], c["w_exp"], 1)
        self.h = 1
        self.conv(c["w_exp"], c["head_w"], 1)
        self.linear(c["head_w"], c["num_classes"])

    def head(self, c: dict[str, Any]) -> None:
        if c["head_w"]:
            self.conv_bn(c["w_in"], c["head_w"], 1)
        self.linear(c["head_w"] or c["w_in"], c["num_classes"])

    def tokenizer(self, c: dict[str, Any]) -> None:
        self.h = (self.h + 2 * c["padding"] - c["kernel"]) // c["stride"] + 1
        self.macs += self.h**2 * (c["kernel"] ** 2 * c["w_in"] + 1) * c["hidden_dim"]
        self.params += (c["kernel"] ** 2 * c["w_in"] + 1) * c["hidden_dim"]
        self.activations += self.h**2 * c["hidden_dim"]
        self.params += (c["class_token"] + c["seq_len"]) * c["hidden_dim"]
        assert c["seq_len"] == self.h**2 + c["class_token"]
        self.h = c["seq_len"]

    def encoder(self, c: dict[str, Any]) -> None:
        tokens, width = self.h, c["hidden_dim"]
        assert width % c["num_heads"] == 0
        self.params += 4 * width  # two layer norms
        self.linear(width, 3 * width, tokens)
        self.macs += 2 * tokens**2 * width  # scores, and scores times values
        self.activations += c["num_heads"] * tokens**2 + tokens * width
        self.linear(width, width, tokens)
        self.linear(width, c["mlp_dim"], tokens)
        self.linear(c["mlp_dim"], width, tokens)

    def vit_head(self, c: dict[str, Any]) -> None:
        self.params += 2 * c["hidden_dim"]
        self.linear(c["hidden_dim"], c["num_classes"])


def count_by_hand(net: NetSpec) -> Tally:
    """MACs (bias adds included), parameters and activations (max-pool's included) of one image."""
    tally = Tally(h=net.input_shape[-1])
    for cell in net.cells:
        kind, c = cell.kind, dict[str, Any](cell.kwargs)
        if kind in STEMS:
            tally.stem(kind, c)
        elif kind == "conv_bn_act":
            tally.conv_bn(c["w_in"], c["w_out"], c["kernel"], c["stride"])
        elif kind == "vanilla_block":
            tally.plain_block(c)
        elif kind == "res_basic_block":
            tally.shortcut(c)
            tally.plain_block(c)
        elif kind == "res_bottleneck_block":
            tally.shortcut(c)
            tally.bottleneck(c)
        else:
            {
                "res_bottleneck_linear_block": tally.bottleneck,
                "mbconv": tally.mbconv,
                "head": tally.head,
                "nasbench201_stem": tally.nasbench201_stem,
                "nasbench201_cell": tally.nasbench201_cell,
                "nasbench201_reduction": tally.nasbench201_reduction,
                "nasbench201_head": tally.nasbench201_head,
                "fbnet_block": tally.fbnet_block,
                "fbnet_skip": tally.fbnet_skip,
                "ofa_block": tally.mbconv,
                "ofa_head": tally.ofa_head,
                "vit_tokenizer": tally.tokenizer,
                "vit_encoder": tally.encoder,
                "vit_head": tally.vit_head,
            }[kind](c)
    return tally


@pytest.fixture(scope="session")
def by_hand() -> Callable[[NetSpec], Tally]:
    """`by_hand(net).macs`, `.params`, `.activations`."""
    return count_by_hand
