"""Autocast for tensors on meta: which operators run in half precision, which in float32, and the casts between.

torch's own autocast looks at real devices only, so its rule is applied one level lower, to the operators that
reach the dispatcher. The lists are those of CUDA autocast (PyTorch documentation, "CUDA Op-Specific Behavior"),
in terms of the core operators that the listed functions decompose into. Operators on neither list run in the
type of their inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["FLOAT32_OPS", "HALF_OPS", "Autocast"]

HALF_OPS = frozenset(
    f"aten.{name}"
    for name in "convolution _convolution mm addmm bmm baddbmm addbmm mv addmv _prelu_kernel"
    " convolution_backward _prelu_kernel_backward".split()
) | {"oracle.attention", "oracle.attention_backward"}
"""Run in half precision: their float32 arguments are cast."""

FLOAT32_OPS = frozenset(
    f"aten.{name}"
    for name in "acos asin cosh sinh tan exp exp_ expm1 log log10 log1p log2 reciprocal rsqrt pow erfinv"
    " _softmax _log_softmax _safe_softmax softplus native_layer_norm native_group_norm _fused_rms_norm"
    " norm linalg_vector_norm sum prod cumsum cumprod dist renorm nll_loss_forward nll_loss2d_forward mse_loss"
    " smooth_l1_loss huber_loss binary_cross_entropy_with_logits _cdist_forward _pdist_forward".split()
)
"""Run in float32: their half-precision arguments are cast."""

_FLOAT32_BACKWARD = frozenset(
    f"aten.{name}"
    for name in "_softmax_backward_data _log_softmax_backward_data softplus_backward native_layer_norm_backward"
    " native_group_norm_backward _fused_rms_norm_backward nll_loss_backward nll_loss2d_backward mse_loss_backward"
    " smooth_l1_loss_backward huber_loss_backward".split()
)
_STAYS_FLOAT32 = {"oracle.attention_backward": 5}  # the log-sum-exp
# These take the type of the forward input, which autograd saw before our cast.
_INPUT_DTYPE_LAST = frozenset({"aten._softmax_backward_data", "aten._log_softmax_backward_data"})


class Autocast:
    """The casts of one forward and backward pass.

    A parameter is cast once per pass, as torch's autocast caches it. What the forward pass cast is what its
    backward uses again: autograd, above us, saved the tensor from before the cast, so it is looked up here.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = getattr(torch, dtype)
        self._twins: dict[tuple[int, Any], tuple[Any, Any]] = {}
        self._halves = (torch.float16, torch.bfloat16)

    def apply(
        self, name: str, args: Any, forward: bool, cast: Callable[[Any, Any], Any], is_parameter: Callable[[Any], bool]
    ) -> Any:
        """The arguments `name` runs with; `cast(tensor, dtype)` makes (and records) a copy."""
        if name in HALF_OPS:
            source: tuple[Any, ...] = (torch.float32,)
            target = self.dtype
        elif (forward and name in FLOAT32_OPS) or (not forward and name in _FLOAT32_BACKWARD):
            source, target = self._halves, torch.float32
        else:
            return args

        def convert(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return self._twin(value, target, forward, cast, is_parameter) if value.dtype in source else value
            if isinstance(value, (list, tuple)):
                return type(value)(convert(item) for item in value)
            return value

        kept = _STAYS_FLOAT32.get(name)
        args = tuple(value if position == kept else convert(value) for position, value in enumerate(args))
        if name in _INPUT_DTYPE_LAST:
            args = (*args[:-1], torch.float32)
        return args

    def _twin(
        self, tensor: Any, target: Any, forward: bool, cast: Callable[[Any, Any], Any], is_parameter: Callable[[Any], bool]
    ) -> Any:
        key = (tensor.untyped_storage()._cdata, target)
        parameter = is_parameter(tensor)
        if key in self._twins and (parameter or not forward):
            source, twin = self._twins[key]
            return _same_view(tensor, source, twin)
        source = tensor._base if parameter and tensor._base is not None else tensor
        twin = cast(source, target)
        self._twins[key] = (source, twin)
        return _same_view(tensor, source, twin)


def _same_view(tensor: Any, source: Any, twin: Any) -> Any:
    """The view of `twin` that `tensor` is of `source`."""
    if tensor.shape == source.shape and tensor.stride() == source.stride():
        return twin
    return twin.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset() - source.storage_offset())
