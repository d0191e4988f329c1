"""What each engine fuses, keeps apart and lays out anew, as data.

Every rule is what the engine's own optimised graph of a network says (`tests/benchmarks/engine_graphs.py` prints
ours beside theirs):

onnxruntime  1.32, CPU, ORT_ENABLE_ALL, `SessionOptions.optimized_model_filepath`: Conv, FusedConv, Gemm nodes.
openvino     2026.4, CPU, `compiled_model.get_runtime_model()`: one node per primitive; Subgraph is a snippet. Its
             own changes of layout are left out.
ncnn         pnnx 20261020, layers of the .ncnn.param: a HardSwish or Swish is a layer, Slice and Permute are before
             attention.
litert       litert-torch 0.10.0, operators of the .tflite: CONV_2D and ADD have a fused ReLU; a SiLU is LOGISTIC and
             MUL. (XNNPACK, which runs them on processors, and paddings, which it runs apart, are left out.)

Engines that no graph was read of here (TensorRT and Core ML, which need their own hardware) are `generic`: what good
engines share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from oracle.counting.fusion.chains import CHAINED
from oracle.spec import GENERIC

__all__ = ["QUANTISED", "RULES", "EngineRules", "canonical_engine", "rules_of"]

_ANY = None
_RELU = "relu relu_ relu6 hardtanh hardtanh_ threshold threshold_"


def _aten(names: str) -> frozenset[str]:
    return frozenset(f"aten.{name}" for name in names.split())


@dataclass(frozen=True, slots=True)
class EngineRules:
    """What an engine fuses.

    Attributes:
        conv, product: activations that run in the epilogue of a convolution, and of a matrix product; None means all.
        conv_sum, product_sum: whether the epilogue adds another tensor, as residual connections do.
        conv_affine, product_affine: whether it scales and shifts by constants; of a product, a bias is always joined.
        merged: classes of operators whose chains are one kernel.
        alone: operators of these classes that are kernels of their own.
        sum: activations that join a sum that stands alone.
        norm: activations that join a batch norm that folds nowhere.
        scaled: whether a product takes in the number that one of its operands is multiplied by.
        attention: whether attention is one kernel; if not, scores, softmax and values are one each.
        attention_scales: how many of its operands are scaled beforehand.
        layer_norm: how many kernels a layer norm is, over images (4 dimensions) and over anything else.
        splits: whether parts of a tensor that are read alone are copied first.
        transposes: whether tensors that are read in another order of dimensions are copied first.
        together: whether the parts of a tensor are so before they are cut, by one kernel.
        silu: how many kernels a SiLU is: one, or a sigmoid and a product.
        block: channels in a block of the layout that convolutions want; 0 for none.
    """

    conv: frozenset[str] | None = _ANY
    product: frozenset[str] | None = _ANY
    conv_sum: bool = True
    product_sum: bool = True
    conv_affine: bool = True
    product_affine: bool = True
    merged: frozenset[str] = frozenset()
    alone: frozenset[str] = frozenset()
    sum: frozenset[str] = frozenset()
    norm: frozenset[str] = frozenset()
    scaled: bool = False
    attention: bool = True
    attention_scales: int = 0
    layer_norm: tuple[int, int] = (1, 1)
    splits: bool = False
    transposes: bool = False
    together: bool = False
    silu: int = 1
    block: int = 0

    @property
    def lowers(self) -> bool:
        """Whether it runs other operators than the ones that a trace shows."""
        return (
            not self.attention
            or self.attention_scales > 0
            or self.splits
            or self.transposes
            or self.block > 0
            or self.layer_norm != (1, 1)
            or self.silu > 1
        )


_NCNN = _aten(f"{_RELU} leaky_relu leaky_relu_ sigmoid sigmoid_ mish mish_")
_POSTOPS = _aten(
    f"{_RELU} leaky_relu leaky_relu_ sigmoid sigmoid_ tanh tanh_ silu silu_ gelu hardswish hardswish_ mish mish_"
    " elu elu_"
)
_POINTWISE = frozenset({"activation", "elementwise"})

RULES = MappingProxyType(
    {
        GENERIC: EngineRules(merged=CHAINED),
        "onnxruntime": EngineRules(
            conv=_aten(
                f"{_RELU} leaky_relu leaky_relu_ sigmoid sigmoid_ tanh tanh_ hardsigmoid hardsigmoid_"
                " hardswish hardswish_"
            ),
            product=_aten("relu relu_ leaky_relu leaky_relu_ sigmoid sigmoid_ tanh tanh_ elu elu_"),
            product_sum=False,
            product_affine=False,
            norm=_aten(_RELU),  # in blocks, where it is a depthwise convolution
            scaled=True,
            attention=False,
            splits=True,
            transposes=True,
            block=16,  # with AVX-512; 8 with AVX2
        ),
        "openvino": EngineRules(
            conv=_POSTOPS,
            product_sum=False,
            product_affine=False,
            norm=_POSTOPS,
            merged=_POINTWISE,
            alone=_aten("hardsigmoid hardsigmoid_"),
            attention_scales=2,
            layer_norm=(3, 2),
            splits=True,
        ),
        "litert": EngineRules(
            conv=_aten(_RELU),
            product=_aten(_RELU),
            conv_sum=False,
            product_sum=False,
            product_affine=False,
            sum=_aten(_RELU),
            silu=2,
        ),
        "ncnn": EngineRules(
            conv=_NCNN,
            product=_NCNN,
            conv_sum=False,
            product_sum=False,
            product_affine=False,
            splits=True,
            transposes=True,
            together=True,
        ),
    }
)
"""By engine; what is not here is `generic`."""


def canonical_engine(engine: str) -> str:
    """The engine whose rules another one has."""
    return engine if engine in RULES else GENERIC


QUANTISED = MappingProxyType(
    {
        "onnxruntime": replace(
            RULES["onnxruntime"],
            conv=_aten(_RELU),
            product=_aten(_RELU),
            conv_sum=False,
            sum=_aten(_RELU),
            silu=2,
            block=0,
        ),
        "openvino": replace(RULES["openvino"], conv=_POSTOPS - _aten("silu silu_")),
    }
)
"""Of those that fuse other things in integers. OpenVINO's graphs of what NNCF quantises keep each SiLU a Subgraph:
EfficientNet-B0 has 164 nodes that compute, 49 of them SiLUs. ONNX Runtime's optimised graphs of what
onnxruntime.quantization writes: sums, activations and products by activations are operators of their own (QLinearAdd,
QLinearSigmoid, QLinearMul), clipping is part of rounding, and convolutions want channels last. ResNet-50: 76 nodes that
compute, RegNetX-400MF 99.
"""


def rules_of(engine: str, quantised: bool = False) -> EngineRules:
    """The rules of an engine, of what it computes in floats or in integers."""
    name = canonical_engine(engine)
    return QUANTISED.get(name, RULES[name]) if quantised else RULES[name]
