"""FLOP formulas: small pure functions of shapes, one per operator.

A formula gets the operator's arguments with tensors replaced by their shapes, and `out`, the shape(s) of its
result; it returns `Work`. It may use +, -, *, // and `prod` only and must not branch on a size, so that it runs
unchanged on Python ints and on sympy symbols.

A multiply-add is 1 MAC and 2 FLOPs. MACs are those of contractions (convolution, linear, matrix product,
attention); every other operation, a bias add included, counts as FLOPs only. An addition, multiplication,
comparison, division, exponential or square root is 1 FLOP.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from oracle.errors import OracleError
from oracle.optable import Row, Shape, prod
from oracle.trace.classify import register_class

__all__ = ["POINTWISE_FLOPS", "Work", "register_flops", "work_of"]

Dim = Any


class Work(NamedTuple):
    """What one operator computes: multiply-adds, and all floating-point operations (2 per MAC included)."""

    macs: Dim
    flops: Dim


Formula = Callable[..., Work]
_FORMULAS: dict[str, Formula] = {}


def register_flops(*names: str, op_class: str | None = None) -> Callable[[Formula], Formula]:
    """Register the formula of one or more operators; a duplicate is an error.

    Args:
        names: operators as `namespace.name`, for instance "aten.mm", or "mylib.conv" of a `torch.library` operator.
        op_class: the class of a custom operator (see `oracle.optable.OP_CLASSES`); "other" if not given.

    Example:
        >>> @register_flops("mylib.scaled_mm", op_class="matmul")
        ... def scaled_mm(a, b, scale, out):
        ...     return Work(macs=a[0] * a[1] * b[1], flops=2 * a[0] * a[1] * b[1] + prod(out))
    """

    def register(formula: Formula) -> Formula:
        for name in names:
            if name in _FORMULAS:
                raise OracleError(f"operator={name} has a FLOP formula already: {_FORMULAS[name].__name__}")
            _FORMULAS[name] = formula
            if op_class is not None:
                register_class(name, op_class)
        return formula

    return register


def work_of(row: Row, causal: str = "full") -> Work | None:
    """What a row computes, or None where nobody has said.

    Args:
        row: from a trace.
        causal: "full" counts causal attention like full attention, as torch's FlopCounterMode does; "half" counts
            the scores under the mask's diagonal only, as kernels that skip masked blocks compute.
    """
    formula = _FORMULAS.get(row.name)
    if formula is not None:
        if causal == "half" and row.op_class == "attention":
            return formula(*row.args, out=row.out, causal_half=True, **row.kwargs)
        return formula(*row.args, out=row.out, **row.kwargs)
    short = row.name.split(".")[-1].removeprefix("_foreach_").rstrip("_")
    if row.op_class in ("copy", "embedding") and short not in POINTWISE_FLOPS:
        return Work(0, 0)
    if row.pointwise or row.op_class == "elementwise" or short in POINTWISE_FLOPS:
        # In-place operators on lists of tensors return nothing: what they change, they were given first.
        return Work(0, POINTWISE_FLOPS.get(short, 1) * _elements(row.args[0] if row.out is None else row.out))
    return None


POINTWISE_FLOPS = {
    # activations: every arithmetic operation and every transcendental one counts 1
    "relu": 1,
    "relu6": 2,
    "threshold": 1,
    "hardtanh": 2,
    "leaky_relu": 2,
    "_prelu_kernel": 2,
    "elu": 4,
    "sigmoid": 4,  # negate, exponential, add, divide
    "log_sigmoid_forward": 4,
    "tanh": 6,
    "silu": 5,
    "softplus": 3,
    "mish": 10,
    "gelu": 5,  # x / 2 * (1 + erf(x / sqrt 2))
    "hardsigmoid": 4,
    "hardswish": 5,
    "softshrink": 2,
    "hardshrink": 1,
    "glu": 5,
    # their derivatives, with the product by the gradient
    "threshold_backward": 1,
    "hardtanh_backward": 2,
    "leaky_relu_backward": 2,
    "_prelu_kernel_backward": 4,
    "elu_backward": 4,
    "sigmoid_backward": 3,  # grad * y * (1 - y)
    "log_sigmoid_backward": 5,
    "tanh_backward": 3,
    "silu_backward": 9,
    "softplus_backward": 4,
    "mish_backward": 14,
    "gelu_backward": 11,
    "hardsigmoid_backward": 2,
    "hardswish_backward": 4,
    "softshrink_backward": 1,
    "hardshrink_backward": 1,
    "glu_backward": 8,
    # elementwise operators of more than one operation
    "addcmul": 3,
    "addcdiv": 3,
    "lerp": 3,
    "native_dropout_backward": 2,
    # no arithmetic at all
    "where": 0,
    "masked_fill": 0,
    "clone": 0,
    "copy": 0,
    "logical_not": 0,
    "logical_and": 0,
    "logical_or": 0,
    "bitwise_not": 0,
    "bitwise_and": 0,
    "bitwise_or": 0,
    "fill": 0,
    "zero": 0,
    "isnan": 0,
    "isinf": 0,
    "nan_to_num": 0,
}
"""FLOPs per element of the result; pointwise operators that are not listed count 1."""


def _elements(shapes: Any) -> Dim:
    """Elements of a shape, or of all shapes in a list."""
    if isinstance(shapes, Shape):
        return prod(shapes)
    total: Dim = 0
    for shape in shapes:
        if isinstance(shape, tuple):
            total = total + _elements(shape)
    return total


# -- contractions --------------------------------------------------------------------------------------------


def _matmul(batch: Dim, m: Dim, k: Dim, n: Dim) -> Work:
    macs = batch * m * k * n
    return Work(macs, 2 * macs)


@register_flops("aten.mm", "aten._int_mm", "aten._scaled_mm")
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


def _scores(q: Shape, k: Shape, half: bool) -> Dim:
    """Scores per head that are computed; half: those on and below the diagonal of a top-left aligned mask."""
    length, context = q[-2], k[-2]
    if not half:
        return length * context
    diagonal = min(length, context)
    return diagonal * (diagonal + 1) // 2 + (length - diagonal) * context


@register_flops("oracle.attention")
def _attention(
    q: Shape, k: Shape, v: Shape, mask: Shape | None, dropout_p: float, is_causal: bool, out: Any,
    causal_half: bool = False,
) -> Work:  # fmt: skip
    # Per score: q.k and p.v (MACs); scale, and softmax (max, subtract, exponential, sum, divide).
    scores = prod(q[:-2]) * _scores(q, k, causal_half and is_causal)
    macs = scores * (q[-1] + v[-1])
    return Work(macs, 2 * macs + scores * (6 + (mask is not None)))


@register_flops("oracle.attention_backward")
def _attention_backward(
    grad: Shape, q: Shape, k: Shape, v: Shape, o: Shape, logsumexp: Shape, mask: Shape | None, dropout_p: float,
    is_causal: bool, mask_grad: bool, out: Any, causal_half: bool = False,
) -> Work:  # fmt: skip
    # FlashAttention (arXiv 2205.14135, algorithm 4): scores again, dV, dP, dQ, dK: 3 products over the width of q
    # and 2 over that of v; per score: scale, subtract, exponential; p * (dp - d) and scale again.
    scores = prod(q[:-2]) * _scores(q, k, causal_half and is_causal)
    macs = scores * (3 * q[-1] + 2 * v[-1])
    return Work(macs, 2 * macs + scores * (6 + (mask is not None)) + 2 * prod(o))


@register_flops(*(
    f"aten._scaled_dot_product_{name}_attention" for name in ("flash", "efficient", "cudnn")
))  # fmt: skip
def _chosen_attention(
    q: Shape, k: Shape, v: Shape, *rest: Any, out: Any, causal_half: bool = False, **kwargs: Any
) -> Work:
    return _attention(q, k, v, None, 0.0, False, out)


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


# -- normalisation -------------------------------------------------------------------------------------------
# Per element: mean 1, centre 1, square 1, sum 1, scale 1; weight and bias 1 each.


def _affine(weight: Any, bias: Any) -> int:
    return (weight is not None) + (bias is not None)


@register_flops("aten.native_batch_norm", "aten._native_batch_norm_legit")
def _batch_norm(x: Shape, weight: Any, bias: Any, mean: Any, var: Any, training: bool, *rest: Any, out: Any) -> Work:
    # With known statistics everything per channel is one scale and one shift.
    return Work(0, prod(x) * (5 + _affine(weight, bias) if training else 2))


@register_flops("aten._native_batch_norm_legit_no_training", "aten._batch_norm_no_update")
def _batch_norm_eval(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 2 * prod(x))


@register_flops("aten.native_batch_norm_backward")
def _batch_norm_backward(grad: Shape, x: Shape, *rest: Any, out: Any) -> Work:
    # xhat 2, sums of grad and grad * xhat 3, dx = scale * (grad - a - xhat * b) 4.
    return Work(0, 9 * prod(x))


@register_flops("aten.native_layer_norm")
def _layer_norm(x: Shape, shape: Any, weight: Any, bias: Any, eps: float, out: Any) -> Work:
    return Work(0, prod(x) * (5 + _affine(weight, bias)))


@register_flops("aten.native_layer_norm_backward")
def _layer_norm_backward(
    grad: Shape, x: Shape, shape: Any, mean: Any, rstd: Any, weight: Any, bias: Any, *rest: Any, out: Any
) -> Work:
    # As batch norm's, with grad * weight and the two sums for weight and bias on top.
    return Work(0, prod(x) * (9 + (3 if weight is not None else 0)))


@register_flops("aten.native_group_norm")
def _group_norm(x: Shape, weight: Any, bias: Any, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x) * (5 + _affine(weight, bias)))


@register_flops("aten.native_group_norm_backward")
def _group_norm_backward(grad: Shape, x: Shape, mean: Any, rstd: Any, weight: Any, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x) * (9 + (3 if weight is not None else 0)))


@register_flops("aten._fused_rms_norm", "oracle.rms_norm")
def _rms_norm(x: Shape, shape: Any, weight: Any, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x) * (3 + (weight is not None)))


@register_flops("aten._fused_rms_norm_backward", "oracle.rms_norm_backward")
def _rms_norm_backward(grad: Shape, x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 8 * prod(x))


# -- softmax, pooling, reductions ----------------------------------------------------------------------------


@register_flops("aten._softmax", "aten._log_softmax", "aten._safe_softmax")
def _softmax(x: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, 5 * prod(x))  # max, subtract, exponential, sum, divide (or subtract)


@register_flops("aten._softmax_backward_data", "aten._log_softmax_backward_data")
def _softmax_backward(grad: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, 4 * prod(grad))


@register_flops("aten.logsumexp", "aten.logcumsumexp")
def _logsumexp(x: Shape, *rest: Any, out: Shape) -> Work:
    return Work(0, 4 * prod(x))


@register_flops("aten.max_pool2d_with_indices", "aten.max_pool3d_with_indices", "aten.avg_pool2d", "aten.avg_pool3d")
def _pool(x: Shape, kernel: Any, *rest: Any, out: Any, **kwargs: Any) -> Work:
    result = out if isinstance(out, Shape) else out[0]
    dims = 3 if len(kernel) == 3 else 2
    window = prod(kernel) if len(kernel) == dims else kernel[0] ** dims
    return Work(0, window * prod(result))


@register_flops("aten.avg_pool2d_backward", "aten.avg_pool3d_backward")
def _avg_pool_backward(grad: Shape, x: Shape, kernel: Any, *rest: Any, out: Any, **kwargs: Any) -> Work:
    dims = 3 if len(kernel) == 3 else 2
    return Work(0, (prod(kernel) if len(kernel) == dims else kernel[0] ** dims) * prod(grad))


@register_flops(
    "aten.max_pool2d_with_indices_backward",
    "aten.max_pool3d_with_indices_backward",
    "aten.adaptive_max_pool2d_backward",
    "aten.adaptive_max_pool3d_backward",
)
def _max_pool_backward(grad: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(grad))


@register_flops(
    "aten._adaptive_avg_pool2d",
    "aten._adaptive_avg_pool3d",
    "aten._adaptive_avg_pool2d_backward",
    "aten._adaptive_avg_pool3d_backward",
    "aten.adaptive_max_pool2d",
    "aten.adaptive_max_pool3d",
)
def _adaptive_pool(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x))


@register_flops(
    *(
        f"aten.{name}"
        for name in "mean sum prod amax amin aminmax max min argmax argmin all any nansum cumsum cumprod cummax cummin"
        " count_nonzero sort topk median mode kthvalue nll_loss_forward nll_loss2d_forward".split()
    )
)
def _reduction(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    # A sort compares more than once per element; like torch's tags we call it one operation each.
    other = prod(rest[0]) if rest and isinstance(rest[0], Shape) and len(rest[0]) == len(x) else 0
    return Work(0, prod(x)) if not other else Work(0, _elements(out))


@register_flops("aten.norm", "aten.linalg_vector_norm")
def _norm(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, 2 * prod(x))


@register_flops("aten.var", "aten.std", "aten.var_mean", "aten.std_mean")
def _variance(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, 4 * prod(x))


@register_flops("aten.nll_loss_backward", "aten.nll_loss2d_backward")
def _nll_loss_backward(grad: Shape, x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(x[:-1]))  # one entry per sample


@register_flops(
    *(
        f"aten.{name}{suffix}"
        for name in ("mse_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy")
        for suffix in ("", "_backward")
    )
)
def _loss(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 3 * prod(x))


@register_flops("aten._cdist_forward")
def _cdist(a: Shape, b: Shape, *rest: Any, out: Shape) -> Work:
    return Work(0, 3 * prod(out) * a[-1])


# -- the rest ------------------------------------------------------------------------------------------------


@register_flops("aten.native_dropout")
def _dropout(x: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 2 * prod(x))


@register_flops("aten.embedding_dense_backward", "aten.index_add", "aten.index_add_", "aten.scatter_add_",
                "aten.scatter_add")  # fmt: skip
def _accumulate(x: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
    added = [shape for shape in rest if isinstance(shape, Shape)]
    return Work(0, prod(added[-1]) if added and len(added[-1]) >= len(x) else prod(x))


@register_flops("aten._embedding_bag", "aten._embedding_bag_forward_only")
def _embedding_bag(weight: Shape, indices: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, prod(indices) * weight[-1])


# Neighbours whose weighted sum a sample is, in interpolation. An antialiased filter has as many or more.
_TAPS = {
    "upsample_linear1d": 2,
    "upsample_bilinear2d": 4,
    "_upsample_bilinear2d_aa": 4,
    "grid_sampler_2d": 4,
    "upsample_trilinear3d": 8,
    "grid_sampler_3d": 8,
    "upsample_bicubic2d": 16,
    "_upsample_bicubic2d_aa": 16,
}


def _register_interpolation(name: str, taps: int) -> None:
    @register_flops(f"aten.{name}")
    def forward(x: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
        return Work(0, (2 * taps - 1) * prod(out))  # a product each, and the sums between them

    @register_flops(f"aten.{name}_backward")
    def backward(grad: Shape, *rest: Any, out: Any, **kwargs: Any) -> Work:
        return Work(0, 2 * taps * prod(grad))  # a product each, and a sum where it belongs


for _name, _taps in _TAPS.items():
    _register_interpolation(_name, _taps)


@register_flops(
    *(
        f"aten.{name}_backward"
        for name in "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d"
        " _upsample_nearest_exact2d _upsample_nearest_exact3d reflection_pad1d reflection_pad2d reflection_pad3d"
        " replication_pad1d replication_pad2d replication_pad3d unfold index_select".split()
    ),
    "aten.col2im",
)
def _summed_back(grad: Shape, *rest: Any, out: Shape, **kwargs: Any) -> Work:
    return Work(0, prod(grad))  # each entry is added where it came from


@register_flops("aten.index_put", "aten.index_put_", "aten._index_put_impl_", "aten._unsafe_index_put")
def _index_put(x: Shape, indices: Any, values: Shape, accumulate: bool = False, *rest: Any, out: Shape) -> Work:
    return Work(0, prod(values) if accumulate else 0)


@register_flops("aten._weight_norm_interface")
def _weight_norm(v: Shape, g: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 3 * prod(v))  # square, sum, scale


@register_flops("aten._weight_norm_interface_backward")
def _weight_norm_backward(grad: Shape, v: Shape, *rest: Any, out: Any) -> Work:
    return Work(0, 5 * prod(v))  # product and sum; dv = scale * (grad - v * share)


@register_flops("aten._foreach_norm")
def _foreach_norm(tensors: Any, *rest: Any, out: Any, **kwargs: Any) -> Work:
    return Work(0, 2 * _elements(tensors))
