"""The matrix product, or the attention, at the heart of a kernel: its four integers, given its main operator's shapes.

A product of (batch, m, k) by (batch, k, n); a convolution is one, too (as an implicit GEMM: Chellapilla et al., High
performance convolutional neural networks for document processing, 2006): `batch` its groups, m the pixels of its output
over all images, n the output channels of a group, k the input channels of a group times the window. Attention has
(batch times heads, length of the query, length of the keys, width of a head).

The rules are plain arithmetic, and run on ints, on arrays, and on the steps of a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.optable import Dim, prod

__all__ = ["NO_PRODUCTS", "Product", "Products", "product_of"]

Floats = NDArray[np.float64]

_CLOSE = 1e-9  # floats hold the FLOPs of the largest kernels to fifteen digits


class Product(NamedTuple):
    """One product, or one attention.

    Attributes:
        attends: whether it is attention.
        dims: batch, m, n, k; of attention batch times heads, query, keys, width.
    """

    attends: bool
    dims: tuple[Dim, Dim, Dim, Dim]


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """The products among the kernels of a network, or of several with the same kernels.

    Attributes:
        kernels: (products,) which kernels they are.
        attends: (products,) whether each is attention.
        dims: (4, products) or (4, products, networks), see `Product`.
    """

    kernels: NDArray[np.intp]
    attends: NDArray[np.bool_]
    dims: Floats

    @classmethod
    def of(cls, found: Iterable[Product | None]) -> Products:
        """Those of some kernels, given that of each."""
        numbered = [(number, product) for number, product in enumerate(found) if product is not None]
        return cls(
            np.array([number for number, _ in numbered], dtype=np.intp),
            np.array([product.attends for _, product in numbered], dtype=np.bool_),
            np.array([product.dims for _, product in numbered], dtype=np.float64).reshape(-1, 4).T,
        )

    def explain(self, flops: Floats) -> NDArray[np.bool_]:
        """Which of them are all that their kernel computes on the matrix unit.

        A transposed convolution's shapes, say, read as if it were a plain one, give another number of FLOPs; so does
        attention of which half is masked and not counted.

        Args:
            flops: (products,) or (products, networks) on the matrix unit.
        """
        batch, m, n, k = self.dims
        each = (2.0 + 2.0 * self.attends).reshape(-1, *(1,) * (batch.ndim - 1))  # attention has two products
        found: NDArray[np.bool_] = (np.abs(each * batch * m * n * k - flops) <= _CLOSE * flops) & (flops > 0.0)
        return found


NO_PRODUCTS = Products(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.bool_), np.zeros((4, 0)))
"""None at all."""

_Shapes = Sequence[Sequence[Dim]]


def product_of(operator: str, reads: _Shapes, makes: _Shapes) -> Product | None:
    """The product of an operator; None where there is none, or no rule for it.

    Args:
        operator: such as `aten.convolution`, or a kernel that is named after it: `aten.convolution +2`.
        reads, makes: as in `oracle.optable.Row.main_shapes`.
    """
    rule = _RULES.get(operator.partition(" ")[0])
    return None if rule is None or not reads or not makes else rule(reads, makes[0])


def _convolution(reads: _Shapes, out: Sequence[Dim]) -> Product:
    channels, weight = reads[0][1], reads[1]
    groups, outputs = channels // weight[1], weight[0] * weight[1] // channels  # per group
    return Product(False, (groups, out[0] * prod(out[2:]), outputs, prod(weight[1:])))


def _plain(reads: _Shapes, out: Sequence[Dim]) -> Product:
    return Product(False, (1, out[0], out[1], reads[0][-1]))


def _batched(reads: _Shapes, out: Sequence[Dim]) -> Product:
    return Product(False, (out[0], out[1], out[2], reads[0][-1]))


def _added(reads: _Shapes, out: Sequence[Dim]) -> Product:
    return Product(False, (out[0], out[1], out[2], reads[-1][-1]))


def _attention(reads: _Shapes, out: Sequence[Dim]) -> Product:
    query, key = reads[0], reads[1]
    return Product(True, (prod(query[:-2]), query[-2], key[-2], (query[-1] + out[-1]) // 2))


def _latent_attention(reads: _Shapes, out: Sequence[Dim]) -> Product:
    query, latent = reads[:2]
    return Product(True, (prod(query[:-2]), query[-2], latent[-2], (latent[-1] + out[-1]) // 2))


_RULES: dict[str, Callable[[_Shapes, Sequence[Dim]], Product]] = {
    "aten.convolution": _convolution,
    "aten._convolution": _convolution,
    "aten.mm": _plain,
    "aten._int_mm": _plain,
    "aten._scaled_mm": _plain,
    "aten.addmm": _plain,  # its bias has one dimension, and does not show among the shapes
    "aten.bmm": _batched,
    "aten.baddbmm": _added,  # what is added to has three, and comes first
    "oracle.attention": _attention,
    "oracle.cached_attention": _attention,
    "oracle.latent_attention": _latent_attention,
    "aten._scaled_dot_product_flash_attention": _attention,
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_efficient_attention": _attention,
    "aten._scaled_dot_product_cudnn_attention": _attention,
}
