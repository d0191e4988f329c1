"""Cells on symbolic integers: what `oracle.closedform` stands on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv

from oracle.cells import make_cell
from oracle.spec import CellSpec
from tests.nightly import unless

TAIL: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
IMAGE = {"batch": 4, "height": 56, "width": 48}
BOTTLENECK = {"w_in": 24, "w_out": 32, "stride": 2, "w_b": 16, "groups": 4, "w_se": 6}
SAME = {"w_in": 32, "w_out": 32, "w_b": 16, "groups": 4, "w_se": 6}
MBCONV = {"w_in": 24, "w_exp": 72, "kernel": 5, "stride": 2, "w_se": 6, "w_out": 32}
ARCH = "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|"
NORM = {"bn_eps": 1e-5, "bn_momentum": 0.1}
FBNET = {"w_in": 24, "w_exp": 72, "kernel": 5, "stride": 2, "groups": 2, "w_out": 32}
OFA = {"w_in": 24, "w_exp": 72, "kernel": 5, "stride": 2, "w_se": 16, "w_out": 40}
TOKENIZER = {"w_in": 5, "hidden_dim": 64, "kernel": 8, "stride": 8}
SEQUENCE = {"batch": 4, "length": 43, "hidden_dim": 64}

# kind, symbolic arguments and sizes with the values they are traced at, fixed arguments, expected pins
CASES: list[tuple[str, dict[str, int], dict[str, Any], dict[str, str]]] = [
    ("simple_stem_in", {"w_in": 5, "w_out": 32, **IMAGE}, TAIL, {}),
    ("res_stem_in", {"w_in": 5, "w_out": 32, **IMAGE}, TAIL, {}),
    ("res_stem_cifar", {"w_in": 5, "w_out": 32, **IMAGE}, TAIL, {}),
    ("conv_bn_act", {"w_in": 5, "w_out": 32, "kernel": 3, "stride": 2, **IMAGE}, TAIL, {}),
    ("vit_tokenizer", {**TOKENIZER, "seq_len": 43, **IMAGE}, {"padding": 0, "class_token": True}, {}),
    ("vit_tokenizer", {**TOKENIZER, "seq_len": 42, **IMAGE}, {"padding": 0, "class_token": False}, {}),
    ("vit_encoder", {**SEQUENCE, "num_heads": 4, "mlp_dim": 256}, {"ln_eps": 1e-5}, {}),
    ("vit_head", {**SEQUENCE, "num_classes": 10}, {"class_token": True, "ln_eps": 1e-5}, {}),
    ("vit_head", {**SEQUENCE, "num_classes": 10}, {"class_token": False, "ln_eps": 1e-5}, {}),
    ("vanilla_block", {"w_in": 24, "w_out": 32, "stride": 2, **IMAGE}, TAIL, {}),
    ("res_basic_block", {"w_in": 24, "w_out": 32, "stride": 2, **IMAGE}, TAIL, {}),
    ("res_bottleneck_block", {**BOTTLENECK, **IMAGE}, {"stride_1x1": False, **TAIL}, {}),
    ("res_bottleneck_linear_block", {**BOTTLENECK, **IMAGE}, {"stride_1x1": True, **TAIL}, {}),
    ("mbconv", {**MBCONV, **IMAGE}, {"drop_connect": 0.0, **TAIL}, {}),
    ("head", {"w_in": 24, "head_w": 64, "num_classes": 10, **IMAGE}, {"dropout": 0.3, **TAIL}, {}),
    ("nasbench201_stem", {"w_in": 5, "w_out": 16, **IMAGE}, NORM, {}),
    ("nasbench201_cell", {"batch": 4, "height": 56, "width": 16}, {"arch": ARCH, **NORM}, {}),
    ("nasbench201_reduction", {"w_in": 24, "w_out": 32, **IMAGE}, NORM, {}),
    ("nasbench201_head", {"w_in": 24, "num_classes": 10, **IMAGE}, {"inplace": True, **NORM}, {}),
    ("fbnet_block", {**FBNET, **IMAGE}, TAIL, {}),
    ("fbnet_skip", {"w_in": 24, "w_out": 32, "stride": 2, **IMAGE}, TAIL, {}),
    ("ofa_block", {**OFA, **IMAGE}, TAIL | {"activation": "hardswish"}, {}),
    ("ofa_head", {"w_in": 24, "w_exp": 96, "head_w": 64, "num_classes": 10, **IMAGE}, TAIL, {}),
    # an identity shortcut and a missing expansion are the same network only where two widths are one
    ("res_bottleneck_block", SAME | IMAGE, {"stride": 1, "stride_1x1": False, **TAIL}, {"w_in": "w_out"}),
    ("mbconv", MBCONV | IMAGE | {"w_exp": 24}, {"drop_connect": 0.0, **TAIL}, {"w_in": "w_exp"}),
    ("mbconv", MBCONV | IMAGE | {"w_in": 32, "stride": 1}, {"drop_connect": 0.2, **TAIL},
     {"w_in": "w_out", "stride": "1"}),
]  # fmt: skip


def _input(values: dict[str, Any]) -> torch.Tensor:
    names = ("batch", "length", "hidden_dim") if "length" in values else ("batch", "w_in", "height", "width")
    if "arch" in values:  # a cell whose own parameter is called width
        names = ("batch", "width", "height", "height")
    return torch.empty([values[name] for name in names], device="meta", requires_grad=True)


def _cell(kind: str, values: dict[str, Any]) -> torch.nn.Module:
    sizes = {"batch", "length", "height", "width"} - ({"width"} if "arch" in values else set())
    return make_cell(CellSpec.make(kind, **{name: v for name, v in values.items() if name not in sizes}))


# The templates that ship are held against fresh traces of every kind (closedform/test_library.py); run always is what
# is special: integers that a network needs to be equal, and a sequence whose length comes of an image.
@pytest.mark.parametrize(
    ("kind", "hints", "fixed", "pins"), unless(lambda case: case in (CASES[4], CASES[-3], CASES[-1]), CASES)
)
def test_training_keeps_every_integer_symbolic(
    kind: str, hints: dict[str, int], fixed: dict[str, Any], pins: dict[str, str]
) -> None:
    from torch._dynamo.source import ConstantSource  # a second, which no other file needs

    env = ShapeEnv(specialize_zero_one=False, duck_shape=False)
    symbols, values = {}, dict(fixed)
    for name, hint in hints.items():
        source = ConstantSource(name)
        symbols[name] = env.create_symbol(
            hint, source, DimDynamic.DYNAMIC, constraint_dim=None, do_not_specialize_zero_one=True
        )
        values[name] = env.create_symintnode(symbols[name], hint=hint, source=source)
    with FakeTensorMode(shape_env=env, allow_non_fake_inputs=False):
        cell, x = _cell(kind, values), _input(values)
        out = cell(x)
        out.sum().backward()
        shapes = [list(out.shape)] + [list(p.shape) for p in cell.parameters()]
        assert x.grad is not None
        assert [list(p.grad.shape) for p in cell.parameters() if p.grad is not None] == shapes[1:]
    names = {symbol: name for name, symbol in symbols.items()}
    assert {names[old]: str(names.get(new, new)) for old, new in env.replacements.items() if old in names} == pins
    # the symbols describe the real cell: with other values put in, shapes are those of a cell built with them
    other = hints | {name: 2 * hint for name, hint in hints.items() if name not in ("kernel", "stride", "seq_len")}
    if "kernel" in hints and "seq_len" in hints:
        other |= {"kernel": 16, "stride": 16}  # as many tokens
    real = fixed | other
    cell = _cell(kind, real)
    expected = [list(cell(_input(real)).shape)] + [list(p.shape) for p in cell.parameters()]
    at = {symbol: other[name] for symbol, name in names.items()}

    def value(size: Any) -> int:
        return int(size.node.expr.xreplace(at)) if isinstance(size, torch.SymInt) else size

    assert [[value(size) for size in shape] for shape in shapes] == expected
