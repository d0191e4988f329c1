from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import nn

from oracle.cells import cell_arguments, cell_kinds, cell_role, make_cell, register_cell, registry
from oracle.errors import ConfigError, OracleError
from oracle.spec import CellSpec

TAIL: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
BOTTLENECK: dict[str, Any] = {
    "w_in": 8, "w_out": 16, "stride": 2, "w_b": 8, "groups": 2, "w_se": 2, "stride_1x1": False, **TAIL,
}  # fmt: skip
ARCH = "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|"
# one of every kind, its arguments in the order of the table that families and cells agreed on
CELLS: dict[str, dict[str, Any]] = {
    "conv_bn_act": {"w_in": 3, "w_out": 8, "kernel": 3, "stride": 2, **TAIL},
    "fbnet_block": {"w_in": 8, "w_exp": 8, "kernel": 3, "stride": 1, "groups": 2, "w_out": 8, **TAIL},
    "fbnet_skip": {"w_in": 8, "w_out": 16, "stride": 2, **TAIL},
    "head": {"w_in": 8, "head_w": 16, "num_classes": 10, "dropout": 0.5, **TAIL},
    "mbconv": {
        "w_in": 8, "w_exp": 16, "kernel": 3, "stride": 1, "w_se": 2, "w_out": 8, "drop_connect": 0.5, **TAIL,
    },
    "nasbench201_cell": {"width": 8, "arch": ARCH, "bn_eps": 1e-5, "bn_momentum": 0.1},
    "nasbench201_head": {"w_in": 8, "num_classes": 10, "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1},
    "nasbench201_reduction": {"w_in": 8, "w_out": 16, "bn_eps": 1e-5, "bn_momentum": 0.1},
    "nasbench201_stem": {"w_in": 3, "w_out": 8, "bn_eps": 1e-5, "bn_momentum": 0.1},
    "ofa_block": {"w_in": 8, "w_exp": 16, "kernel": 3, "stride": 1, "w_se": 8, "w_out": 8, **TAIL},
    "ofa_head": {"w_in": 8, "w_exp": 16, "head_w": 32, "num_classes": 10, **TAIL},
    "res_basic_block": {"w_in": 8, "w_out": 16, "stride": 2, **TAIL},
    "res_bottleneck_block": BOTTLENECK,
    "res_bottleneck_linear_block": BOTTLENECK,
    "res_stem_cifar": {"w_in": 3, "w_out": 8, **TAIL},
    "res_stem_in": {"w_in": 3, "w_out": 8, **TAIL},
    "simple_stem_in": {"w_in": 3, "w_out": 8, **TAIL},
    "vanilla_block": {"w_in": 8, "w_out": 16, "stride": 2, **TAIL},
    "vit_encoder": {"hidden_dim": 8, "num_heads": 2, "mlp_dim": 16, "ln_eps": 1e-5},
    "vit_head": {"hidden_dim": 8, "num_classes": 10, "class_token": True, "ln_eps": 1e-5},
    "vit_tokenizer": {
        "w_in": 3, "hidden_dim": 8, "kernel": 4, "stride": 4, "padding": 0, "seq_len": 5, "class_token": True,
    },
}  # fmt: skip
every_kind = pytest.mark.parametrize("kind", CELLS)


def test_these_are_the_kinds() -> None:
    assert tuple(CELLS) == tuple(kind for kind in cell_kinds() if not kind.startswith(("test_", "decoder_")))


@every_kind
def test_arguments_are_the_agreed_ones(kind: str) -> None:
    assert cell_arguments(kind) == tuple(CELLS[kind])


@every_kind
def test_a_cell_costs_no_memory_whatever_the_default_device(kind: str) -> None:
    with torch.device("cpu"):
        cell = make_cell(CellSpec.make(kind, **CELLS[kind]))
    tensors = [*cell.parameters(), *cell.buffers()]
    assert tensors
    assert all(tensor.is_meta for tensor in tensors)


@every_kind
def test_layers_are_plain_and_new(kind: str) -> None:
    one, two = (make_cell(CellSpec.make(kind, **CELLS[kind])) for _ in range(2))
    leaves = [part for part in one.modules() if not list(part.children())]
    ours = {type(leaf).__name__ for leaf in leaves if not inspect.getfile(type(leaf)).startswith(torch.__path__[0])}
    assert ours <= {"DropConnect", "Zero"}  # the leaves that torch does not have
    assert all(getattr(nn, type(leaf).__name__) is type(leaf) for leaf in leaves if type(leaf).__name__ not in ours)
    assert not set(one.modules()) & set(two.modules())


@every_kind
def test_nothing_is_initialised(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError

    for layer in (nn.Conv2d, nn.Linear, nn.LayerNorm, nn.BatchNorm2d):
        monkeypatch.setattr(layer, "reset_parameters", refuse)
    with pytest.raises(AssertionError):
        nn.Conv2d(1, 1, 1)
    assert list(make_cell(CellSpec.make(kind, **CELLS[kind])).parameters())


def test_roles() -> None:
    assert [cell_role(kind) for kind in ("conv_bn_act", "vit_encoder", "vit_head")] == [
        "stem",
        "block",
        "head",
    ]


def test_an_unknown_kind_lists_the_kinds_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"kind='res_basic_blok'.*simple_stem_in.*mean 'res_basic_block'\?"):
        make_cell(CellSpec.make("res_basic_blok"))


def test_wrong_arguments_are_named_beside_the_right_ones() -> None:
    given = CELLS["vit_encoder"].items() - {("mlp_dim", 16)}
    with pytest.raises(ConfigError, match=r"missing mlp_dim; unexpected mlp_dmi; .* hidden_dim, num_heads, mlp_dim"):
        make_cell(CellSpec.make("vit_encoder", mlp_dmi=16, **dict(given)))


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("res_bottleneck_block", {"groups": 3}, "divisible by groups"),
        ("res_bottleneck_block", {"groups": 0}, "groups must be a positive integer"),
        ("res_basic_block", {"w_out": -4}, "w_out=-4"),
        ("res_basic_block", {"w_out": 10**30}, "w_out=1000"),
        ("res_basic_block", {"w_out": "wide"}, "w_out='wide'"),
        ("simple_stem_in", {"activation": "tanh"}, "activation='tanh': expected one of relu, silu, gelu"),
        ("head", {"dropout": 1.5}, "dropout=1.5"),
        ("mbconv", {"drop_connect": 1.0}, "drop_connect=1.0: expected a probability in"),
        ("vit_encoder", {"num_heads": 3}, "num_heads=3: expected a divisor of hidden_dim=8"),
        ("vit_encoder", {"num_heads": 0}, "num_heads=0: expected a divisor of hidden_dim=8"),
    ],
)
def test_impossible_values_are_config_errors(kind: str, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_cell(CellSpec.make(kind, **CELLS[kind] | change))


def test_a_user_registers_a_kind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_CELLS", dict(registry._CELLS))
    kind = "classes_to_shares"
    register_cell(kind, role="head")(nn.Softmax)
    assert type(make_cell(CellSpec.make(kind, dim=1))) is nn.Softmax
    assert cell_role(kind) == "head"
    with pytest.raises(OracleError, match="already registered"):
        register_cell(kind)(nn.Softmax)


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(OracleError, match=r"role='tail' .* expected one of stem, block, head"):
        register_cell("some_kind", role="tail")
