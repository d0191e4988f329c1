"""Single kernels that gpu_truth.py measures: matrix products, attention, convolutions; each a row of a table.

The columns of products and attention are those of ai-dynamo/aiconfigurator's tables, reduced, so that what reads the
ones reads the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F

from oracle.errors import WorkloadError
from oracle.measure.products import product_step
from oracle.measure.steps import first_line
from oracle.measure.timers import Step

__all__ = ["Attention", "Convolution", "Product", "attentions", "convolutions", "products"]


@dataclass(frozen=True, slots=True)
class Product:
    """A product (m x k) (k x n), the second factor stored n x k as a linear layer's weights are."""

    dtype: str
    m: int
    n: int
    k: int

    table = "gemm"

    @property
    def elements(self) -> int:
        """In memory, about."""
        return self.m * self.k + self.n * self.k + self.m * self.n

    @property
    def flops(self) -> int:
        """Two per multiply-add."""
        return 2 * self.m * self.n * self.k

    def row(self) -> dict[str, Any]:
        """What a table holds of it."""
        return asdict(self)

    def step(self, device: str) -> Step:
        """The call."""
        return product_step(self.m, self.n, self.k, self.dtype, device)


@dataclass(frozen=True, slots=True)
class Attention:
    """Scaled dot product attention of `query` new tokens that see `past` cached ones as well.

    prefill is causal, with as many keys as queries; decode one token against past ones and itself; encoder sees all.
    """

    kind: str
    dtype: str
    batch_size: int
    query_length: int
    num_heads: int
    num_key_value_heads: int
    head_dim: int
    past_length: int = 0

    @property
    def table(self) -> str:
        """The name of its table."""
        return f"attention_{self.kind}"

    @property
    def keys(self) -> int:
        """Tokens that are seen."""
        return self.past_length + self.query_length

    @property
    def elements(self) -> int:
        """In memory, about; scores among them, which no fused kernel writes and others do."""
        heads = self.num_heads * self.query_length + 2 * self.num_key_value_heads * self.keys
        return self.batch_size * (heads * self.head_dim + self.num_heads * self.query_length * self.keys)

    @property
    def flops(self) -> int:
        """Of both products, for the scores that are kept: those below the diagonal in a prefill."""
        queries = self.query_length
        scores = queries * (queries + 1) // 2 if self.kind == "prefill" else queries * self.keys
        return 4 * self.batch_size * self.num_heads * scores * self.head_dim

    def row(self) -> dict[str, Any]:
        """What a table holds of it."""
        found = {"dtype": self.dtype, "kv_cache_dtype": self.dtype, **asdict(self), "window_size": 0}
        left_out = {
            "prefill": ("kv_cache_dtype", "past_length"),
            "decode": (),
            "encoder": ("kv_cache_dtype", "num_key_value_heads", "past_length", "window_size"),
        }
        return {name: value for name, value in found.items() if name not in ("kind", *left_out[self.kind])}

    def step(self, device: str) -> Step:
        """The call."""
        heads = (self.num_heads, self.num_key_value_heads, self.num_key_value_heads)
        lengths = (self.query_length, self.keys, self.keys)
        tensors = [
            torch.rand(self.batch_size, head, length, self.head_dim, device=device).to(getattr(torch, self.dtype))
            for head, length in zip(heads, lengths, strict=True)
        ]
        grouped = self.num_heads != self.num_key_value_heads
        causal = self.kind == "prefill"
        return _checked(partial(F.scaled_dot_product_attention, *tensors, is_causal=causal, enable_gqa=grouped))


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution of square images, padded by half its window, without a bias."""

    dtype: str
    layout: str
    batch_size: int
    w_in: int
    w_out: int
    kernel: int
    stride: int
    groups: int
    image_size: int

    table = "convolution"

    @property
    def out_size(self) -> int:
        """Of the images that come out."""
        return (self.image_size + 2 * (self.kernel // 2) - self.kernel) // self.stride + 1

    @property
    def elements(self) -> int:
        """In memory, about."""
        images = self.w_in * self.image_size**2 + self.w_out * self.out_size**2
        return self.batch_size * images + self.weights

    @property
    def weights(self) -> int:
        """Elements of the filters."""
        return self.w_out * self.w_in // self.groups * self.kernel**2

    @property
    def flops(self) -> int:
        """Two per multiply-add."""
        return 2 * self.batch_size * self.out_size**2 * self.weights

    def row(self) -> dict[str, Any]:
        """What a table holds of it."""
        return asdict(self)

    def step(self, device: str) -> Step:
        """The call."""
        kind = torch.float32 if self.dtype == "tf32" else getattr(torch, self.dtype)
        form = torch.channels_last if self.layout == "nhwc" else torch.contiguous_format
        image = torch.rand(self.batch_size, self.w_in, self.image_size, self.image_size, device=device)
        weight = torch.rand(self.w_out, self.w_in // self.groups, self.kernel, self.kernel, device=device)
        tensors = (x.sub_(0.5).to(kind).contiguous(memory_format=form) for x in (image, weight))
        words = {"stride": self.stride, "padding": self.kernel // 2, "groups": self.groups}
        return _checked(partial(F.conv2d, *tensors, **words))


def _checked(step: Step) -> Step:
    try:
        with torch.inference_mode():
            step()
    except (RuntimeError, NotImplementedError) as error:
        raise WorkloadError(first_line(error)) from error
    return step


# n and k of linear layers of vision and language networks, and two that no tile divides
_LAYERS = (
    *((768, 768), (2304, 768), (3072, 768), (768, 3072), (1000, 2048), (4096, 1024)),
    *((4096, 4096), (12288, 4096), (4096, 14336), (8192, 8192), (1008, 1072), (1000, 999)),
)


def products(dtypes: tuple[str, ...]) -> Iterator[Product]:
    """From one token or image to thousands, and squares (that of 8192 is a layer's)."""
    for dtype, m, (n, k) in product(dtypes, (1, 16, 64, 197, 512, 2048, 8192), _LAYERS):
        yield Product(dtype, m, n, k)
    for dtype, side in product(dtypes, (256, 512, 1024, 2048, 4096)):
        yield Product(dtype, side, side, side)


def attentions(dtypes: tuple[str, ...]) -> Iterator[Attention]:
    """Prefill and decode with as many heads of keys as of queries and with fewer, and encoders of vision."""
    for dtype, batch, length, (heads, pairs, dim) in product(
        dtypes, (1, 8), (128, 512, 1024, 2048, 4096), ((12, 12, 64), (32, 32, 128), (32, 8, 128), (64, 8, 128))
    ):
        yield Attention("prefill", dtype, batch, length, heads, pairs, dim)
    for dtype, batch, past, (heads, pairs) in product(
        dtypes, (1, 8, 64), (127, 1023, 4095, 16383), ((32, 32), (32, 8), (64, 8))
    ):
        yield Attention("decode", dtype, batch, 1, heads, pairs, 128, past)
    for dtype, batch, length, (heads, dim) in product(
        dtypes, (1, 8, 64), (50, 197, 577, 1025), ((6, 64), (12, 64), (16, 80))
    ):
        yield Attention("encoder", dtype, batch, length, heads, heads, dim)


# w_in, w_out, kernel, stride, groups, image size
_DENSE = (
    *((3, 64, 7, 2, 1, 224), (3, 32, 3, 2, 1, 224), (3, 768, 16, 16, 1, 224), (64, 64, 3, 1, 1, 56)),
    *((64, 256, 1, 1, 1, 56), (256, 128, 1, 1, 1, 56), (128, 128, 3, 1, 1, 28), (256, 512, 1, 2, 1, 56)),
    *((256, 256, 3, 1, 1, 14), (1024, 256, 1, 1, 1, 14), (512, 512, 3, 1, 1, 7), (512, 2048, 1, 1, 1, 7)),
    *((16, 16, 3, 1, 1, 32), (24, 144, 1, 1, 1, 56), (96, 24, 1, 1, 1, 56), (320, 1280, 1, 1, 1, 7)),
)
_DEPTHWISE = (
    *((32, 32, 3, 1, 32, 112), (96, 96, 3, 2, 96, 112), (144, 144, 5, 2, 144, 56), (240, 240, 3, 1, 240, 28)),
    *((480, 480, 5, 1, 480, 14), (672, 672, 7, 1, 672, 14), (1152, 1152, 3, 1, 1152, 7), (96, 96, 7, 1, 96, 56)),
)
_GROUPED = (
    *((24, 24, 3, 1, 3, 56), (64, 64, 3, 1, 4, 56), (160, 160, 3, 1, 10, 14), (128, 128, 3, 1, 32, 56)),
    *((256, 256, 3, 2, 32, 56), (368, 368, 3, 1, 46, 7), (672, 672, 3, 1, 28, 14), (1008, 1008, 3, 1, 18, 14)),
)


def convolutions(dtypes: tuple[str, ...], layouts: tuple[str, ...] = ("nchw", "nhwc")) -> Iterator[Convolution]:
    """Dense, depthwise and grouped ones of the shipped families."""
    for dtype, layout, batch, sizes in product(dtypes, layouts, (1, 8, 64), (*_DENSE, *_DEPTHWISE, *_GROUPED)):
        yield Convolution(dtype, layout, batch, *sizes)
