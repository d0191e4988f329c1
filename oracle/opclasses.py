"""Which class an operator belongs to, and which operators are no kernels at all."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from oracle.errors import OracleError
from oracle.optable import OP_CLASSES

_MEMBERS = {
    "conv": "conv_tbc conv_tbc_backward torchvision::deform_conv2d",
    "linear": "addmm mm addmv mv _scaled_mm _scaled_mm_v2 _int_mm",
    "matmul": "bmm baddbmm addbmm dot vdot _trilinear _grouped_mm oracle::experts oracle::experts_backward",
    "attention": "oracle::attention oracle::attention_backward oracle::cached_attention"
    " oracle::latent_attention oracle::sparse_attention oracle::index_scores"
    " oracle::delta_rule oracle::delta_rule_backward"
    " _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_backward"
    " _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_flash_attention_for_cpu_backward"
    " _scaled_dot_product_efficient_attention _scaled_dot_product_efficient_attention_backward"
    " _scaled_dot_product_cudnn_attention _scaled_dot_product_cudnn_attention_backward"
    " _flash_attention_forward _flash_attention_backward"
    " _efficient_attention_forward _efficient_attention_backward",
    "norm": "native_batch_norm native_batch_norm_backward _native_batch_norm_legit"
    " _native_batch_norm_legit_no_training _batch_norm_with_update _batch_norm_no_update batch_norm_backward"
    " cudnn_batch_norm cudnn_batch_norm_backward miopen_batch_norm miopen_batch_norm_backward"
    " native_layer_norm native_layer_norm_backward native_group_norm native_group_norm_backward"
    " _fused_rms_norm _fused_rms_norm_backward _weight_norm_interface _weight_norm_interface_backward"
    " oracle::rms_norm oracle::rms_norm_backward",
    "activation": "relu relu_ relu6 threshold threshold_ threshold_backward hardtanh hardtanh_ hardtanh_backward"
    " sigmoid sigmoid_ sigmoid_backward tanh tanh_ tanh_backward silu silu_ silu_backward gelu gelu_ gelu_backward"
    " hardswish hardswish_ hardswish_backward hardsigmoid hardsigmoid_ hardsigmoid_backward mish mish_ mish_backward"
    " elu elu_ elu_backward leaky_relu leaky_relu_ leaky_relu_backward softplus softplus_backward"
    " softshrink softshrink_backward hardshrink hardshrink_backward _prelu_kernel _prelu_kernel_backward"
    " log_sigmoid_forward log_sigmoid_backward glu glu_backward rrelu_with_noise rrelu_with_noise_",
    "pool": "max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d_with_indices"
    " max_pool3d_with_indices_backward avg_pool2d avg_pool2d_backward avg_pool3d avg_pool3d_backward"
    " _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward"
    " adaptive_max_pool2d adaptive_max_pool2d_backward adaptive_max_pool3d adaptive_max_pool3d_backward"
    " fractional_max_pool2d fractional_max_pool3d",
    "softmax": "_softmax _softmax_backward_data _log_softmax _log_softmax_backward_data _safe_softmax"
    " logsumexp logcumsumexp _masked_softmax",
    "reduction": "mean sum prod var var_mean std std_mean amax amin aminmax max min argmax argmin all any"
    " norm linalg_vector_norm nansum cumsum cumprod nll_loss_forward nll_loss_backward nll_loss2d_forward"
    " nll_loss2d_backward mse_loss mse_loss_backward smooth_l1_loss smooth_l1_loss_backward huber_loss"
    " huber_loss_backward binary_cross_entropy binary_cross_entropy_backward topk sort median mode kthvalue"
    " count_nonzero cummax cummin nanmedian trace dist bucketize searchsorted"
    " _cdist_forward _cdist_backward _euclidean_dist _pdist_forward _pdist_backward"
    " oracle::routed oracle::routed_backward binary_cross_entropy_with_logits histc multinomial nonzero"
    " torchvision::nms",
    "copy": "clone copy_ copy _to_copy cat stack fill_ fill zero_ zeros zeros_like ones ones_like full full_like"
    " new_zeros new_ones new_full arange linspace eye tril triu scalar_tensor roll flip repeat constant_pad_nd"
    " reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d"
    " reflection_pad1d_backward reflection_pad2d_backward reflection_pad3d_backward replication_pad1d_backward"
    " replication_pad2d_backward replication_pad3d_backward slice_backward select_backward slice_scatter"
    " select_scatter as_strided_scatter unfold_backward pixel_shuffle pixel_unshuffle channel_shuffle"
    " native_channel_shuffle im2col col2im _foreach_copy_ _foreach_zero_ split_with_sizes_copy repeat_interleave"
    " bernoulli bernoulli_ uniform_ normal_ rand randn rand_like randn_like randint randperm randint_like"
    " exponential_ cauchy_ geometric_ log_normal_ normal"
    " native_dropout native_dropout_backward tril_indices triu_indices diagonal_copy"
    " alias_copy as_strided_copy detach_copy expand_copy narrow_copy permute_copy select_copy slice_copy split_copy"
    " squeeze_copy t_copy transpose_copy unbind_copy unfold_copy unsqueeze_copy view_copy"
    " diag_embed diagonal_scatter block_diag complex rot90 max_unpool2d max_unpool3d _chunk_cat"
    " contiguous meshgrid one_hot oracle::append_cache"
    " _pack_padded_sequence _pack_padded_sequence_backward"
    " oracle::quantize oracle::quantize_inside oracle::quantize_dynamic oracle::dequantize oracle::dequantize_inside"
    " quantized_decomposed::quantize_per_tensor quantized_decomposed::quantize_per_channel"
    " quantized_decomposed::dequantize_per_tensor quantized_decomposed::dequantize_per_channel",
    "embedding": "embedding embedding_dense_backward _embedding_bag _embedding_bag_forward_only index index_select"
    " index_add index_add_ index_put index_put_ _index_put_impl_ _unsafe_index _unsafe_index_put gather"
    " gather_backward scatter scatter_ scatter_add scatter_add_ scatter_reduce index_select_backward take"
    " masked_select index_copy index_copy_ index_fill index_fill_ masked_scatter masked_scatter_ put put_"
    " scatter_reduce_ embedding_renorm_ grid_sampler_2d grid_sampler_2d_backward grid_sampler_3d"
    " grid_sampler_3d_backward torchvision::roi_align"
    + "".join(
        f" {name} {name}_backward"
        for name in "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d"
        " _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d"
        " upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa".split()
    ),
}

_CLASSES: dict[str, str] = {
    name if "::" in name else f"aten.{name}": op_class for op_class, names in _MEMBERS.items() for name in names.split()
}
_CLASSES = {name.replace("::", "."): op_class for name, op_class in _CLASSES.items()}

_CONVOLUTIONS = MappingProxyType(
    # operator -> position of (input, weight, groups) among its arguments
    {
        "aten.convolution": (0, 1, 8),
        "aten._convolution": (0, 1, 8),
        "aten.cudnn_convolution": (0, 1, 5),
        "aten.mkldnn_convolution": (0, 1, 6),
        "aten.convolution_overrideable": (0, 1, 8),
        "aten.convolution_backward": (1, 2, 9),
        "aten.convolution_backward_overrideable": (1, 2, 8),
    }
)

ALLOCATIONS = frozenset(
    f"aten.{name}"
    for name in "empty empty_like empty_strided new_empty new_empty_strided empty_permuted _efficientzerotensor".split()
)
"""Operators that reserve memory and touch none of it."""

VIEWS_IN_PLACE = frozenset(
    f"aten.{name}" for name in "as_strided_ t_ transpose_ squeeze_ unsqueeze_ detach_ resize_ set_ swapdims_".split()
)
"""In-place operators that change a tensor's shape or strides, not its content."""

WRITE_ONLY = frozenset(
    f"aten.{name}"
    for name in "copy_ fill_ zero_ bernoulli_ uniform_ normal_ exponential_ cauchy_ geometric_ log_normal_"
    " _foreach_zero_ _foreach_copy_".split()
) | {"oracle.append_cache"}
"""In-place operators that overwrite their first argument without reading it."""


SHAPE_ONLY = frozenset(
    f"aten.{name}"
    for name in "zeros_like ones_like full_like rand_like randn_like randint_like new_zeros new_ones new_full".split()
)
"""Operators that take a tensor for its shape and type, and do not read it."""


DEQUANTISE = frozenset(
    {
        "oracle.dequantize",
        "oracle.dequantize_inside",
        "quantized_decomposed.dequantize_per_tensor",
        "quantized_decomposed.dequantize_per_channel",
    }
)
"""Operators that make floats of integers: the integers come first, then their scales."""

QUANTISE = frozenset(
    {
        "oracle.quantize",
        "oracle.quantize_inside",
        "quantized_decomposed.quantize_per_tensor",
        "quantized_decomposed.quantize_per_channel",
    }
)
"""Operators that make integers of floats."""


def packet_name(func: Any) -> str:
    """`aten.add` for the overload `aten.add.Tensor`; `mylib.op` for a custom operator."""
    return str(func.overloadpacket)


_UNTAGGED = {"floor_divide": "div"}
"""Pointwise operators that torch forgets to tag, and one like them that it tags."""


def is_pointwise(func: Any) -> bool:
    """Whether torch tags the operator pointwise, or one like it; in-place and foreach twins go by their plain one."""
    import torch  # whoever has an operator has it; formulas of operators need none

    if torch.Tag.pointwise in func.tags:
        return True
    name: str = func._schema.name.split("::")[-1]  # noqa: SLF001 - torch keeps an operator's schema private
    name = name.removeprefix("_foreach_").rstrip("_")
    plain = getattr(torch.ops.aten, _UNTAGGED.get(name, name), None) if func.namespace == "aten" else None
    return plain is not None and any(
        torch.Tag.pointwise in getattr(plain, overload).tags for overload in plain.overloads()
    )


def written_results(name: str, args: tuple[Any, ...], results: list[Any]) -> list[Any]:
    """The results that are really written.

    Batch norm in evaluation leaves its saved statistics empty, as devices leave the buffer of a logarithmic sigmoid;
    eigenvalues alone have no vectors.
    """
    in_evaluation = name in ("aten.native_batch_norm", "aten._native_batch_norm_legit") and not args[5]
    first_alone = name in ("aten.log_sigmoid_forward", "aten._linalg_eigvals")
    return results[:1] if in_evaluation or first_alone else results


def hidden_writes(name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Tensors that an operator changes although its schema does not say so: the running statistics of batch norm."""
    return args[3:5] if name == "aten.native_batch_norm" and args[5] else ()


def class_of(name: str, args: tuple[Any, ...], pointwise: bool) -> str:
    """The class of an operator call; args are the real ones, so that a symbolic trace records its guards."""
    if name in _CONVOLUTIONS:
        at_input, _, at_groups = _CONVOLUTIONS[name]
        groups = args[at_groups]
        if groups == 1:
            return "conv"
        transposed = name in ("aten.convolution", "aten.convolution_backward") and args[at_groups - 2]
        channels = args[1 if transposed and at_input == 0 else at_input].shape[0 if transposed and at_input == 0 else 1]
        return "depthwise" if groups == channels else "grouped"
    if name in _CLASSES:
        return _CLASSES[name]
    return "elementwise" if pointwise or name.startswith("aten._foreach_") else "other"


def register_class(name: str, op_class: str) -> None:
    """Put an operator (`mylib.op`) into a class; a second, different class for the same operator is an error."""
    if op_class not in OP_CLASSES:
        raise OracleError(f"op_class={op_class!r} for {name}: expected one of {', '.join(OP_CLASSES)}")
    if _CLASSES.setdefault(name, op_class) != op_class:
        raise OracleError(f"op_class={op_class!r} for {name}: it is registered as {_CLASSES[name]!r} already")
