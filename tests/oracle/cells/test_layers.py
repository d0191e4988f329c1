from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from oracle.cells.layers import ConvStyle, chain, conv2d, layer_norm, linear, parameter, uninitialised
from oracle.errors import ConfigError
from tests.each import each

STYLE = ConvStyle("relu", inplace=True, bn_eps=1e-3, bn_momentum=0.2)


def test_uninitialised_layers_are_of_the_very_type_and_stay_usable() -> None:
    conv = uninitialised(nn.Conv2d, 4, 6, 3, groups=2)
    assert type(conv) is nn.Conv2d
    assert str(conv) == str(nn.Conv2d(4, 6, 3, groups=2))
    conv.to_empty(device="cpu").reset_parameters()
    bound = 1 / (4 // 2 * 3 * 3) ** 0.5  # torch's default: uniform within 1 / sqrt(fan-in)
    assert conv.weight.abs().max() <= bound
    assert conv.weight.std() > 0


def test_torch_classes_are_untouched() -> None:
    before = nn.Linear.reset_parameters
    uninitialised(nn.Linear, 2, 2)
    assert nn.Linear.reset_parameters is before
    assert nn.Linear(2, 2).weight.device.type == "cpu"


def test_batch_norm_resets_to_its_neutral_state() -> None:
    norm = STYLE.norm(4)
    assert type(norm) is nn.BatchNorm2d
    assert (norm.eps, norm.momentum) == (1e-3, 0.2)
    fresh = nn.BatchNorm2d(4, eps=1e-3, momentum=0.2)
    norm.to_empty(device="cpu").reset_parameters()
    assert norm.state_dict().keys() == fresh.state_dict().keys()
    for name, value in fresh.state_dict().items():
        assert torch.equal(norm.state_dict()[name], value)
        assert norm.state_dict()[name].dtype == value.dtype


@pytest.mark.parametrize(
    ("word", "kind"),
    [("relu", nn.ReLU), ("silu", nn.SiLU), ("gelu", nn.GELU), ("hardswish", nn.Hardswish)],
)
@pytest.mark.parametrize("inplace", [False, True])
def test_activations(word: str, kind: type[nn.Module], inplace: bool) -> None:
    act = ConvStyle(word, inplace, 1e-5, 0.1).act()
    assert type(act) is kind
    assert getattr(act, "inplace", inplace) is inplace


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ConfigError, match="activation='ReLU': expected one of relu, silu, gelu"):
        ConvStyle("ReLU", inplace=True, bn_eps=1e-5, bn_momentum=0.1).act()


@each({str(case): case for case in product([1, 3, 5, 7], [1, 2, 3], [7, 8, 9])})
def test_convolutions_divide_the_image_by_their_stride_rounding_up(case: tuple[int, int, int]) -> None:
    kernel, stride, size = case
    out = conv2d(2, 5, kernel, stride)(torch.empty(1, 2, size, size + 1, device="meta"))
    assert out.shape == (1, 5, -(-size // stride), -(-(size + 1) // stride))


def test_only_the_asked_for_bias() -> None:
    assert conv2d(2, 4, 1).bias is None
    assert conv2d(2, 4, 1, bias=True).bias is not None
    assert linear(2, 4).bias is not None
    assert layer_norm(4, 1e-6).eps == 1e-6


def test_parameter_and_chain() -> None:
    assert parameter(1, 2, 3).shape == (1, 2, 3)
    assert parameter(1).is_meta
    names = [name for name, _ in chain(a=nn.ReLU(), b=None, c=nn.ReLU()).named_children()]
    assert names == ["a", "c"]


def test_conv_bn_act_is_in_this_order() -> None:
    block = STYLE.conv_bn_act(4, 6, 3, 2, groups=2)
    assert [type(part) for part in block] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert sum(p.numel() for p in block.parameters()) == 6 * (4 // 2) * 9 + 2 * 6
    assert [name for name, _ in STYLE.conv_bn(4, 6, 3).named_children()] == ["conv", "bn"]
