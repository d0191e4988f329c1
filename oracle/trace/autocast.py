"""Autocast for tensors on meta: which functions run in half precision, which in float32, and the casts between.

torch's own autocast looks at real devices only, so its rule is applied here, to the functions that the lists of
CUDA autocast name (PyTorch documentation, "CUDA Op-Specific Behavior"; ATen/autocast_mode.h). Like torch's, it sits
above autograd: a cast is an operator with a backward of its own, and the backward pass itself is not autocast.
Functions on no list run in the type of their inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from oracle.errors import TraceError

__all__ = ["FLOAT32", "FLOAT32_INSIDE", "HALF", "REFUSED", "WIDEST", "Autocast"]

HALF = frozenset(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc convolution _convolution prelu"
    " linear matmul __matmul__ __rmatmul__ mm addmm bmm baddbmm addbmm mv addmv addr einsum chain_matmul"
    " linalg_vecdot linalg_multi_dot scaled_dot_product_attention lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell"
    " windowed_attention"  # of `oracle.cells.functions`, whose own is the line above's
    # not on the lists, but their cuDNN kernels cast all the same
    " lstm gru rnn_tanh rnn_relu".split()
)
"""Run in half precision."""

FLOAT32 = frozenset(
    "acos asin cosh erfinv exp expm1 log log10 log1p log2 pow __rpow__ reciprocal rsqrt sinh tan softplus"
    " layer_norm native_layer_norm rms_norm group_norm frobenius_norm nuclear_norm cosine_similarity logsumexp"
    " nll_loss nll_loss2d nll_loss_nd l1_loss smooth_l1_loss huber_loss mse_loss kl_div poisson_nll_loss"
    " cosine_embedding_loss hinge_embedding_loss margin_ranking_loss multilabel_margin_loss multi_margin_loss"
    " soft_margin_loss triplet_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm"
    " upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_linear1d upsample_bilinear2d"
    " upsample_trilinear3d upsample_bicubic2d _upsample_nearest_exact1d _upsample_nearest_exact2d"
    " _upsample_nearest_exact3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa".split()
)
"""Run in float32: arguments in half precision are cast."""

FLOAT32_INSIDE = frozenset(
    "sum prod softmax log_softmax cumsum cumprod norm linalg_vector_norm linalg_matrix_norm".split()
)
"""Compute and answer in float32, which they take as their `dtype`; nothing is cast beforehand."""

WIDEST = frozenset("addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put tensordot scatter_add".split())
"""Run in the widest type of their arguments, where these differ."""

REFUSED = frozenset({"binary_cross_entropy"})
"""torch refuses to autocast these."""

_AUTOCAST_TYPES = (torch.float16, torch.bfloat16, torch.float32)


class Autocast:
    """The casts of one pass; a parameter that wants a gradient is cast once, for torch's autocast keeps the copy."""

    def __init__(self, dtype: str) -> None:
        self._half: torch.dtype = getattr(torch, dtype)
        self._kept: dict[int, Any] = {}

    def call(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function of that name as autocast does.

        Raises:
            TraceError: a function that torch refuses to autocast.
        """
        if name in REFUSED:
            raise TraceError(f"{name} is unsafe in {self._half}: torch's autocast refuses it; use the one with logits")
        if kwargs.get("out") is None:  # autocast leaves variants with an out= argument alone
            if name in HALF:
                args, kwargs = self._cast((args, kwargs), self._half)
            elif name in FLOAT32:
                args, kwargs = self._cast((args, kwargs), torch.float32)
            elif name in WIDEST:
                args, kwargs = self._cast((args, kwargs), _widest((args, kwargs)))
            elif (
                name in FLOAT32_INSIDE and kwargs.get("dtype") is None and _first(args, kwargs).dtype in _AUTOCAST_TYPES
            ):
                kwargs = {**kwargs, "dtype": torch.float32}
            elif name == "cross_entropy_loss":
                return self._cross_entropy(func, *args, **kwargs)
        return func(*args, **kwargs)

    def _cast(self, tree: Any, dtype: torch.dtype) -> Any:
        if isinstance(tree, torch.Tensor):
            return self._cast_tensor(tree, dtype) if tree.dtype in _AUTOCAST_TYPES and tree.dtype != dtype else tree
        if isinstance(tree, (list, tuple)):
            return type(tree)(self._cast(item, dtype) for item in tree)
        if isinstance(tree, dict):
            return {key: self._cast(item, dtype) for key, item in tree.items()}
        return tree

    def _cast_tensor(self, tensor: Any, dtype: torch.dtype) -> Any:
        if not (isinstance(tensor, nn.Parameter) and tensor.requires_grad and dtype == self._half):
            return tensor.to(dtype)
        if id(tensor) not in self._kept:
            self._kept[id(tensor)] = tensor.to(dtype)
        return self._kept[id(tensor)]

    def _cross_entropy(self, func: Callable[..., Any], scores: Any, target: Any, *rest: Any, **options: Any) -> Any:
        # On no list itself; of the two functions it is made of, log_softmax is told its type and nll_loss is cast.
        smoothing = rest[3] if len(rest) > 3 else options.get("label_smoothing", 0.0)
        if smoothing or target.is_floating_point():
            return func(scores, target, *rest, **options)
        options = {key: value for key, value in options.items() if key != "label_smoothing"}
        likely = self._cast(scores.log_softmax(min(scores.dim() - 1, 1)), torch.float32)
        return torch._C._nn.nll_loss_nd(likely, target, *rest[:3], **options)


def _widest(tree: Any) -> torch.dtype:
    """The widest autocast type of the tensors in a tree; bfloat16 and float16 together are float32."""
    found: torch.dtype | None = None
    for tensor in _tensors(tree):
        if tensor.dtype in _AUTOCAST_TYPES:
            found = tensor.dtype if found is None else torch.promote_types(found, tensor.dtype)
    return torch.float32 if found is None else found


def _tensors(tree: Any) -> list[Any]:
    if isinstance(tree, torch.Tensor):
        return [tree]
    items = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else ()
    return [tensor for item in items for tensor in _tensors(item)]


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else next(iter(_tensors(kwargs)))
