"""The matrix product, or the attention, at the heart of a kernel: its four integers, given its main operator's shapes.

A product of (batch, m, k) by (batch, k, n); a convolution is one, too (as an implicit GEMM: Chellapilla et al., High
performance convolutional neural networks for document processing, 2006): `batch` its groups, m the pixels of its output
over all images, n the output channels of a group, k the input channels of a group times the window. Attention has
(batch times heads, length of the query, length of the keys, width of a head). A fifth integer says how many heads of
queries share one of keys and values.

The rules are plain arithmetic, and run on ints, on arrays, and on the steps of a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.optable import Dim, prod

Floats = NDArray[np.float64]

_CLOSE = 1e-9  # floats hold the FLOPs of the largest kernels to fifteen digits


PLAIN, ATTENTION, CACHED = range(3)
"""Kinds of products: matrix product; attention; causal attention over a cache of keys and values."""


class Product(NamedTuple):
    """One product, or one attention.

    Attributes:
        kind: PLAIN, ATTENTION or CACHED.
        dims: batch, m, n, k, 1; of attention batch times heads, query, keys, width, heads that share keys.
    """

    kind: int
    dims: tuple[Dim, Dim, Dim, Dim, Dim]


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """The products among the kernels of a network, or of several with the same kernels.

    Attributes:
        kernels: (products,) which kernels they are.
        kinds: (products,) of each.
        dims: (5, products) or (5, products, networks), see `Product`.
    """

    kernels: NDArray[np.intp]
    kinds: NDArray[np.intp]
    dims: Floats

    @classmethod
    def of(cls, found: Iterable[Product | None]) -> Products:
        """Those of some kernels, given that of each."""
        numbered = [(number, product) for number, product in enumerate(found) if product is not None]
        return cls(
            np.array([number for number, _ in numbered], dtype=np.intp),
            np.array([product.kind for _, product in numbered], dtype=np.intp),
            np.array([product.dims for _, product in numbered], dtype=np.float64).reshape(-1, 5).T,
        )

    def explained(self, flops: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
        """Which of them are all that their kernel computes on the matrix unit; which are causal; their windows.

        A transposed convolution's shapes, say, read as if it were a plain one, give another number of FLOPs.

        Of attention FLOPs say how many scores V there are: without a mask m n, of m queries and n keys. Under a causal
        one the first query sees p = n - m + 1 keys and each after it one more, up to a window of W. The first g = W - p
        see fewer than that, by g, g - 1, ..., 1, so that V = m W - g (g + 1) / 2 if g > 0, else m W:

            W = p + (2 m - 1 - sqrt((2 m - 1)^2 - 8 (V - m p))) / 2 if V > m p, else V / m

        A window of n is none. Over a cache masks are causal; elsewhere they may be, where there is a key per query.

        Args:
            flops: (products,) or (products, networks) on the matrix unit.
        """
        batch, m, n, k, _ = self.dims
        kinds = self.kinds.reshape(-1, *(1,) * (batch.ndim - 1))
        scores = flops / (np.where(kinds == PLAIN, 2.0, 4.0) * batch * k)  # attention has two products
        whole = np.abs(scores - m * n) <= _CLOSE * scores
        most, first = m * (n - (m - 1.0) / 2.0), n - m + 1.0
        causal = (kinds == CACHED) & (whole | (scores <= most * (1.0 + _CLOSE)))
        causal |= (kinds == ATTENTION) & (m == n) & (m > 1.0) & (scores <= most * (1.0 + _CLOSE))
        beyond = np.clip(scores - m * first, 0.0, m * (m - 1.0) / 2.0)
        root = np.sqrt(np.maximum((2.0 * m - 1.0) ** 2 - 8.0 * beyond, 0.0))
        windows = np.where(beyond > 0.0, first + (2.0 * m - 1.0 - root) / 2.0, scores / m)
        known = (whole | causal) & (flops > 0.0)
        return np.asarray(known), np.asarray(known & causal), np.where(known & causal & ~whole, windows, n)


NO_PRODUCTS = Products(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp), np.zeros((5, 0)))
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
    return Product(PLAIN, (groups, out[0] * prod(out[2:]), outputs, prod(weight[1:]), 1))


def _plain(reads: _Shapes, out: Sequence[Dim]) -> Product:
    return Product(PLAIN, (1, out[0], out[1], reads[0][-1], 1))


def _batched(reads: _Shapes, out: Sequence[Dim]) -> Product:
    return Product(PLAIN, (out[0], out[1], out[2], reads[0][-1], 1))


def _added(reads: _Shapes, out: Sequence[Dim]) -> Product:
    return Product(PLAIN, (out[0], out[1], out[2], reads[-1][-1], 1))


def _attention(reads: _Shapes, out: Sequence[Dim]) -> Product:
    query, key = reads[0], reads[1]
    return Product(ATTENTION, (prod(query[:-2]), query[-2], key[-2], (query[-1] + out[-1]) // 2, 1))


def _cached(reads: _Shapes, out: Sequence[Dim]) -> Product:
    batch, length, context, width, _ = _attention(reads, out).dims
    return Product(CACHED, (batch, length, context, width, reads[0][-3] // reads[1][-3]))


def _latent_attention(reads: _Shapes, out: Sequence[Dim]) -> Product:
    query, latent = reads[:2]
    return Product(CACHED, (prod(query[:-2]), query[-2], latent[-2], (latent[-1] + out[-1]) // 2, query[-3]))


def _sparse_attention(reads: _Shapes, out: Sequence[Dim]) -> Product:
    latent, ids = reads[:2]  # each token has keys of its own, all of which it sees, as a decode step's has
    return Product(CACHED, (prod(out[:-1]), 1, ids[-1], (latent[-1] + out[-1]) // 2, out[-3]))


def _index_scores(reads: _Shapes, out: Sequence[Dim]) -> Product:
    batch, length, heads, width = reads[0]
    return Product(PLAIN, (batch, length * heads, out[-1], width + 1, 1))


_RULES: dict[str, Callable[[_Shapes, Sequence[Dim]], Product]] = {
    "aten.convolution": _convolution,
    "aten._convolution": _convolution,
    "aten.mm": _plain,
    "aten._int_mm": _plain,
    "aten._scaled_mm": _plain,
    "aten._scaled_mm_v2": _plain,
    "aten.addmm": _plain,  # its bias has one dimension, and does not show among the shapes
    "aten.bmm": _batched,
    "aten.baddbmm": _added,  # what is added to has three, and comes first
    "oracle.attention": _attention,
    "oracle.cached_attention": _cached,
    "oracle.latent_attention": _latent_attention,
    "oracle.sparse_attention": _sparse_attention,
    "oracle.index_scores": _index_scores,
    "aten._scaled_dot_product_flash_attention": _attention,
    "aten._scaled_dot_product_flash_attention_for_cpu": _attention,
    "aten._scaled_dot_product_efficient_attention": _attention,
    "aten._scaled_dot_product_cudnn_attention": _attention,
}
