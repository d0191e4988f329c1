"""The keys of a config and their defaults: pycls's names for the network, `COST` for the workload."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from oracle.spec import CELL_NAMES, DTYPES, ENGINES, GENERIC, LAYOUTS, MODES, RUNTIMES, WEIGHTS

if TYPE_CHECKING:
    from yacs.config import CfgNode

# Training-only keys and sections of pycls: they load in any shape and are kept, but no cost depends on them.
TRAINING_ONLY = frozenset(
    "TEST DATA_LOADER CUDNN PREC_TIME LAUNCH FSDP DESC VERBOSE NUM_GPUS MAX_GPUS_PER_NODE OUT_DIR CFG_DEST "
    "RNG_SEED LOG_DEST LOG_PERIOD DIST_BACKEND HOST PORT_RANGE DOWNLOAD_CACHE".split()
)

# Keys that pycls itself has retired; they are dropped, so that what we write loads there too.
IGNORED = frozenset(
    "MEM PORT OPTIM.GAMMA PREC_TIME.BATCH_SIZE PREC_TIME.ENABLED TRAIN.EVAL_PERIOD TRAIN.CHECKPOINT_PERIOD".split()
)

# Sections of which we read these keys; the others are training's, in any shape.
OPEN_SECTIONS = {"TRAIN": ("IM_SIZE", "DATASET"), "OPTIM": ("OPTIMIZER",)}

# yacs does not look inside lists; we do.
LIST_ITEMS: dict[str, type] = {
    "ANYNET.DEPTHS": int,
    "ANYNET.WIDTHS": int,
    "ANYNET.STRIDES": int,
    "ANYNET.BOT_MULS": float,
    "ANYNET.GROUP_WS": int,
    "EN.DEPTHS": int,
    "EN.WIDTHS": int,
    "EN.EXP_RATIOS": float,
    "EN.STRIDES": int,
    "EN.KERNELS": int,
    "VIT.C_STEM_KERNELS": int,
    "VIT.C_STEM_STRIDES": int,
    "VIT.C_STEM_DIMS": int,
    "NB201.OPS": str,
    "FBNET.OPS": int,
    "OFA.KERNELS": int,
    "OFA.EXPANSIONS": int,
    "OFA.DEPTHS": int,
    "DECODER.WINDOWS": int,
    "DECODER.MIXERS": str,
    "DECODER.LAYER_HEADS": int,
    "DECODER.LAYER_KV_HEADS": int,
    "DECODER.LAYER_FF": int,
    "COST.DEVICES": str,
}

# Keys that hold words by names that a file chooses: what a name is, with examples for messages, and the words.
MAPPINGS: dict[str, tuple[re.Pattern[str], str, tuple[str, ...]]] = {
    "COST.DTYPES": (CELL_NAMES, "a stage or cell, such as stem, s3, s3_b1, block or head", DTYPES),
}

CHOICES: dict[str, tuple[str, ...]] = {
    "COST.DTYPE": DTYPES,
    "COST.MODE": MODES,
    "COST.RUNTIME": RUNTIMES,
    "COST.ENGINE": ENGINES,
    "COST.LAYOUT": LAYOUTS,
    "COST.WEIGHTS": WEIGHTS,
    "COST.PHASE": ("prefill", "decode", "training"),
    "COST.KV_DTYPE": ("", "float8", "int8"),
    "COST.LOGITS": ("last", "all"),
    "DECODER.ACTIVATION": ("gelu", "gelu_tanh", "relu", "silu", "silu_clamped"),
    "DECODER.NORM": ("layer", "rms"),
    "DECODER.PARALLEL": ("", "one", "two"),
    "DECODER.ROUTER": ("softmax", "softmax_all", "sigmoid"),
}


CALL_WORDS = ("phase", "prompt", "past", "kv_dtype", "kv_block", "logits", "parallel")
"""What of a sequence a decoder works on, and on how many GPUs: keys of the COST section in lower case, which decide its
spec."""


# Keys whose default depends on MODEL.TYPE: the images and classes that a measured space is defined with.
FAMILY_DEFAULTS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "nasbench201": (("TRAIN", "IM_SIZE", 32), ("MODEL", "NUM_CLASSES", 10)),
    "fbnet": (("TRAIN", "IM_SIZE", 224), ("MODEL", "NUM_CLASSES", 1000)),
    "ofa_mobilenetv3": (("TRAIN", "IM_SIZE", 224), ("MODEL", "NUM_CLASSES", 1000)),
}


# Section -> key -> default; read only, for nothing is copied before somebody needs it. What each means stands in
# `oracle.config.descriptions`, which only those who show it read.
DEFAULTS: dict[str, dict[str, Any]] = {
    "MODEL": {
        "TYPE": "",
        "DEPTH": 0,
        "NUM_CLASSES": 10,
        "LOSS_FUN": "cross_entropy",
        "ACTIVATION_FUN": "relu",
        "ACTIVATION_INPLACE": True,
        "SCALING_TYPE": "",
        "SCALING_FACTOR": 1.0,
    },
    "RESNET": {
        "TRANS_FUN": "basic_transform",
        "NUM_GROUPS": 1,
        "WIDTH_PER_GROUP": 64,
        "STRIDE_1X1": True,
    },
    "ANYNET": {
        "STEM_TYPE": "simple_stem_in",
        "STEM_W": 32,
        "BLOCK_TYPE": "res_bottleneck_block",
        "DEPTHS": [],
        "WIDTHS": [],
        "STRIDES": [],
        "BOT_MULS": [],
        "GROUP_WS": [],
        "HEAD_W": 0,
        "SE_ON": False,
        "SE_R": 0.25,
    },
    "REGNET": {
        "STEM_TYPE": "simple_stem_in",
        "STEM_W": 32,
        "BLOCK_TYPE": "res_bottleneck_block",
        "STRIDE": 2,
        "SE_ON": False,
        "SE_R": 0.25,
        "DEPTH": 10,
        "W0": 32,
        "WA": 5.0,
        "WM": 2.5,
        "GROUP_W": 16,
        "BOT_MUL": 1.0,
        "HEAD_W": 0,
    },
    "EN": {
        "STEM_W": 32,
        "DEPTHS": [],
        "WIDTHS": [],
        "EXP_RATIOS": [],
        "SE_R": 0.25,
        "STRIDES": [],
        "KERNELS": [],
        "HEAD_W": 1280,
        "DC_RATIO": 0.0,
        "DROPOUT_RATIO": 0.0,
    },
    "VIT": {
        "PATCH_SIZE": 16,
        "STEM_TYPE": "patchify",
        "C_STEM_KERNELS": [],
        "C_STEM_STRIDES": [],
        "C_STEM_DIMS": [],
        "NUM_LAYERS": 12,
        "NUM_HEADS": 12,
        "HIDDEN_DIM": 768,
        "MLP_DIM": 3072,
        "CLASSIFIER_TYPE": "token",
    },
    "NB201": {
        "ARCH": "",
        "OPS": [],
    },
    "FBNET": {
        "OPS": [],
    },
    "OFA": {
        "KERNELS": [],
        "EXPANSIONS": [],
        "DEPTHS": [],
        "RESOLUTION": 0,
    },
    "DECODER": {
        "VOCAB": 32000,
        "LAYERS": 12,
        "WIDTH": 768,
        "HEADS": 12,
        "KV_HEADS": 0,
        "HEAD_DIM": 0,
        "FF": 3072,
        "ACTIVATION": "silu",
        "GATED": True,
        "NORM": "rms",
        "POST_NORM": False,
        "QK_NORM": False,
        "ROTARY": 1.0,
        "POSITIONS": 0,
        "QKV_BIAS": False,
        "OUT_BIAS": False,
        "MLP_BIAS": False,
        "HEAD_BIAS": False,
        "PARALLEL": "",
        "TIED": False,
        "SCALED": False,
        "SINKS": False,
        "SOFTCAP": False,
        "WINDOWS": [],
        "MIXERS": [],
        "OUT_GATE": False,
        "LINEAR_HEADS": 0,
        "LINEAR_KEY_HEADS": 0,
        "LINEAR_KEY_DIM": 0,
        "LINEAR_VALUE_DIM": 0,
        "LINEAR_KERNEL": 4,
        "CONTEXT": 0,
        "Q_RANK": 0,
        "KV_RANK": 0,
        "NOPE_DIM": 0,
        "ROPE_DIM": 0,
        "V_DIM": 0,
        "INDEX_HEADS": 0,
        "INDEX_DIM": 0,
        "INDEX_TOPK": 0,
        "MTP_LAYERS": 0,
        "EXPERTS": 0,
        "EXPERTS_PER_TOKEN": 2,
        "EXPERT_FF": 0,
        "SHARED_FF": 0,
        "SHARED_GATE": False,
        "ROUTER": "softmax",
        "EXPERT_GROUPS": 1,
        "GROUPS_PER_TOKEN": 1,
        "DENSE_LAYERS": 0,
        "LAYER_HEADS": [],
        "LAYER_KV_HEADS": [],
        "LAYER_FF": [],
    },
    "BN": {
        "EPS": 1e-5,
        "MOM": 0.1,
        "USE_PRECISE_STATS": True,
        "NUM_SAMPLES_PRECISE": 8192,
        "ZERO_INIT_FINAL_GAMMA": False,
        "USE_CUSTOM_WEIGHT_DECAY": False,
        "CUSTOM_WEIGHT_DECAY": 0.0,
    },
    "LN": {
        "EPS": 1e-5,
        "USE_CUSTOM_WEIGHT_DECAY": False,
        "CUSTOM_WEIGHT_DECAY": 0.0,
    },
    "TRAIN": {
        "IM_SIZE": 224,
        "DATASET": "",
    },
    "OPTIM": {
        "OPTIMIZER": "sgd",
    },
    "COST": {
        "NAME": "",
        "BATCH_SIZE": 1,
        "DTYPE": "float32",
        "DTYPES": {},
        "MODE": "inference",
        "RUNTIME": "eager",
        "ENGINE": GENERIC,
        "THREADS": 0,
        "HOST": "",
        "CUDA_GRAPHS": False,
        "LAYOUT": "nchw",
        "WEIGHTS": "",
        "PHASE": "prefill",
        "PROMPT": 512,
        "PAST": 0,
        "KV_DTYPE": "",
        "KV_BLOCK": 16,
        "LOGITS": "last",
        "PARALLEL": {"TP": 1, "PP": 1, "EP": 1},
        "DEVICES": [],
    },
}


def default_values(family: str = "") -> dict[str, dict[str, Any]]:
    """Every key we own at its default, as plain sections that may be changed; their lists are shared.

    Args:
        family: the MODEL.TYPE whose defaults are wanted; the key itself stays empty.
    """
    sections = {section: dict(keys) for section, keys in DEFAULTS.items()}
    for section, name, value in FAMILY_DEFAULTS.get(family, ()):
        sections[section][name] = value
    return sections


def default_cfg(family: str = "") -> CfgNode:
    """Make a new config with every key at its default; no two calls share anything.

    Args:
        family: the MODEL.TYPE whose defaults are wanted, where they differ; the key itself stays empty.

    Examples:
        >>> import oracle
        >>> oracle.default_cfg().COST.BATCH_SIZE
        1
    """
    from oracle.config.nodes import node_of

    return node_of(default_values(family), frozen=False)
