"""The keys of a config and their defaults: pycls's names for the network, `COST` for the workload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracle.spec import DTYPES, ENGINES, GENERIC, LAYOUTS, MODES, RUNTIMES, WEIGHTS

if TYPE_CHECKING:
    from yacs.config import CfgNode

__all__ = [
    "CHOICES",
    "DEFAULTS",
    "FAMILY_DEFAULTS",
    "IGNORED",
    "LIST_ITEMS",
    "OPEN_SECTIONS",
    "TRAINING_ONLY",
    "default_cfg",
    "default_values",
]

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
    "DECODER.LAYER_HEADS": int,
    "DECODER.LAYER_KV_HEADS": int,
    "DECODER.LAYER_FF": int,
    "COST.DEVICES": str,
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
    "DECODER.ACTIVATION": ("gelu", "gelu_tanh", "relu", "silu"),
    "DECODER.NORM": ("layer", "rms"),
    "DECODER.PARALLEL": ("", "one", "two"),
}


# Keys whose default depends on MODEL.TYPE: the images and classes that a measured space is defined with.
FAMILY_DEFAULTS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "nasbench201": (("TRAIN", "IM_SIZE", 32), ("MODEL", "NUM_CLASSES", 10)),
    "fbnet": (("TRAIN", "IM_SIZE", 224), ("MODEL", "NUM_CLASSES", 1000)),
    "ofa_mobilenetv3": (("TRAIN", "IM_SIZE", 224), ("MODEL", "NUM_CLASSES", 1000)),
}


# Section -> key -> default; read only, for nothing is copied before somebody needs it.
DEFAULTS: dict[str, dict[str, Any]] = {
    "MODEL": {
        "TYPE": "",  # anynet, regnet, resnet, effnet, vit, nasbench201, fbnet, ofa_mobilenetv3, decoder
        "DEPTH": 0,  # resnet only
        "NUM_CLASSES": 10,
        "LOSS_FUN": "cross_entropy",
        "ACTIVATION_FUN": "relu",  # relu, silu (swish), gelu
        "ACTIVATION_INPLACE": True,
        "SCALING_TYPE": "",  # "d1_w8_g8_r1", "dw", ...; see oracle.families.scaling
        "SCALING_FACTOR": 1.0,
    },
    "RESNET": {
        "TRANS_FUN": "basic_transform",  # or bottleneck_transform
        "NUM_GROUPS": 1,
        "WIDTH_PER_GROUP": 64,
        "STRIDE_1X1": True,  # stride on the first 1x1 of a bottleneck, not on its 3x3
    },
    "ANYNET": {
        "STEM_TYPE": "simple_stem_in",
        "STEM_W": 32,
        "BLOCK_TYPE": "res_bottleneck_block",
        # One entry per stage; empty BOT_MULS and GROUP_WS: the block has neither.
        "DEPTHS": [],
        "WIDTHS": [],
        "STRIDES": [],
        "BOT_MULS": [],
        "GROUP_WS": [],
        "HEAD_W": 0,  # width of a 1x1 convolution before pooling, 0 for none
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
        "W0": 32,  # first width
        "WA": 5.0,  # slope of the widths
        "WM": 2.5,  # step of their quantisation
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
        "DC_RATIO": 0.0,  # drop-connect probability
        "DROPOUT_RATIO": 0.0,
    },
    "VIT": {
        "PATCH_SIZE": 16,
        "STEM_TYPE": "patchify",  # or conv
        "C_STEM_KERNELS": [],
        "C_STEM_STRIDES": [],
        "C_STEM_DIMS": [],
        "NUM_LAYERS": 12,
        "NUM_HEADS": 12,
        "HIDDEN_DIM": 768,
        "MLP_DIM": 3072,
        "CLASSIFIER_TYPE": "token",  # or pooled
    },
    "NB201": {
        "ARCH": "",  # |op~0|+|op~0|op~1|+|op~0|op~1|op~2|; see oracle.families.nasbench201
        "OPS": [],  # instead of ARCH: its six operations in order, which a space can sample
    },
    "FBNET": {
        "OPS": [],  # 22 numbers from 0 to 8; see oracle.families.fbnet
    },
    "OFA": {
        # Four entries per stage (DEPTHS: one), or one for all; see oracle.families.ofa_mobilenetv3.
        "KERNELS": [],  # 3, 5, 7
        "EXPANSIONS": [],  # 3, 4, 6
        "DEPTHS": [],  # 2, 3, 4
        "RESOLUTION": 0,  # from 128 to 224; 0: TRAIN.IM_SIZE
    },
    "DECODER": {  # see oracle.families.decoder
        "VOCAB": 32000,
        "LAYERS": 12,
        "WIDTH": 768,
        "HEADS": 12,
        "KV_HEADS": 0,  # of keys and values; 0: as many as HEADS
        "HEAD_DIM": 0,  # elements of a head; 0: WIDTH / HEADS
        "FF": 3072,  # width between the two products of a feed-forward half
        "ACTIVATION": "silu",  # gelu, gelu_tanh, relu
        "GATED": True,  # the activation is of a gate that multiplies: SwiGLU, GeGLU
        "NORM": "rms",  # or layer
        "POST_NORM": False,  # what a half adds is normalised, too
        "QK_NORM": False,  # queries and keys are normalised head by head
        "ROTARY": 1.0,  # the part of a head that rotary positions turn; 0 for none
        "POSITIONS": 0,  # rows of a learned table of positions; 0 for none
        "QKV_BIAS": False,
        "OUT_BIAS": False,
        "MLP_BIAS": False,
        "HEAD_BIAS": False,
        "PARALLEL": "",  # one, two: both halves of a layer read the same tokens, with so many norms
        "TIED": False,  # the scores' product has the table of the embedding
        "SCALED": False,  # embeddings are multiplied by sqrt(WIDTH)
        "SINKS": False,  # a learned score per head beside those of its keys
        "SOFTCAP": False,  # scores of attention and of tokens are capped
        "WINDOWS": [],  # how many of the latest tokens a layer sees, layer by layer, again and again; 0 for all
        "CONTEXT": 0,  # most tokens of a sequence; 0: no limit is known
        "EXPERTS": 0,  # of a layer; 0 for one feed-forward half that all tokens take
        "EXPERTS_PER_TOKEN": 2,
        "EXPERT_FF": 0,  # 0: FF
        "SHARED_FF": 0,  # width of an expert that all tokens go to; 0 for none
        "SHARED_GATE": False,
        "DENSE_LAYERS": 0,  # first layers that have FF, and no experts
        # One entry per layer where there are any: a layer's own, 0 where it has no such half.
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
        "DATASET": "",  # a resnet or fbnet is the CIFAR kind when this contains "cifar"
    },
    "OPTIM": {
        "OPTIMIZER": "sgd",  # or adamw; the cost of a training step depends on it
    },
    "COST": {
        "NAME": "",  # label of the network in results; load_cfg fills in the file's stem
        "BATCH_SIZE": 1,
        "DTYPE": "float32",
        "MODE": "inference",
        "RUNTIME": "eager",
        "ENGINE": GENERIC,  # one that is named brings RUNTIME: engine along
        "THREADS": 0,  # of a processor; 0: as many as its stated peak needs
        "LAYOUT": "nchw",
        # float16 or bfloat16, as DTYPE: a network in half precision, which is not autocast; int8, float8 or int4: an
        # engine keeps the weights of products quantised.
        "WEIGHTS": "",
        # Of decoders: what of a sequence a call works on, and what a cache holds it in; see oracle.families.decoder.
        "PHASE": "prefill",  # of PROMPT tokens after PAST; decode: of one token after PAST, or else PROMPT; training
        "PROMPT": 512,
        "PAST": 0,
        "KV_DTYPE": "",  # float8, int8; "": the type that is computed in
        "KV_BLOCK": 16,  # tokens of a page of the cache
        "LOGITS": "last",  # or all
        "DEVICES": [],  # names of shipped devices or paths of device files
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
    """A new config holding every key we own at its default; nothing is shared between two calls.

    Args:
        family: as in `default_values`.
    """
    from oracle.config.nodes import node_of

    return node_of(default_values(family), frozen=False)
