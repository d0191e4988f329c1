"""What holds for every family alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.config import cfg_from_dict, default_cfg, list_networks, load_cfg
from oracle.config.schema import LIST_ITEMS
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.spec import NetSpec
from tests.each import each

# What each kind of cell is made from: the contract with oracle.cells.
NORM = ["bn_eps", "bn_momentum"]
TAIL = ["activation", "inplace", *NORM]
STEM = ["w_in", "w_out", *TAIL]
PLAIN = ["w_in", "w_out", "stride", *TAIL]
BOTTLENECK = ["w_in", "w_out", "stride", "w_b", "groups", "w_se", "stride_1x1", *TAIL]
PARAMETERS = {
    "simple_stem_in": STEM,
    "res_stem_in": STEM,
    "res_stem_cifar": STEM,
    "conv_bn_act": ["w_in", "w_out", "kernel", "stride", *TAIL],
    "vit_tokenizer": ["w_in", "hidden_dim", "kernel", "stride", "padding", "seq_len", "class_token"],
    "vit_encoder": ["hidden_dim", "num_heads", "mlp_dim", "ln_eps"],
    "vit_head": ["hidden_dim", "num_classes", "class_token", "ln_eps"],
    "vanilla_block": PLAIN,
    "res_basic_block": PLAIN,
    "res_bottleneck_block": BOTTLENECK,
    "res_bottleneck_linear_block": BOTTLENECK,
    "mbconv": ["w_in", "w_exp", "kernel", "stride", "w_se", "w_out", "drop_connect", *TAIL],
    "head": ["w_in", "head_w", "num_classes", "dropout", *TAIL],
    "nasbench201_stem": ["w_in", "w_out", *NORM],
    "nasbench201_cell": ["width", "arch", *NORM],
    "nasbench201_reduction": ["w_in", "w_out", *NORM],
    "nasbench201_head": ["w_in", "num_classes", "inplace", *NORM],
    "fbnet_block": ["w_in", "w_exp", "kernel", "stride", "groups", "w_out", *TAIL],
    "fbnet_skip": ["w_in", "w_out", "stride", *TAIL],
    "ofa_block": ["w_in", "w_exp", "kernel", "stride", "w_se", "w_out", *TAIL],
    "ofa_head": ["w_in", "w_exp", "head_w", "num_classes", *TAIL],
}
ARCH = "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|"
FLAGS = {"inplace", "stride_1x1", "class_token"}
FLOATS = {"bn_eps", "bn_momentum", "ln_eps", "drop_connect", "dropout"}
MAY_BE_ZERO = {"w_se", "head_w", "padding"}


def check(net: NetSpec) -> None:
    """A spec is final: the parameters of the contract, plain Python numbers, widths that chain."""
    assert net.input_shape[0] == 3
    assert net.input_shape[1] == net.input_shape[2] > 0
    assert hash(net) == hash(NetSpec(net.cells, net.input_shape))
    for cell in net.cells:
        assert list(cell.kwargs) == PARAMETERS[cell.kind]
        for name, value in cell.params:
            if name == "activation":
                assert value in ("relu", "silu", "gelu", "hardswish")
            elif name == "arch":
                assert re.fullmatch(r"\|\w+~0\|\+\|\w+~0\|\w+~1\|\+\|\w+~0\|\w+~1\|\w+~2\|", value)
            elif name in FLAGS:
                assert type(value) is bool
            elif name in FLOATS:
                assert type(value) is float
            else:
                assert type(value) is int
                assert value >= (0 if name in MAY_BE_ZERO else 1)
    if not any("vit" in cell.kind for cell in net.cells):
        params = [cell.kwargs for cell in net.cells]
        entering = [own["w_in"] if "w_in" in own else own["width"] for own in params]
        leaving = [own["w_out"] if "w_out" in own else own["width"] for own in params[:-1]]
        assert entering == [3, *leaving]


# Those of images; what decoders keep is in test_decoder.py.
IMAGES = [name for name in list_networks() if load_cfg(name).MODEL.TYPE != "decoder"]


@each({name: name for name in IMAGES})
def test_a_shipped_network_keeps_the_contract(name: str) -> None:
    net = to_spec(load_cfg(name))

    check(net)
    assert net.name == name


@pytest.mark.parametrize("kind", ["", "resnext", "ViT", "transformer"])
def test_an_unknown_family_lists_the_known(kind: str) -> None:
    known = "anynet, decoder, effnet, fbnet, nasbench201, ofa_mobilenetv3, regnet, resnet, vit"
    with pytest.raises(ConfigError, match=known) as caught:
        to_spec(cfg_from_dict({"MODEL": {"TYPE": kind}}))
    assert caught.value.key == "MODEL.TYPE"


@pytest.mark.parametrize(
    ("word", "meant"),
    [("relu", "relu"), ("ReLU", "relu"), ("silu", "silu"), ("swish", "silu"), ("GELU", "gelu")],
)
def test_activations_have_one_name_each(word: str, meant: str) -> None:
    assert to_spec(load_cfg("RegNetX-200MF", ["MODEL.ACTIVATION_FUN", word])).cells[1]["activation"] == meant


def test_an_unknown_activation_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="relu, silu, swish, gelu") as caught:
        to_spec(load_cfg("RegNetX-200MF", ["MODEL.ACTIVATION_FUN", "mish"]))
    assert caught.value.key == "MODEL.ACTIVATION_FUN"


def test_the_name_is_for_people_only() -> None:
    named = to_spec(load_cfg("ResNet-50", ["COST.NAME", "mine"]))

    assert named.name == "mine"
    assert named == to_spec(load_cfg("ResNet-50"))


# Random configs, near enough to sense that a good part of them are networks.


BASES: dict[str, dict[str, Any]] = {
    "anynet": {},
    "effnet": {},
    "fbnet": {},
    "nasbench201": {"NB201.ARCH": ARCH},
    "ofa_mobilenetv3": {},
    "regnet": {},
    "resnet": {"MODEL.DEPTH": 50, "RESNET.TRANS_FUN": "bottleneck_transform"},
    "vit": {},
}
ITEMS: dict[str, list[Any]] = {
    "DEPTHS": [1, 1, 1, 2, 3, 0],
    "WIDTHS": [8, 16, 16, 24, 64, 1000, 7],
    "STRIDES": [1, 1, 1, 2, 2, 2, 3],
    "BOT_MULS": [0.25, 0.5, 1.0, 1.0, 1.0, 4.0, 0.3, 1e15],
    "GROUP_WS": [1, 1, 2, 4, 8, 8, 16, 7],
    "EXP_RATIOS": [1.0, 1.0, 4.0, 6.0, 6.0, 2.5, 1e-300],
    "KERNELS": [3, 3, 3, 5, 5, 7, 4],
    "C_STEM_KERNELS": [3, 3, 3, 1],
    "C_STEM_STRIDES": [1, 2, 2, 4],
    "C_STEM_DIMS": [24, 48, 768],
}


def lists(items: Sequence[Any], length: int) -> st.SearchStrategy[Any]:
    return st.lists(st.sampled_from(items), min_size=length, max_size=length)


# Lists of a length of their own.
CHOSEN: dict[str, st.SearchStrategy[Any]] = {
    "NB201.OPS": st.just([]) | lists(["none", "skip_connect", "conv"], 6),
    "FBNET.OPS": lists(range(9), 22) | lists(range(10), 21),
    "OFA.KERNELS": lists([3, 5, 7], 20) | lists([5], 1),
    "OFA.EXPANSIONS": lists([3, 4, 6, 5], 1),
    "OFA.DEPTHS": lists([2, 3, 4], 5) | lists([2, 5], 1),
}
SECTIONS = {"effnet": "EN", "nasbench201": "NB201", "ofa_mobilenetv3": "OFA"}
SIZES = [0, 1, 2, 3, 4, 8, 12, 16, 32, 48, 50, 64, 110, 224, 1000, 2**20, 2**31, 2**53]
RATIOS = [0.0, 1e-300, 0.1, 0.25, 0.5, 0.99, 1.0, 1.5, 2.0, 2.5, 6.0, 100.0, 1e15]
WORDS = (
    "relu swish gelu tanh simple_stem_in res_stem_in res_stem_cifar vanilla_block res_basic_block "
    "res_bottleneck_block res_bottleneck_linear_block basic_transform bottleneck_transform cifar10 "
    "patchify conv token pooled d1_w8_g8_r1 dw r g w0 x"
).split()
STAGES = st.shared(st.integers(0, 4), key="stages")  # one length, so that lists agree


def values(key: str, default: Any) -> st.SearchStrategy[Any]:
    if key in CHOSEN:
        return CHOSEN[key]
    if isinstance(default, list):
        items = st.sampled_from(ITEMS[key.split(".")[1]])
        return STAGES.flatmap(lambda n: st.lists(items, min_size=n, max_size=n))
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, str):
        return st.sampled_from([default, *WORDS])
    return st.sampled_from(SIZES) if isinstance(default, int) else st.sampled_from(RATIOS) | st.floats(0, 100)


def overrides(family: str) -> st.SearchStrategy[dict[str, Any]]:
    """All lists, and a few more keys of the family: few, so that errors do not hide one another."""
    sections = (SECTIONS.get(family, family.upper()), "MODEL", "TRAIN", "BN", "LN")
    keys = {f"{section}.{name}": default for section in sections for name, default in default_cfg()[section].items()}
    mine = {key: values(key, default) for key, default in keys.items() if key != "MODEL.TYPE"}
    lists = {key: strategy for key, strategy in mine.items() if key in LIST_ITEMS}
    chosen = st.lists(st.sampled_from(sorted(mine.keys() - lists)), max_size=3, unique=True)
    return chosen.flatmap(lambda names: st.fixed_dictionaries(lists | {name: mine[name] for name in names}))


@pytest.mark.parametrize("family", BASES)
@given(data=st.data())
def test_any_config_is_a_sound_network_or_a_config_error(family: str, data: st.DataObject) -> None:
    keys = BASES[family] | data.draw(overrides(family))
    cfg = cfg_from_dict({"MODEL": {"TYPE": family}}, [part for pair in keys.items() for part in pair])
    complaint = None
    try:
        check(to_spec(cfg))
    except ConfigError as error:
        complaint = error
    if complaint:
        section, name = complaint.key.split(".")
        assert name in cfg[section]
        assert len(str(complaint)) < 1000


def test_a_name_is_no_config() -> None:
    with pytest.raises(ConfigError, match=r"'R-56': expected a config; `oracle.load_cfg` makes one"):
        to_spec("R-56")


@pytest.mark.parametrize(
    ("section", "name", "value", "words"),
    [
        ("REGNET", "DEPHT", 14, "REGNET.DEPHT: unknown key; did you mean REGNET.DEPTH?"),
        ("COST", "BATCH_SIZ", 64, "COST.BATCH_SIZ: unknown key; did you mean COST.BATCH_SIZE?"),
        ("TRAIN", "IM_SIZE", "big", "TRAIN.IM_SIZE: value 'big' of type str: expected an integer"),
    ],
)
def test_what_is_put_into_a_config_by_hand_is_checked(section: str, name: str, value: Any, words: str) -> None:
    cfg = load_cfg("RegNetX-400MF").clone()
    cfg.defrost()
    cfg[section][name] = value
    with pytest.raises(ConfigError, match=re.escape(words)):
        to_spec(cfg)
