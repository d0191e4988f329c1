"""FLOPs per element of pointwise operators."""

from __future__ import annotations

__all__ = ["POINTWISE_FLOPS"]

POINTWISE_FLOPS = {
    # activations: every arithmetic operation, comparison and exponential, logarithm, root or error function counts 1;
    # what is made of others counts as much as they do
    "relu": 1,
    "relu6": 2,
    "threshold": 1,
    "hardtanh": 2,
    "leaky_relu": 2,
    "_prelu_kernel": 2,
    "elu": 4,  # compare, exponential, subtract, scale
    "celu": 5,  # the same of x / alpha
    "selu": 5,
    "sigmoid": 4,  # negate, exponential, add, divide
    "log_sigmoid_forward": 5,
    "tanh": 6,
    "silu": 5,
    "softplus": 3,
    "mish": 10,
    "gelu": 5,  # x / 2 * (1 + erf(x / sqrt 2)); by tanh see `oracle.counting.flops.others`
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
    "logaddexp": 4,
    "logaddexp2": 4,
    "logit": 3,
    "xlogy": 2,
    "special_xlog1py": 3,
    "sinc": 3,
    "hypot": 4,
    "isinf": 2,
    "nan_to_num": 3,
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
}
"""FLOPs per element of the result; pointwise operators that are not listed count 1."""

COMPLEX_FLOPS = {
    "mul": 6,
    "div": 11,
    "abs": 4,
    "square": 6,
    "reciprocal": 7,
    "exp": 5,
    **dict.fromkeys(("_fft_c2c", "_fft_r2c", "_fft_c2r"), 1),  # whose formulas count real operations
}
"""Real operations of complex ones; the others count twice what they do on real numbers."""
