"""Networks and workloads that the shipped templates are made of.

Small networks of every family, chosen so that together they have every structure of every cell, under every workload
whose templates are stored. `tests.benchmarks.templates.making` traces them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import gcd
from typing import Any

from oracle.config import cfg_from_dict
from oracle.counting.fusion.engines import RULES
from oracle.families import to_spec
from oracle.spec import GENERIC, NetSpec, Workload

BATCH = 2
"""Images, or sequences, per call: the smallest number that is no constant to torch."""

_ACTIVATIONS = (("relu", True), ("relu", False), ("silu", True), ("silu", False), ("gelu", False))
_BLOCKS = ("vanilla_block", "res_basic_block", "res_bottleneck_block", "res_bottleneck_linear_block")
_PATCHES = (2, 4, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 56, 64)
_ONE_GROUP = -1
_DECODER = "decoder"
_BLOCK = 16
_STEMS = ("simple_stem_in", "res_stem_in", "res_stem_cifar")
_Sections = dict[str, dict[str, Any]]


def workloads() -> Iterator[Workload]:
    """Every workload whose templates are stored; those that share traces one after the other."""
    for layout, mode, dtype in product(("nchw", "nhwc"), ("inference", "training"), ("float32", "float16")):
        for optimizer in ("sgd", "adamw") if mode == "training" else ("sgd",):
            for runtime in Workload(mode=mode).runtimes:
                words: dict[str, Any] = {"batch_size": BATCH, "layout": layout, "mode": mode, "optimizer": optimizer}
                named = (layout, mode, runtime) == ("nchw", "inference", "engine")  # of other layouts on demand
                engines = (GENERIC, *RULES) if named else (GENERIC,)
                for engine in dict.fromkeys(engines):
                    yield Workload(**words, dtype=dtype, runtime=runtime, engine=engine)
                    if (mode, dtype, runtime) == ("inference", "float32", "engine"):
                        yield Workload(**words, dtype="int8", runtime=runtime, engine=engine)


def workloads_of(name: str) -> Iterator[Workload]:
    """Those whose templates are stored for some of `networks`.

    Of decoders: the usual layout, no named engine, and the mode that their phases are of.
    """
    for workload in workloads():
        usual = workload.layout == "nchw" and workload.engine == GENERIC
        if not name.startswith(_DECODER) or (usual and workload.mode == name.split()[1]):
            yield workload


def networks() -> dict[str, list[NetSpec]]:
    """Networks by family and activation; together they have every structure of every cell."""
    blocks = [net for block in _BLOCKS for net in _blocks(block)]
    found: dict[str, list[NetSpec]] = dict(_decoders())
    for sections in _ends() + blocks + _resnets() + _effnets() + _vits() + _fbnets() + _ofas() + _nasbench201s():
        model = sections["MODEL"]
        kind = sections.get("ANYNET", sections.get("RESNET", {})).get("BLOCK_TYPE", "")
        name = " ".join(
            (model["TYPE"], kind, str(model.get("ACTIVATION_FUN", "")), str(model.get("ACTIVATION_INPLACE", "")))
        )
        found.setdefault(name, []).append(to_spec(cfg_from_dict(sections)))
    return found


def _model(family: str, activation: str = "relu", inplace: bool = True, **more: Any) -> dict[str, Any]:
    return {"TYPE": family, "ACTIVATION_FUN": activation, "ACTIVATION_INPLACE": inplace, **more}


def _anynet(model: Mapping[str, Any], image: int, **section: Any) -> _Sections:
    return {"MODEL": dict(model), "ANYNET": section, "TRAIN": {"IM_SIZE": image}}


def _ends() -> list[_Sections]:
    """Stems and heads, of large images and of such as leave a pixel."""
    plain = {"BLOCK_TYPE": "vanilla_block", "STEM_W": 8, "DEPTHS": [1], "STRIDES": [2], "WIDTHS": [16]}
    return [
        _anynet(_model("anynet", *act, NUM_CLASSES=classes), image, STEM_TYPE=stem, HEAD_W=head_w, **plain)
        for act in _ACTIVATIONS
        for stem, image, (head_w, classes) in product(_STEMS, (64, 8), ((0, 10), (24, 10), (0, 1), (24, 1)))
        if image == 64 or act[1]
    ]


def _blocks(block: str) -> list[_Sections]:
    """Strided or not, between equal and other widths, with all kinds of groups; the last one repeated, or not."""
    inner = "bottleneck" in block
    shapes: tuple[dict[str, Any], ...] = (
        {"DEPTHS": [2, 2, 1, 1], "STRIDES": [2, 1, 2, 1], "WIDTHS": [32, 48, 48, 96], "STEM_W": 24},
        {"DEPTHS": [2, 2], "STRIDES": [2, 2], "WIDTHS": [32, 96], "STEM_W": 24},
    )
    groups = (8, 16, 1, _ONE_GROUP) if inner else (0,)  # of 8 and of 16: engines lay out whole blocks otherwise
    found = []
    for act, image, shape in product(_ACTIVATIONS, (64, 8), shapes):
        if image == 8 and not act[1]:
            continue  # a pixel, of networks that are in use
        for se_on, group_w in product((False, True) if inner else (False,), groups):
            if group_w == _BLOCK and image < 64:
                continue
            section: dict[str, Any] = {"BLOCK_TYPE": block, **shape}
            if inner:
                section |= {"SE_ON": se_on, "BOT_MULS": [1.0, 0.5, 1.0, 1.0][: len(shape["DEPTHS"])]}
                widths = [int(w * b) for w, b in zip(shape["WIDTHS"], section["BOT_MULS"], strict=True)]
                section["GROUP_WS"] = widths if group_w == _ONE_GROUP else [gcd(group_w, w) for w in widths]
            found.append(_anynet(_model("anynet", *act), image, **section))
    return found


def _resnets() -> list[_Sections]:
    """Blocks whose first 1 x 1 convolution carries the stride."""
    return [
        {
            "MODEL": _model("resnet", *act, DEPTH=50),
            "RESNET": {
                "TRANS_FUN": "bottleneck_transform",
                "NUM_GROUPS": groups,
                "WIDTH_PER_GROUP": width,
                "STRIDE_1X1": True,
            },
            "TRAIN": {"IM_SIZE": image},
        }
        for act in _ACTIVATIONS
        for image, (groups, width) in product((64, 32), ((1, 64), (32, 4)))
        if image == 64 or act == ("relu", True)
    ]


def _effnets() -> list[_Sections]:
    shapes: tuple[dict[str, Any], ...] = (
        {
            "DEPTHS": [2, 2, 1, 1, 1, 1],
            "WIDTHS": [24, 32, 32, 48, 48, 96],
            "EXP_RATIOS": [1, 4, 1, 4, 4, 4],
            "STRIDES": [1, 2, 2, 1, 2, 1],
        },
        {"DEPTHS": [2, 2], "WIDTHS": [24, 48], "EXP_RATIOS": [4, 4], "STRIDES": [2, 2]},
        {"DEPTHS": [2, 2], "WIDTHS": [24, 48], "EXP_RATIOS": [1, 1], "STRIDES": [2, 2]},
    )
    found = []
    for act, kernel, se_ratio, drop, (image, shape) in product(
        _ACTIVATIONS, (1, 3, 5, 7), (0.25, 0.0), (0.0, 0.2), ((64, 0), (16, 0), (8, 1), (8, 2))
    ):
        if (drop or image < 64 or kernel == 1) and not act[1]:
            continue
        section = shapes[shape] | {
            "STEM_W": 16,
            "KERNELS": [kernel] * len(shapes[shape]["DEPTHS"]),
            "SE_R": se_ratio,
            "HEAD_W": 40,
            "DC_RATIO": drop,
            "DROPOUT_RATIO": drop,
        }
        found.append({"MODEL": _model("effnet", *act), "EN": section, "TRAIN": {"IM_SIZE": image}})
    return found


def _vits() -> list[_Sections]:
    conv = {"STEM_TYPE": "conv", "C_STEM_STRIDES": [2, 1, 2, 1], "C_STEM_DIMS": [12, 24, 24, 64]}
    requested: list[tuple[int, bool, dict[str, Any]]] = [
        *((3 * patch, True, {"PATCH_SIZE": patch, "NUM_HEADS": heads}) for patch, heads in product(_PATCHES, (4, 1))),
        (16, True, {"PATCH_SIZE": 16, "NUM_HEADS": 4}),  # one patch
        *(
            (32, inplace, {"PATCH_SIZE": 4, "NUM_HEADS": 4, "C_STEM_KERNELS": [3, 3, 3, kernel], **conv})
            for kernel, inplace in product((1, 3), (True, False))
        ),
    ]
    sizes = {"NUM_LAYERS": 2, "HIDDEN_DIM": 64, "MLP_DIM": 96}
    return [
        {
            "MODEL": _model("vit", "relu", inplace),
            "VIT": {**sizes, "CLASSIFIER_TYPE": classifier, **section},
            "TRAIN": {"IM_SIZE": image},
        }
        for image, inplace, section in requested
        for classifier in ("token", "pooled")
    ]


def _fbnets() -> list[_Sections]:
    """Every operation at every layer, of images and of CIFAR's."""
    return [
        {
            "MODEL": {"TYPE": "fbnet", "ACTIVATION_INPLACE": inplace},
            "FBNET": {"OPS": [operation] * 22},
            "TRAIN": {"IM_SIZE": image, "DATASET": dataset},
        }
        for operation, inplace, (image, dataset) in product(
            range(9), (True, False), ((96, "imagenet"), (32, "cifar10"), (32, "imagenet"))
        )
        if inplace or image == 96
    ]


def _ofas() -> list[_Sections]:
    return [
        {
            "MODEL": {"TYPE": "ofa_mobilenetv3", "ACTIVATION_INPLACE": inplace},
            "OFA": {"KERNELS": [kernel], "EXPANSIONS": [4], "DEPTHS": [3], "RESOLUTION": 128},
        }
        for kernel, inplace in product((3, 5, 7), (True, False))
    ]


_LAYER_NORMED: dict[str, Any] = {"NORM": "layer", "GATED": False, "HEAD_BIAS": False, "ROTARY": 0.0}
_BIASED: dict[str, Any] = {"QKV_BIAS": True, "OUT_BIAS": True, "MLP_BIAS": True}
_GEMMA: dict[str, Any] = {"ACTIVATION": "gelu_tanh", "SCALED": True, "TIED": True, "POST_NORM": True}
_LATENT: dict[str, Any] = {"KV_RANK": 28, "NOPE_DIM": 16, "ROPE_DIM": 8, "V_DIM": 12, "EXPERTS": 8, "SHARED_FF": 80}
_GROUPED: dict[str, Any] = {"EXPERT_GROUPS": 4, "GROUPS_PER_TOKEN": 2}
_LINEAR: dict[str, Any] = {"LINEAR_HEADS": 10, "LINEAR_KEY_HEADS": 5, "LINEAR_KEY_DIM": 14, "LINEAR_VALUE_DIM": 9}
_INDEX: dict[str, Any] = {**_LATENT, "ROUTER": "sigmoid", "Q_RANK": 24, "INDEX_HEADS": 4, "INDEX_DIM": 10}
_DECODERS: dict[str, dict[str, Any]] = {
    "llama": {},
    "tied": {"TIED": True},
    "qwen2": {"QKV_BIAS": True},
    "qwen3": {"QK_NORM": True},
    "biased": dict(_BIASED),
    "gemma2": {**_GEMMA, "SOFTCAP": True},
    "gemma3": {**_GEMMA, "QK_NORM": True},
    "gpt2": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "gelu_tanh", "TIED": True, "POSITIONS": 64},
    "opt": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "relu", "TIED": True, "POSITIONS": 64},
    "neox": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "gelu", "PARALLEL": "two", "ROTARY": 0.5},
    "phi": {**_LAYER_NORMED, **_BIASED, "ACTIVATION": "gelu_tanh", "PARALLEL": "one", "ROTARY": 0.5, "HEAD_BIAS": True},
    "mixtral": {"EXPERTS": 8},
    "qwen2_moe": {"QKV_BIAS": True, "EXPERTS": 8, "SHARED_FF": 80, "SHARED_GATE": True},
    "qwen3_moe": {"QK_NORM": True, "EXPERTS": 8},
    "gpt_oss": {**_BIASED, "ACTIVATION": "silu_clamped", "SINKS": True, "EXPERTS": 8},
    "deepseek_v2_lite": {**_LATENT, "ROUTER": "softmax_all"},
    "deepseek_v2": {**_LATENT, "Q_RANK": 24, "ROUTER": "softmax_all", **_GROUPED},
    "kimi_k2": {**_LATENT, "Q_RANK": 24, "ROUTER": "sigmoid"},
    "deepseek_v3": {**_LATENT, "Q_RANK": 24, "ROUTER": "sigmoid", **_GROUPED},
    "deepseek_v32": {**_INDEX, "INDEX_TOPK": 20},
    "deepseek_v32_all": {**_INDEX, "INDEX_TOPK": 64},
    "qwen3_next": {**_LINEAR, "MIXERS": ["linear", "full", "full"], "OUT_GATE": True, "QK_NORM": True},
    "minimax_m2": {"ROUTER": "sigmoid", "EXPERTS": 8},
}
_SHARED_OUT = (
    "mixtral",
    "qwen2_moe",
    "gpt_oss",
    "deepseek_v2_lite",
    "deepseek_v2",
    "kimi_k2",
    "deepseek_v3",
    "minimax_m2",
)
_CALLS: dict[str, dict[str, Any]] = {
    "prefill": {"PHASE": "prefill", "PROMPT": 24},
    "decode": {"PHASE": "decode", "PAST": 40},
    "chunk": {"PHASE": "prefill", "PROMPT": 8, "PAST": 24},
    "all": {"PHASE": "prefill", "PROMPT": 24, "LOGITS": "all"},
    "training": {"PHASE": "training", "PROMPT": 24},
}


_WINDOWED = ("llama", "gemma2", "gemma3", "gpt_oss")
_SEVERAL_KV_HEADS = ("tied", "gpt2", "opt", "neox", "phi", "biased")  # of all others a GPU of several may have one


def _decoders() -> Iterator[tuple[str, list[NetSpec]]]:
    """Decoders of every structure, by structure and by whether they train; a window is one of 16 tokens."""
    halves: dict[str, Any] = {"LAYER_HEADS": [6, 0, 6], "LAYER_FF": [112, 112, 0]}
    for name, keys in _DECODERS.items():
        sizes: dict[str, Any] = {"VOCAB": 96, "LAYERS": 3, "WIDTH": 48, "HEADS": 6, "HEAD_DIM": 20, "FF": 112}
        shared = [{"TP": 2, "PP": 1, "EP": 2}] if name in _SHARED_OUT else []
        shared += [{"TP": tp, "PP": pp} for tp, pp in ((2, 1), (2, 2), (1, 2))] if name == "mixtral" else []
        shared += [{"TP": 2, "PP": 2, "EP": 2}] if name == "mixtral" else []
        sizes |= {} if "PARALLEL" in keys else halves
        if name == "tied":  # whose layers are those of others
            sizes |= {"LAYERS": 1, "LAYER_HEADS": [0], "LAYER_FF": [112]}
        groups = (
            [(3, 0)]
            + [(1, 0)] * (name not in _SEVERAL_KV_HEADS and "KV_RANK" not in keys)
            + [(3, 16)] * (name in _WINDOWED)
        )
        groups += [(1, 16)] * (name in ("gemma3", "gpt_oss"))
        for trains in (False,) if {"SINKS", "SOFTCAP", "INDEX_TOPK"} & set(keys) else (False, True):
            nets = []
            for call, kv_dtype, (kv_heads, window) in product(_CALLS, ("", "float8"), groups):
                if (call == "training") != trains or (kv_dtype and call in ("all", "training")):
                    continue
                if call == "all" and (kv_heads, window) != groups[0]:
                    continue
                section = {**sizes, **keys, "KV_HEADS": kv_heads, "WINDOWS": [window] if window else []}
                cost = {**_CALLS[call], "KV_DTYPE": kv_dtype, "KV_BLOCK": 7}
                nets.append(_decoder(section, cost))
                if kv_heads == 3 and not window and not kv_dtype:
                    lone = {"LAYERS": 2, "LAYER_HEADS": [0] * 2, "LAYER_FF": [112] * 2}  # heads are those above
                    nets += [_decoder({**section, **lone}, {**cost, "PARALLEL": parallel}) for parallel in shared]
            yield f"{_DECODER} {'training' if trains else 'inference'} {name}", nets


def _decoder(section: dict[str, Any], cost: dict[str, Any]) -> NetSpec:
    return to_spec(cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": section, "COST": cost}))


def _nasbench201s() -> list[_Sections]:
    """Its stem, reductions and head; cells are composed of other parts."""
    return [
        {
            "MODEL": {"TYPE": "nasbench201", "ACTIVATION_INPLACE": inplace},
            "NB201": {"OPS": ["nor_conv_3x3"] * 6},
            "TRAIN": {"IM_SIZE": 32},
        }
        for inplace in (True, False)
    ]
