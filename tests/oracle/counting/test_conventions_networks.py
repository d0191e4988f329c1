"""Each convention against its tool, network by network; pycls' against its published table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import thop
import torch
import torch.nn.functional as F
from fvcore.nn import ActivationCountAnalysis, FlopCountAnalysis, jit_analysis, parameter_count
from ptflops import get_model_complexity_info
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from oracle._resources import shipped
from oracle.build import build
from oracle.config import list_networks, load_cfg
from oracle.counting.conventions import CONVENTIONS, Recount, recount
from oracle.counting.networks import trace_whole
from oracle.errors import WorkloadError
from oracle.families import to_spec
from oracle.query import score, score_many
from oracle.spec import NetSpec, Workload
from tests.nightly import unless

# Cells are shared within a family, so that one network of each finds what a convention misses; nightly, all are asked.
# RegNetY's blocks are RegNetX's with squeeze and excitation, ResNeXt's are ResNet's with groups.
_ALWAYS = {
    *("EfficientNet-B0", "FBNet-C", "NB201-ResNet", "OFA-D2-E3-K3", "R-56", "RegNetY-400MF"),
    *("ResNeXt-50-32x4d", "ViT-S-16"),
}
_DECODERS = [name for name, path in shipped("networks").items() if path.parent.name == "decoder"]
every_network = pytest.mark.parametrize(
    "name",
    unless(_ALWAYS.__contains__, [name for name in list_networks() if name not in _DECODERS]),
)
every_decoder = pytest.mark.parametrize(
    "name", unless({"DeepSeek-V2-Lite", "GPT-2", "Gemma-3-1B", "Llama-3.2-1B", "Mixtral-8x7B"}.__contains__, _DECODERS)
)
one_per_family = pytest.mark.parametrize(
    "name", ["EfficientNet-B0", "R-56", "RegNetY-400MF", "ResNeXt-50-32x4d", "ViT-S-16"]
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def spec(name: str) -> NetSpec:
    return to_spec(load_cfg(name))


def counted(name: str, convention: str, **workload: Any) -> Recount:
    """What `oracle.score` says: the sum over the cells of a network."""
    cost = score(spec(name), convention=convention, **workload)
    return Recount(cost.macs, cost.flops, cost.params, cost.activations)


def image(name: str, device: str) -> Tensor:
    return torch.zeros(1, *spec(name).input_shape, device=device)


def on_cpu(name: str) -> nn.Module:
    """The real module; the pages of large weights that nobody wrote are zeros and take no memory."""
    return build(spec(name)).to_empty(device="cpu").eval()


@every_network
def test_fvcore(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # On meta the tracer never meets aten::_convolution, so a real forward it is; both analyses read one.
    module, inputs = on_cpu(name), (image(name, "cpu"),)
    flops, activations = FlopCountAnalysis(module, inputs), ActivationCountAnalysis(module, inputs)
    graph = jit_analysis._get_scoped_trace_graph(module, inputs, flops._aliases)
    monkeypatch.setattr(jit_analysis, "_get_scoped_trace_graph", lambda *_: graph)
    expected = Recount(
        macs=flops.unsupported_ops_warnings(False).total(),
        params=parameter_count(module)[""],
        activations=activations.unsupported_ops_warnings(False).total(),
    )
    assert counted(name, "fvcore") == expected


@every_network
def test_ptflops(name: str) -> None:
    # Not on meta: there torch's own shape functions are written in Python and call what ptflops has replaced.
    macs, params = get_model_complexity_info(
        on_cpu(name), spec(name).input_shape, as_strings=False, print_per_layer_stat=False
    )
    assert counted(name, "ptflops") == Recount(macs=macs, params=params)


@every_network
def test_thop(name: str) -> None:
    macs, params = thop.profile(build(spec(name)), (image(name, "meta"),), verbose=False)
    assert counted(name, "thop") == Recount(macs=macs, params=params)


@every_decoder
def test_torch_and_thop_of_decoders(name: str) -> None:
    """Two layers and a small vocabulary: the rest repeats."""
    small = {"DECODER.LAYERS": 2, "DECODER.VOCAB": 300, "COST.DTYPE": "float32", "COST.WEIGHTS": ""}
    keys = small | {"COST.PHASE": "prefill", "COST.PROMPT": 16}
    cfg = load_cfg(name, [item for pair in keys.items() for item in pair])
    tokens = torch.zeros(1, 16, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter:
        build(to_spec(cfg)).eval()(tokens)
    assert score(cfg, convention="torch").flops == counter.get_total_flops()
    ours = score(cfg, convention="thop")
    assert (ours.macs, ours.params) == thop.profile(build(to_spec(cfg)).eval(), (tokens,), verbose=False)


@pytest.mark.parametrize("name", ["Mixtral-8x7B", "Qwen3-Next-80B-A3B"])
@pytest.mark.parametrize("phase", ["prefill", "training"])
def test_torch_of_decoders_whose_kernels_stand_for_products(name: str, phase: str) -> None:
    """Experts, and linear attention in two whole chunks and a part of one."""
    keys = {"DECODER.LAYERS": 2, "DECODER.VOCAB": 300, "COST.DTYPE": "float32", "COST.WEIGHTS": ""}
    keys |= {"COST.PHASE": phase, "COST.PROMPT": 150}
    cfg = load_cfg(name, [item for pair in keys.items() for item in pair])
    tokens = torch.zeros(1, 150, dtype=torch.long, device="meta")
    module = build(to_spec(cfg)).train(phase == "training")
    with FlopCounterMode(display=False) as counter:
        logits = module(tokens)
        if phase == "training":
            torch.autograd.backward(F.cross_entropy(logits.flatten(0, -2), tokens[0]))
    assert score(cfg, convention="torch").flops == counter.get_total_flops()


def test_columns_have_no_chunks_of_linear_attention_as_torch_counts_them() -> None:
    with pytest.raises(WorkloadError, match="of decoders with linear attention: expected pycls"):
        score_many([load_cfg("Qwen3-Next-80B-A3B")], convention="torch")


@every_network
def test_torch(name: str) -> None:
    with FlopCounterMode(display=False) as counter:
        scores = build(spec(name))(image(name, "meta"))
        forward = counter.get_total_flops()
        target = torch.zeros(1, dtype=torch.long, device="meta")
        torch.autograd.backward(F.cross_entropy(scores, target))
    both = counter.get_total_flops()
    assert counted(name, "torch") == Recount(macs=forward // 2, flops=forward)
    assert counted(name, "torch", mode="training") == Recount(macs=both // 2, flops=both)


@one_per_family
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_cells_add_up_to_the_whole(name: str, mode: str) -> None:
    whole = trace_whole(spec(name), Workload(mode=mode))
    for convention in CONVENTIONS:
        assert counted(name, convention, mode=mode) == recount(whole, convention)


@one_per_family
def test_batches(name: str) -> None:
    for convention in CONVENTIONS:
        one, four = counted(name, convention), counted(name, convention, batch_size=4)
        assert four.params == one.params
        if convention == "ptflops":  # divides what modules count by the batch, but not what functions count
            assert one.macs is not None
            assert four.macs is not None
            assert one.macs < four.macs < 4 * one.macs
        else:
            assert four.macs == (None if one.macs is None else 4 * one.macs)
            assert four.flops == (None if one.flops is None else 4 * one.flops)
            assert four.activations == (None if one.activations is None else 4 * one.activations)


def test_pycls(shared_data: Path) -> None:
    with (shared_data / "pycls_complexity.csv").open(newline="") as file:
        expected = {
            our_name(row["network"]): Recount(
                macs=int(row["macs_with_bias"]),
                params=int(row["params"]),
                activations=int(row["activations"]),
            )
            for row in csv.DictReader(file)
        }
    assert len(expected) == 30
    assert {name: counted(name, "pycls") for name in expected} == expected


def our_name(network: str) -> str:
    family, _, rest = network.partition("-")
    if family == "R":
        return f"ResNet-{rest.removesuffix('-1x64d')}"
    return {"EN": "EfficientNet", "X": "ResNeXt"}.get(family, family) + f"-{rest}"
