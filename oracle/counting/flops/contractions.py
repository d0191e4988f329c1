"""Matrix products, convolutions, attention: what has MACs."""

from __future__ import annotations

from typing import Any

from oracle.counting.flops.registry import Dim, Work, register_flops
from oracle.optable import Shape, larger, pieces, prod, smaller


def _matmul(batch: Dim, m: Dim, k: Dim, n: Dim) -> Work:
    macs = batch * m * k * n
    return Work(macs, 2 * macs)


@register_flops("aten.mm", "aten._int_mm", "aten._scaled_mm", "aten._scaled_mm_v2")
def _mm(a: Shape, b: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return _matmul(1, a[0], a[1], b[1])


@register_flops("aten.addmm")
def _addmm(bias: Shape, a: Shape, b: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    macs, flops = _matmul(1, a[0], a[1], b[1])
    return Work(macs, flops + prod(out))


@register_flops("aten.bmm")
def _bmm(a: Shape, b: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return _matmul(a[0], a[1], a[2], b[2])


@register_flops("aten.baddbmm")
def _baddbmm(bias: Shape, a: Shape, b: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    macs, flops = _matmul(a[0], a[1], a[2], b[2])
    return Work(macs, flops + prod(out))


@register_flops("aten.addbmm")
def _addbmm(bias: Shape, a: Shape, b: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    macs, flops = _matmul(a[0], a[1], a[2], b[2])
    return Work(macs, flops + prod(out))


@register_flops("aten.mv")
def _mv(a: Shape, x: Shape, out: Shape) -> Work:
    return _matmul(1, a[0], a[1], 1)


@register_flops("aten.addmv")
def _addmv(bias: Shape, a: Shape, x: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    macs, flops = _matmul(1, a[0], a[1], 1)
    return Work(macs, flops + prod(out))


@register_flops("aten.dot", "aten.vdot")
def _dot(a: Shape, b: Shape, out: Shape) -> Work:
    return _matmul(1, 1, a[0], 1)


@register_flops("aten.convolution", "aten._convolution")
def _convolution(
    x: Shape, weight: Shape, bias: Shape | None, stride: Any, padding: Any, dilation: Any, transposed: bool, *rest: Any,
    out: Shape,
) -> Work:  # fmt: skip
    # Each output element is a dot product with one filter; transposed, each input element meets one filter.
    macs = prod(x if transposed else out) * prod(weight[1:])
    return Work(macs, 2 * macs + (0 if bias is None else prod(out)))


@register_flops("aten.convolution_backward")
def _convolution_backward(
    grad: Shape, x: Shape, weight: Shape, bias_sizes: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: Any, mask: Any, out: Any,
) -> Work:  # fmt: skip
    # The gradients of the input and of the weight each take as many products as the forward pass.
    macs = prod(x if transposed else grad) * prod(weight[1:])
    wanted = int(mask[0]) + int(mask[1])
    return Work(wanted * macs, 2 * wanted * macs + (prod(grad) if mask[2] else 0))


@register_flops("aten.conv_tbc")
def _conv_tbc(x: Shape, weight: Shape, bias: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    # (time, batch, channels), filters of (width, channels in, channels out)
    macs = prod(out) * weight[0] * weight[1]
    return Work(macs, 2 * macs + prod(out))


@register_flops("aten.conv_tbc_backward")
def _conv_tbc_backward(grad: Shape, x: Shape, weight: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    macs = 2 * prod(grad) * weight[0] * weight[1]
    return Work(macs, 2 * macs + prod(grad))


@register_flops("torchvision.deform_conv2d")
def _deform_conv2d(
    x: Shape, weight: Shape, offset: Shape, mask: Shape, bias: Shape, *rest: Any, out: Shape, **kwargs: Any
) -> Work:  # fmt: skip
    # Of each output position and each input channel, the taps of the filter are bilinear samples: four products and
    # three sums, and a product where a mask (of as many as half the offsets) modulates them. Then a convolution.
    macs = prod(out) * prod(weight[1:])
    samples = out[0] * prod(out[-2:]) * x[1] * prod(weight[2:])
    modulated = 2 * mask[1] == offset[1]
    return Work(macs, 2 * macs + prod(out) + samples * (7 + modulated))


def _scores(q: Shape, k: Shape, half: bool, window: Dim) -> Dim:
    """Scores per head that are computed; half: those on and below the diagonal of a top-left aligned mask.

    A window is one of as many keys as queries, where there is no other way to align it; 0 is none.
    """
    length, context = q[-2], k[-2]
    if not half:
        return length * context
    if not (isinstance(window, int) and window == 0):
        return _visible(length, context, window)
    diagonal = smaller(length, context)
    return pieces(diagonal * (diagonal + 1), 2) + (length - diagonal) * context


@register_flops("oracle.attention")
def _attention(
    q: Shape, k: Shape, v: Shape, mask: Shape | None, dropout_p: float, is_causal: bool, window: Dim, out: Any,
    causal_half: bool = False,
) -> Work:  # fmt: skip
    # Per score: q.k and p.v (MACs); scale, and softmax (max, subtract, exponential, sum, divide).
    scores = prod(q[:-2]) * _scores(q, k, causal_half and is_causal, window)
    macs = scores * (q[-1] + v[-1])
    return Work(macs, 2 * macs + scores * (6 + (mask is not None)))


@register_flops("oracle.attention_backward")
def _attention_backward(
    grad: Shape, q: Shape, k: Shape, v: Shape, o: Shape, logsumexp: Shape, mask: Shape | None, dropout_p: float,
    is_causal: bool, window: Dim, wanted: Any, out: Any, causal_half: bool = False,
) -> Work:  # fmt: skip
    # FlashAttention (arXiv 2205.14135, algorithm 4): scores again, dV, dP, dQ, dK: 3 products over the width of q
    # and 2 over that of v; per score: scale, subtract, exponential; p * (dp - d) and scale again.
    scores = prod(q[:-2]) * _scores(q, k, causal_half and is_causal, window)
    macs = scores * (3 * q[-1] + 2 * v[-1])
    return Work(macs, 2 * macs + scores * (6 + (mask is not None)) + 2 * prod(o))


@register_flops("aten._scaled_dot_product_flash_attention", "aten._scaled_dot_product_flash_attention_for_cpu")
def _flash_attention(
    q: Shape, k: Shape, v: Shape, dropout_p: float = 0.0, is_causal: bool = False, *rest: Any, out: Any,
    causal_half: bool = False, attn_mask: Shape | None = None, **kwargs: Any,
) -> Work:  # fmt: skip
    return _attention(q, k, v, attn_mask, dropout_p, is_causal, 0, out, causal_half)


@register_flops("aten._scaled_dot_product_efficient_attention", "aten._scaled_dot_product_cudnn_attention")
def _masked_attention(
    q: Shape, k: Shape, v: Shape, mask: Shape | None, logsumexp: bool, dropout_p: float = 0.0, is_causal: bool = False,
    *rest: Any, out: Any, causal_half: bool = False, **kwargs: Any,
) -> Work:  # fmt: skip
    return _attention(q, k, v, mask, dropout_p, is_causal, 0, out, causal_half)


@register_flops("aten._trilinear")
def _trilinear(
    a: Shape, b: Shape, c: Shape, expand_a: Any, expand_b: Any, expand_c: Any, *rest: Any, out: Shape
) -> Work:  # fmt: skip
    # The three meet in one space of dimensions, where each lacks some; per point two products and a sum.
    sizes: dict[int, Dim] = {}
    for shape, expanded in ((a, expand_a), (b, expand_b), (c, expand_c)):
        own = [dim for dim in range(len(shape) + len(expanded)) if dim not in expanded]
        sizes.update(zip(own, shape, strict=True))
    points = prod(sizes.values())
    return Work(points, 3 * points)


@register_flops("aten._grouped_mm")
def _grouped_mm(a: Shape, b: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return _matmul(a[0] if len(a) == len(b) == 3 else 1, a[-2], a[-1], b[-1])


def _visible(length: Dim, context: Dim, window: Dim) -> Dim:
    """Scores per head that a causal mask leaves, the last query seeing the last key; 0 is no window."""
    past = context - length  # keys before those of the queries
    if isinstance(window, int) and window == 0:
        return length * past + pieces(length * (length + 1), 2)
    growing = smaller(length, larger(window - past, 0))  # queries that see one key more than the one before
    return growing * past + pieces(growing * (growing + 1), 2) + (length - growing) * window


@register_flops("oracle.cached_attention")
def _cached_attention(
    q: Shape, k: Shape, v: Shape, sinks: Shape | None, window: Dim, softcap: bool, out: Any, causal_half: bool = False
) -> Work:
    # As `_attention`; a sink joins the maximum and the sum of each query; a cap divides, takes a tanh of 6, multiplies.
    scores = prod(q[:-2]) * (_visible(q[-2], k[-2], window) if causal_half else q[-2] * k[-2])
    macs = scores * (q[-1] + v[-1])
    sunk = 2 * prod(q[:-1]) if sinks is not None else 0
    return Work(macs, 2 * macs + scores * (6 + 8 * softcap) + sunk)


@register_flops("oracle.latent_attention")
def _latent_attention(q: Shape, latent: Shape, turned: Shape, width: Dim, out: Any, causal_half: bool = False) -> Work:
    # As `_cached_attention`; a key is a latent and a turned part, a value the latent.
    scores = prod(q[:-2]) * (_visible(q[-2], latent[-2], 0) if causal_half else q[-2] * latent[-2])
    macs = scores * (2 * q[-1] + turned[-1])
    return Work(macs, 2 * macs + scores * 6)


@register_flops("oracle.experts")
def _experts(x: Shape, weight: Shape, bias: Shape | None, ids: Shape, out: Shape) -> Work:
    macs = prod(ids) * weight[1] * weight[2]
    return Work(macs, 2 * macs + (prod(out) if bias is not None else 0))


@register_flops("oracle.experts_backward")
def _experts_backward(
    grad: Shape, x: Shape, weight: Shape, bias: Shape | None, ids: Shape, wanted: Any, out: Any
) -> Work:
    # Gradients of the rows and of the weights take as many products as the forward pass each.
    macs = (int(wanted[0]) + int(wanted[1])) * prod(ids) * weight[1] * weight[2]
    return Work(macs, 2 * macs + (prod(grad) if bias is not None else 0))


@register_flops("oracle.rotary", op_class="elementwise")
def _rotary(q: Shape, k: Shape, width: Dim, out: Any) -> Work:
    # x * cos + turned(x) * sin of the first `width` elements of each head (arXiv 2104.09864); tables are at hand.
    return Work(0, 3 * (prod(q[:-1]) + prod(k[:-1])) * width)


@register_flops("oracle.append_cache")
def _append_cache(cache: Shape, k: Shape, v: Shape, out: Any) -> Work:
    return Work(0, 0)


_SCORING_FLOPS = {"softmax": 0, "softmax_all": 5, "sigmoid": 4}


@register_flops("oracle.routed", op_class="reduction")
def _routed(
    logits: Shape, bias: Shape | None, chosen: Dim, groups: Dim, chosen_groups: Dim, scoring: str, out: Any
) -> Work:
    # Per score what scoring takes, a bias, and a comparison as in a top-k; per choice a softmax, or sum and division.
    own = prod(logits) * (_SCORING_FLOPS[scoring] + 1 + (bias is not None))
    return Work(0, own + logits[0] * chosen * {"softmax": 5, "softmax_all": 0, "sigmoid": 2}[scoring])


@register_flops("oracle.routed_backward", op_class="reduction")
def _routed_backward(grad: Shape, logits: Shape, ids: Shape, scoring: str, out: Any) -> Work:
    # Of the chosen: that of a softmax, or of a division and a sigmoid; others get the softmax's over all, or nothing.
    return Work(0, 4 * prod(logits) if scoring == "softmax_all" else (4 if scoring == "softmax" else 6) * prod(ids))
