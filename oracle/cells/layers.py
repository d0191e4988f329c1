"""Plain torch.nn layers, created on the meta device without running their initialisation."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
from torch import nn

from oracle.errors import ConfigError

__all__ = [
    "ACTIVATIONS",
    "ConvStyle",
    "chain",
    "conv2d",
    "layer_norm",
    "linear",
    "parameter",
    "uninitialised",
]

ACTIVATIONS = ("relu", "silu", "gelu", "hardswish")

_Layer = TypeVar("_Layer", bound=nn.Module)


def uninitialised(layer: type[_Layer], *args: Any, **kwargs: Any) -> _Layer:
    """`layer(*args, device="meta", **kwargs)` minus its `reset_parameters()`.

    The type of the result is exactly `layer`. Initialisation is left out because it takes longer than the
    rest of a convolution or linear layer, and because its math.sqrt would pin a symbolic width to one value.
    """
    # mypy does not see that a class is hashable
    made: _Layer = _without_reset(layer)(*args, device="meta", **kwargs)  # type: ignore[arg-type]
    made.__class__ = layer
    return made


@cache
def _without_reset(layer: type[nn.Module]) -> Any:
    # A subclass of our own instead of a patched torch.nn.init: nothing global changes, so threads are safe.
    return type(layer.__name__, (layer,), {"reset_parameters": _do_nothing})


def _do_nothing(_: nn.Module) -> None:
    pass


def parameter(*shape: int) -> nn.Parameter:
    """A float parameter of this shape on the meta device."""
    return nn.Parameter(torch.empty(shape, device="meta"))


def chain(**layers: nn.Module | None) -> nn.Sequential:
    """The named layers one after another; None stands for a layer that is left out."""
    return nn.Sequential(OrderedDict((name, layer) for name, layer in layers.items() if layer is not None))


def conv2d(w_in: int, w_out: int, kernel: int, stride: int = 1, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """Convolution of odd kernel: (N, w_in, H, W) -> (N, w_out, ceil(H / stride), ceil(W / stride))."""
    padding = (kernel - 1) // 2
    return uninitialised(nn.Conv2d, w_in, w_out, kernel, stride, padding, groups=groups, bias=bias)


def linear(w_in: int, w_out: int) -> nn.Linear:
    """(..., w_in) -> (..., w_out), with bias."""
    return uninitialised(nn.Linear, w_in, w_out)


def layer_norm(width: int, eps: float) -> nn.LayerNorm:
    """Layer norm over the last dimension."""
    return uninitialised(nn.LayerNorm, (width,), eps=eps)


@dataclass(frozen=True, slots=True)
class ConvStyle:
    """What the convolutions of a cell have in common: the activation and the batch norm that follow them."""

    activation: str
    inplace: bool
    bn_eps: float
    bn_momentum: float

    def act(self) -> nn.Module:
        """A new activation module."""
        if self.activation == "relu":
            return nn.ReLU(inplace=self.inplace)
        if self.activation == "silu":
            return nn.SiLU(inplace=self.inplace)
        if self.activation == "hardswish":
            return nn.Hardswish(inplace=self.inplace)
        if self.activation == "gelu":  # torch has no in-place GELU
            return nn.GELU()
        raise ConfigError(f"activation={self.activation!r}: expected one of {', '.join(ACTIVATIONS)}")

    def norm(self, width: int) -> nn.BatchNorm2d:
        """A new batch norm over `width` channels."""
        norm = uninitialised(nn.BatchNorm2d, width, eps=self.bn_eps, momentum=self.bn_momentum)
        # torch makes its counter with torch.tensor(0), which a FakeTensorMode around us would not turn fake.
        norm.num_batches_tracked = torch.zeros((), dtype=torch.long, device="meta")
        return norm

    def conv_bn(self, w_in: int, w_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
        """Convolution without bias, batch norm; shapes as in `conv2d`."""
        return chain(conv=conv2d(w_in, w_out, kernel, stride, groups), bn=self.norm(w_out))

    def conv_bn_act(self, w_in: int, w_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
        """Convolution without bias, batch norm, activation; shapes as in `conv2d`."""
        return chain(conv=conv2d(w_in, w_out, kernel, stride, groups), bn=self.norm(w_out), act=self.act())
