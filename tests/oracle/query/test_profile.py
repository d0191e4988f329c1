"""Any module on any inputs: its costs by hand, and the module left as it was."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from oracle.build import build
from oracle.config import load_cfg
from oracle.errors import TraceError, UnknownOperatorError
from oracle.families import to_spec
from oracle.query import profile, score


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(2048, 5)
    )


def test_by_hand() -> None:
    cost = profile(net(), torch.randn(2, 3, 16, 16), devices=["t4"])
    conv, linear = 2 * 8 * 256 * 27, 2 * 2048 * 5
    assert cost.macs == conv + linear
    # 2 per MAC, bias additions, 2 per element of the norm, 1 of the activation
    assert cost.flops == 2 * (conv + linear) + 4096 + 10 + 2 * 4096 + 4096
    assert cost.params == 8 * 27 + 8 + 16 + 2048 * 5 + 5
    # conv reads image, filters, bias and writes; norm reads 4 vectors; relu in place; linear
    moved = [2 * 768 + 224 + 4096, 4096 + 32 + 4096, 8192, 4096 + 10240 + 5 + 10]
    assert cost.traffic_bytes == 4 * sum(moved)
    assert [kernel.op_class for kernel in cost.kernels("t4")] == ["conv", "norm", "activation", "linear"]
    assert cost.workload.batch_size == 2


def test_a_network_of_ours_profiles_as_it_scores() -> None:
    spec = to_spec(load_cfg("RegNetY-200MF"))
    scored = score(spec, ["t4"], batch_size=2)
    profiled = profile(build(spec), torch.empty(2, 3, 224, 224), devices=["t4"])
    for name in ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes"):
        assert getattr(profiled, name) == getattr(scored, name)
    assert profiled.latency_ms["t4"] == pytest.approx(scored.latency_ms["t4"])


def test_the_module_is_left_untouched() -> None:
    module = net().train()
    kept: list[Any] = []
    module[0].register_forward_hook(lambda *call: kept.append(call[2]))  # a copy of it runs, on a copy of the list
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    before = {name: sorted(vars(child)) for name, child in module.named_modules()}
    profile(module, torch.randn(1, 3, 16, 16), mode="training", dtype="float16", layout="nhwc")
    assert module.training
    assert {name: sorted(vars(child)) for name, child in module.named_modules()} == before
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())
    assert all(param.grad is None and param.device.type == "cpu" for param in module.parameters())
    assert len(module[0]._forward_hooks) == 1
    assert kept == []


def test_global_state_is_left_untouched() -> None:
    module, good, bad = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), torch.randn(2, 4), torch.randn(2, 5)
    seed, grad = torch.get_rng_state(), torch.is_grad_enabled()
    profile(module, good, mode="training")
    with pytest.raises(TraceError):
        profile(module, bad, mode="training")
    assert torch.equal(torch.get_rng_state(), seed)
    assert torch.is_grad_enabled() is grad
    assert not torch._C._len_torch_function_stack()
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()
    assert torch.empty(1).device.type == "cpu"


def test_threads_do_not_disturb_each_other() -> None:
    module, image, found = net(), torch.randn(1, 3, 16, 16), []

    def work() -> None:
        cost = profile(module, image, mode="training")
        found.append((cost.macs, cost.flops, cost.traffic_bytes, cost.peak_memory_bytes))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


class Everything(nn.Module):
    """Dict and keyword inputs, a list of modules, a nested result, a constant, a device in the forward."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(8, 8)]  # not registered: a plain list
        self.embedding = nn.Embedding(10, 8)

    def forward(self, batch: dict[str, Any], *, scale: float = 1.0) -> dict[str, Any]:
        x = self.embedding(batch["tokens"]) * scale + torch.arange(8, device=batch["tokens"].device)
        return {"scores": [self.layers[0](x)], "raw": (x, None)}


def test_inputs_and_outputs_of_any_form() -> None:
    cost = profile(Everything(), {"tokens": torch.zeros(3, 5, dtype=torch.long)}, kwargs={"scale": 2.0})
    assert cost.macs == 3 * 5 * 8 * 8
    assert cost.workload.batch_size == 3
    assert cost.unknown == ()


class LooksAtData(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.sum().item() > 0 else x


class Fails(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 3), nn.Linear(5, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.inner(x)
        return out


def test_a_forward_that_fails_says_where() -> None:
    with pytest.raises(TraceError, match=r"Fails at 'inner\.1'"):
        profile(Fails(), torch.randn(2, 4))
    with pytest.raises(TraceError, match="data"):
        profile(LooksAtData(), torch.randn(2, 4))


@torch.library.custom_op("oracle_test_profile::mystery", mutates_args=())
def mystery(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@mystery.register_fake
def _(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


class Mysterious(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = mystery(x)
        return out


def test_an_unknown_operator_is_listed_costs_its_bytes_and_fails_under_strict() -> None:
    cost = profile(Mysterious(), torch.randn(4, 6))
    assert cost.unknown == ("oracle_test_profile.mystery",)
    assert (cost.flops, cost.traffic_bytes) == (0, 2 * 4 * 6 * 4)
    with pytest.raises(UnknownOperatorError, match="mystery"):
        profile(Mysterious(), torch.randn(4, 6), strict=True)


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (nn.LSTM(8, 16, num_layers=2, bidirectional=True), (torch.randn(5, 3, 8),)),
        (nn.GRU(8, 16), (torch.randn(5, 3, 8),)),
        (nn.TransformerEncoderLayer(16, 4, 32), (torch.randn(7, 2, 16),)),
        (nn.MultiheadAttention(16, 4), (torch.randn(7, 2, 16),) * 3),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (torch.randn(1, 4, 9, 9),)),
        (nn.Conv3d(2, 4, 3, dilation=2), (torch.randn(1, 2, 9, 9, 9),)),
    ],
    ids=["lstm", "gru", "encoder", "attention", "transposed", "3d"],
)
def test_products_are_those_of_the_flop_counter(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    cost = profile(module, *inputs)
    module.eval()
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.to("meta")(*(tensor.to("meta") for tensor in inputs))
    assert cost.macs is not None
    assert 2 * cost.macs == counter.get_total_flops()
    assert cost.unknown == ()


class Scaled(nn.Module):
    """A number, a mapping and a keyword."""

    def forward(self, factor: torch.Tensor, batch: dict[str, Any] | None = None, image: Any = None) -> torch.Tensor:
        out: torch.Tensor = factor * (batch["image"] if batch is not None else image)
        return out


@pytest.mark.parametrize(
    ("inputs", "kwargs"),
    [
        ((torch.tensor(2.0), {"image": torch.zeros(5, 3)}), {}),
        ((torch.tensor(2.0),), {"image": torch.zeros(5, 3)}),
        ((), {"factor": torch.tensor(2.0), "batch": {"note": "none", "image": torch.zeros(5, 3)}}),
    ],
    ids=["nested", "keyword", "keywords only"],
)
def test_the_batch_is_that_of_the_first_tensor_that_has_one(inputs: Any, kwargs: dict[str, Any]) -> None:
    cost = profile(Scaled(), *inputs, kwargs=kwargs)
    assert cost.workload.batch_size == 5
    assert cost.flops == 15


@pytest.mark.parametrize(
    ("thing", "said"), [(nn.Linear, "Linear: .*, not a class"), ("ResNet-50", "str: expected an inst")]
)
def test_what_is_no_module_is_refused(thing: Any, said: str) -> None:
    with pytest.raises(TraceError, match=f"module={said}"):
        profile(thing, torch.zeros(2, 3))


def test_recurrent_layers_on_a_gpu_say_that_it_has_better_ways() -> None:
    inputs = torch.empty(2, 6, 8)
    lstm, plain = nn.Sequential(nn.LSTM(8, 16, batch_first=True)), nn.Linear(8, 16)
    (note,) = profile(lstm, inputs, devices=["raspberry-pi-4", "t4"]).notes
    assert note.startswith("LSTM: taken to run step by step")
    assert not profile(lstm, inputs, devices=["raspberry-pi-4"]).notes
    assert not profile(lstm, inputs).notes
    assert not profile(plain, inputs, devices=["t4"]).notes
