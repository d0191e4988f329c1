from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from oracle.build import Network, build, initialise
from oracle.cells import cell_role, make_cell
from oracle.config import load_cfg
from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec
from oracle.naming import cell_names
from oracle.spec import CellSpec, NetSpec

RELU: dict[str, Any] = {"activation": "relu", "inplace": True, "bn_eps": 1e-5, "bn_momentum": 0.1}
SILU: dict[str, Any] = RELU | {"activation": "silu"}


def bottlenecks(w_in: int, stages: Any, group_w: int, bot_mul: float, tail: dict[str, Any]) -> Iterator[CellSpec]:
    for depth, w_out, first_stride in stages:
        for j in range(depth):
            w_b = int(w_out * bot_mul)
            yield CellSpec.make(
                "res_bottleneck_block",
                w_in=w_in, w_out=w_out, stride=1 if j else first_stride,
                w_b=w_b, groups=w_b // (group_w or w_b), w_se=0, stride_1x1=False, **tail,
            )  # fmt: skip
            w_in = w_out


def head(w_in: int, head_w: int = 0, dropout: float = 0.0, tail: dict[str, Any] = RELU) -> CellSpec:
    return CellSpec.make("head", w_in=w_in, head_w=head_w, num_classes=1000, dropout=dropout, **tail)


def resnet50() -> NetSpec:
    stages = [(3, 256, 1), (4, 512, 2), (6, 1024, 2), (3, 2048, 2)]
    stem = CellSpec.make("res_stem_in", w_in=3, w_out=64, **RELU)
    return NetSpec((stem, *bottlenecks(64, stages, 0, 0.25, RELU), head(2048)), (3, 224, 224))


def regnetx_400mf() -> NetSpec:
    stages = [(1, 32, 2), (2, 64, 2), (7, 160, 2), (12, 384, 2)]
    stem = CellSpec.make("simple_stem_in", w_in=3, w_out=32, **RELU)
    return NetSpec((stem, *bottlenecks(32, stages, 16, 1.0, RELU), head(384)), (3, 224, 224))


def efficientnet_b0() -> NetSpec:
    cells, w_in = [CellSpec.make("simple_stem_in", w_in=3, w_out=32, **SILU)], 32
    # table 1 of arXiv 1905.11946: expansion, width, layers, stride, kernel
    rows = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
            (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]  # fmt: skip
    for expansion, w_out, layers, first_stride, kernel in rows:
        for j in range(layers):
            inner = {"w_in": w_in, "w_exp": w_in * expansion, "w_se": w_in // 4, "w_out": w_out}
            stride = 1 if j else first_stride
            cells.append(CellSpec.make("mbconv", kernel=kernel, stride=stride, drop_connect=0.2, **inner, **SILU))
            w_in = w_out
    return NetSpec((*cells, head(320, 1280, 0.2, SILU)), (3, 224, 224))


def vit(hidden_dim: int, layers: int, heads: int) -> NetSpec:
    tokenizer = CellSpec.make(
        "vit_tokenizer",
        w_in=3, hidden_dim=hidden_dim, kernel=16, stride=16, padding=0, seq_len=197, class_token=True,
    )  # fmt: skip
    encoder = CellSpec.make("vit_encoder", hidden_dim=hidden_dim, num_heads=heads, mlp_dim=4 * hidden_dim, ln_eps=1e-6)
    end = CellSpec.make("vit_head", hidden_dim=hidden_dim, num_classes=1000, class_token=True, ln_eps=1e-6)
    return NetSpec((tokenizer, *[encoder] * layers, end), (3, 224, 224))


def tiny() -> NetSpec:
    stem = CellSpec.make("simple_stem_in", w_in=3, w_out=8, **RELU)
    return NetSpec((stem, *bottlenecks(8, [(2, 16, 2)], 8, 1.0, RELU), head(16)), (3, 16, 16))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("spec", "params"),
    [  # published parameter counts: pycls's model zoo; ViT-B/16 of arXiv 2010.11929 as torchvision has it
        (resnet50(), 25_557_032),
        (regnetx_400mf(), 5_157_512),
        (efficientnet_b0(), 5_288_548),
        (vit(768, 12, 12), 86_567_656),
    ],
    ids=["ResNet-50", "RegNetX-400MF", "EfficientNet-B0", "ViT-B/16"],
)
def test_known_networks(spec: NetSpec, params: int) -> None:
    net = build(spec)
    assert count(net) == params
    assert net(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1000)


def test_shipped_networks_have_the_tabled_parameters(shared_data: Path) -> None:
    names = {"EN-": "EfficientNet-", "R-": "ResNet-", "X-": "ResNeXt-"}  # the table's and ours

    def ours(name: str) -> str:
        family, _, rest = name.partition("-")
        return (names.get(f"{family}-", f"{family}-") + rest).removesuffix("-1x64d")

    with (shared_data / "pycls_complexity.csv").open(encoding="utf-8") as table:
        tabled = {ours(row["network"]): int(row["params"]) for row in csv.DictReader(table)}
    assert tabled
    assert {name: count(build(to_spec(load_cfg(name)))) for name in tabled} == tabled


def test_a_hundred_billion_parameters_take_no_memory() -> None:
    net = build(vit(12288, 56, 96))
    assert count(net) == 101_501_744_104
    assert all(tensor.is_meta for tensor in (*net.parameters(), *net.buffers()))
    assert net(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)


def test_to_empty_runs_a_real_forward() -> None:
    out = build(tiny()).to_empty(device="cpu")(torch.zeros(2, 3, 16, 16))
    assert out.shape == (2, 1000)
    assert out.device.type == "cpu"


def test_children_are_the_cells_in_order() -> None:
    spec = tiny()
    net = build(spec)
    assert net.spec is spec
    assert len(list(net.children())) == len(spec.cells)
    assert [str(child) for child in net.children()] == [str(make_cell(cell)) for cell in spec.cells]
    real = initialise(net, seed=0).eval()
    x = y = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    for name in ("stem", "s1_b1", "s1_b2", "head"):
        y = real.get_submodule(name)(y)
    assert torch.equal(real(x), y)


def test_names_follow_stages() -> None:
    assert cell_names(resnet50(), cell_role) == (
        "stem",
        *[f"s{i}_b{j}" for i, depth in enumerate((3, 4, 6, 3), 1) for j in range(1, depth + 1)],
        "head",
    )


def test_names_without_stages() -> None:
    layer = CellSpec.make("conv_bn_act", w_in=3, w_out=3, kernel=3, stride=2, **RELU)
    spec = vit(64, 2, 2)
    assert cell_names(spec, cell_role) == ("stem", "block1", "block2", "head")
    assert cell_names(NetSpec((layer, *spec.cells), (3, 32, 32)), cell_role)[:3] == ("stem1", "stem2", "block1")


def test_nothing_to_build() -> None:
    with pytest.raises(ConfigError, match="expected at least one cell"):
        build(NetSpec((), (3, 32, 32)))
    with pytest.raises(ConfigError, match="kind='nonsense'"):
        build(NetSpec((CellSpec.make("nonsense"),), (3, 32, 32)))


def test_a_seed_fixes_the_weights_and_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    one, two, other = (initialise(build(tiny()), seed=seed).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["stem.conv.weight"], other["stem.conv.weight"])


def test_without_a_seed_weights_come_from_the_global_generator() -> None:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(3)
        one, two = (initialise(build(tiny())).state_dict() for _ in range(2))
        torch.manual_seed(3)
        again = initialise(build(tiny())).state_dict()
    assert torch.equal(one["stem.conv.weight"], again["stem.conv.weight"])
    assert not torch.equal(one["stem.conv.weight"], two["stem.conv.weight"])


def test_initialise_equals_torchs_own_initialisation() -> None:
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(5)
        theirs = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Linear(8, 2)).state_dict()
    with torch.device("meta"):
        module = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Linear(8, 2))
    ours = initialise(module, seed=5)
    assert ours is module
    assert all(torch.equal(value, theirs[name]) for name, value in ours.state_dict().items())


def test_initialised_networks_compute_finite_numbers_and_gradients() -> None:
    net = initialise(build(tiny()), seed=0)
    net(torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    assert any(p.grad is not None and p.grad.any() for p in net.get_submodule("stem").parameters())


def test_initialise_moves_to_the_device() -> None:
    assert all(tensor.is_meta for tensor in initialise(build(tiny()), device="meta", seed=0).parameters())


def test_tensors_that_nobody_resets_are_an_error_not_garbage() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1))

    with pytest.raises(OracleError, match="cannot initialise 1: expected a method reset_parameters"):
        initialise(nn.Sequential(nn.ReLU(), Scale()))
    kept = Scale()
    with pytest.raises(OracleError, match="cannot initialise Scale"):
        initialise(kept)
    assert kept.gain.item() == 1


def test_threads_build_and_initialise_the_same_network() -> None:
    def work(_: int) -> Network:
        return initialise(build(tiny()), seed=1)

    with ThreadPoolExecutor(8) as pool:
        states = [net.state_dict() for net in pool.map(work, range(16))]
    assert all(torch.equal(state[name], states[0][name]) for state in states for name in states[0])


def test_a_name_or_a_config_stands_for_its_network() -> None:
    cfg = load_cfg("R-56")
    assert build("R-56").spec == build(cfg).spec == to_spec(cfg)
