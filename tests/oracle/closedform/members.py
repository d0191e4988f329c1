"""Random members of every family, for whoever holds one way of counting against another: hypothesis strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from oracle.config import cfg_from_dict
from oracle.errors import ConfigError, TraceError
from oracle.families import to_spec
from oracle.families.fbnet import LAYERS as FBNET_LAYERS
from oracle.query import score
from oracle.spec import HALVES, NetSpec, Workload

__all__ = ["FAMILIES", "WORKLOADS", "runs"]

_Sections = dict[str, dict[str, Any]]
_STEMS = ("simple_stem_in", "res_stem_in", "res_stem_cifar")
_BLOCKS = ("vanilla_block", "res_basic_block", "res_bottleneck_block", "res_bottleneck_linear_block")


def _model(draw: st.DrawFn, family: str) -> dict[str, Any]:
    return {
        "TYPE": family,
        "NUM_CLASSES": draw(st.sampled_from([1, 2, 10, 101])),
        "ACTIVATION_FUN": draw(st.sampled_from(["relu", "silu", "swish", "gelu"])),
        "ACTIVATION_INPLACE": draw(st.booleans()),
    }


def _scaled(draw: st.DrawFn, model: dict[str, Any]) -> dict[str, Any]:
    if draw(st.booleans()):
        return model
    kind = draw(st.sampled_from(["dw", "d1_w8_g8_r1", "w", "r", "d1_w1_g1_r1"]))
    return {**model, "SCALING_TYPE": kind, "SCALING_FACTOR": draw(st.sampled_from([0.7, 1.5, 2.0]))}


def _several(draw: st.DrawFn, values: list[Any], count: int) -> list[Any]:
    return [draw(st.sampled_from(values)) for _ in range(count)]


@st.composite
def _anynet(draw: st.DrawFn) -> _Sections:
    stages = draw(st.integers(1, 4))
    block = draw(st.sampled_from(_BLOCKS))
    inner = "bottleneck" in block or draw(st.booleans())
    return {
        "MODEL": _scaled(draw, _model(draw, "anynet")),
        "ANYNET": {
            "STEM_TYPE": draw(st.sampled_from(_STEMS)),
            "STEM_W": draw(st.sampled_from([1, 8, 12, 24])),
            "BLOCK_TYPE": block,
            "DEPTHS": _several(draw, [1, 2, 3], stages),
            "WIDTHS": _several(draw, [8, 16, 24, 40, 56], stages),
            "STRIDES": _several(draw, [1, 2], stages),
            "BOT_MULS": _several(draw, [0.25, 0.5, 1.0, 2.0], stages) if inner else [],
            "GROUP_WS": _several(draw, [1, 4, 8, 16], stages) if inner else [],
            "SE_ON": draw(st.booleans()),
            "SE_R": draw(st.sampled_from([0.25, 0.5])),
            "HEAD_W": draw(st.sampled_from([0, 1, 24])),
        },
        "TRAIN": {"IM_SIZE": draw(st.sampled_from([32, 37, 64, 71]))},
    }


@st.composite
def _regnet(draw: st.DrawFn) -> _Sections:
    return {
        "MODEL": _scaled(draw, _model(draw, "regnet")),
        "REGNET": {
            "STEM_TYPE": draw(st.sampled_from(_STEMS)),
            "STEM_W": draw(st.sampled_from([8, 32])),
            "BLOCK_TYPE": draw(st.sampled_from(_BLOCKS)),
            "STRIDE": draw(st.sampled_from([1, 2])),
            "SE_ON": draw(st.booleans()),
            "SE_R": draw(st.sampled_from([0.1, 0.25])),
            "DEPTH": draw(st.integers(1, 8)),
            "W0": 8 * draw(st.integers(1, 8)),
            "WA": draw(st.floats(0, 40)),
            "WM": draw(st.floats(1.5, 3)),
            "GROUP_W": draw(st.sampled_from([1, 8, 16])),
            "BOT_MUL": draw(st.sampled_from([0.5, 1.0, 4.0])),
            "HEAD_W": draw(st.sampled_from([0, 40])),
        },
        "TRAIN": {"IM_SIZE": draw(st.sampled_from([33, 64, 75]))},
    }


@st.composite
def _resnet(draw: st.DrawFn) -> _Sections:
    model = _model(draw, "resnet")
    if draw(st.booleans()):
        keys = {"TRANS_FUN": "basic_transform"}
        train = {"DATASET": "cifar10", "IM_SIZE": draw(st.sampled_from([16, 32, 35]))}
        return {"MODEL": {**model, "DEPTH": draw(st.sampled_from([8, 14, 20]))}, "RESNET": keys, "TRAIN": train}
    return {
        "MODEL": {**model, "DEPTH": 50},
        "RESNET": {
            "TRANS_FUN": "bottleneck_transform",
            "NUM_GROUPS": draw(st.sampled_from([1, 2, 32])),
            "WIDTH_PER_GROUP": draw(st.sampled_from([1, 4, 64])),
            "STRIDE_1X1": draw(st.booleans()),
        },
        "TRAIN": {"IM_SIZE": draw(st.sampled_from([64, 97]))},
    }


@st.composite
def _effnet(draw: st.DrawFn) -> _Sections:
    stages = draw(st.integers(1, 4))
    return {
        "MODEL": _model(draw, "effnet"),
        "EN": {
            "STEM_W": draw(st.sampled_from([1, 16])),
            "DEPTHS": _several(draw, [1, 2, 3], stages),
            "WIDTHS": _several(draw, [1, 16, 24, 40], stages),
            "EXP_RATIOS": _several(draw, [1, 2, 4, 6], stages),
            "STRIDES": _several(draw, [1, 2], stages),
            "KERNELS": _several(draw, [1, 3, 5, 7], stages),
            "HEAD_W": draw(st.sampled_from([1, 32])),
            "SE_R": draw(st.sampled_from([0.0, 0.25, 0.5])),
            "DC_RATIO": draw(st.sampled_from([0.0, 0.2])),
            "DROPOUT_RATIO": draw(st.sampled_from([0.0, 0.2])),
        },
        "TRAIN": {"IM_SIZE": draw(st.sampled_from([33, 64]))},
    }


@st.composite
def _vit(draw: st.DrawFn) -> _Sections:
    heads, patch = draw(st.integers(1, 4)), draw(st.sampled_from([4, 8]))
    hidden = 8 * heads
    layers = {4: 2, 8: 3}[patch]
    conv = {
        "STEM_TYPE": "conv",
        "C_STEM_KERNELS": [3] * layers + [draw(st.sampled_from([1, 3]))],
        "C_STEM_STRIDES": [2] * layers + [1],
        "C_STEM_DIMS": [*_several(draw, [4, 6], layers), hidden],
    }
    return {
        "MODEL": _model(draw, "vit"),
        "VIT": {
            "PATCH_SIZE": patch,
            **(conv if draw(st.booleans()) else {}),
            "NUM_LAYERS": draw(st.integers(1, 4)),
            "NUM_HEADS": heads,
            "HIDDEN_DIM": hidden,
            "MLP_DIM": draw(st.sampled_from([1, 16, 40])),
            "CLASSIFIER_TYPE": draw(st.sampled_from(["token", "pooled"])),
        },
        "TRAIN": {"IM_SIZE": patch * draw(st.integers(1, 4))},
    }


@st.composite
def _nasbench201(draw: st.DrawFn) -> _Sections:
    edges = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
    model = {"TYPE": "nasbench201", "NUM_CLASSES": draw(st.sampled_from([10, 100]))}
    return {"MODEL": model, "NB201": {"OPS": _several(draw, edges, 6)}}


@st.composite
def _fbnet(draw: st.DrawFn) -> _Sections:
    return {
        "MODEL": {"TYPE": "fbnet", "NUM_CLASSES": draw(st.sampled_from([100, 1000]))},
        "FBNET": {"OPS": _several(draw, list(range(9)), FBNET_LAYERS)},
        "TRAIN": {"IM_SIZE": draw(st.sampled_from([97, 224]))},
    }


@st.composite
def _ofa(draw: st.DrawFn) -> _Sections:
    return {
        "MODEL": {"TYPE": "ofa_mobilenetv3"},
        "OFA": {
            "KERNELS": _several(draw, [3, 5, 7], 20),
            "EXPANSIONS": _several(draw, [3, 4, 6], 20),
            "DEPTHS": _several(draw, [2, 3, 4], 5),
            "RESOLUTION": draw(st.sampled_from([128, 176, 224])),
        },
    }


def _network(sections: _Sections) -> NetSpec:
    try:
        return to_spec(cfg_from_dict(sections))
    except ConfigError:  # widths that groups do not divide, an image that is too small
        assume(condition=False)
        raise


def _networks(sections: Callable[[], st.SearchStrategy[_Sections]]) -> st.SearchStrategy[NetSpec]:
    return sections().map(_network)


FAMILIES: dict[str, st.SearchStrategy[NetSpec]] = {
    "anynet": _networks(_anynet),
    "regnet": _networks(_regnet),
    "resnet": _networks(_resnet),
    "effnet": _networks(_effnet),
    "vit": _networks(_vit),
    "nasbench201": _networks(_nasbench201),
    "fbnet": _networks(_fbnet),
    "ofa_mobilenetv3": _networks(_ofa),
}
"""One strategy of networks per family: odd sizes, widths of 1, every option."""


def _workload(dtype: str, weights: bool, **words: Any) -> Workload:
    """One whose weights are in half precision, too, where that is asked for and the dtype is."""
    return Workload(dtype=dtype, weights=dtype if weights and dtype in HALVES else "", **words)


WORKLOADS: st.SearchStrategy[Workload] = st.builds(
    _workload,
    batch_size=st.sampled_from([1, 2, 3]),
    dtype=st.sampled_from(["float32", "tf32", "float16", "bfloat16"]),
    mode=st.sampled_from(["inference", "training"]),
    runtime=st.sampled_from(["eager", "compiled", "engine"]),
    layout=st.sampled_from(["nchw", "nhwc"]),
    optimizer=st.sampled_from(["sgd", "adamw"]),
    weights=st.booleans(),
) | st.builds(
    Workload,
    batch_size=st.sampled_from([1, 2]),
    dtype=st.sampled_from(["int8", "float8"]),
    runtime=st.just("engine"),
    layout=st.sampled_from(["nchw", "nhwc"]),
)
"""Every word of a workload."""


def runs(net: NetSpec, workload: Workload) -> bool:
    """Whether torch runs it: in training, batch norm refuses a single value per channel."""
    try:
        score(net, **workload.to_dict())
    except TraceError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        return False
    return True
