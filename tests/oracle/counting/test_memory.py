"""Peak memory by hand, and against what a real run allocates."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from oracle.build import build
from oracle.config import load_cfg
from oracle.counting import count
from oracle.counting.memory import measure
from oracle.counting.networks import count_net
from oracle.families import to_spec
from oracle.memory import CellMemory, PeakMemory, chain_peak
from oracle.query import profile, score
from oracle.query.many import score_many
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.modules import tensors_in
from tests.nightly import unless

Make = Callable[[], nn.Module]


def cell(module: nn.Module, *inputs: torch.Tensor, **workload: Any) -> CellMemory:
    made = Workload(**workload)
    counts = count(trace_module(module, inputs, {}, made), made)
    return measure(counts.lifetimes, counts.sizes)


def memory(module: nn.Module, *inputs: torch.Tensor, **workload: Any) -> PeakMemory:
    return chain_peak([cell(module, *inputs, **workload)])


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.b = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.b(F.relu(self.norm(self.a(x)))))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 64)

    def forward(self, x: torch.Tensor) -> Any:
        return self.layer(self.layer(x))


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.GELU(), nn.Linear(64, 8))


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip


NETS: dict[str, tuple[Make, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(64, 32), (16, 64)),
    "perceptron": (perceptron, (16, 64)),
    "convnet": (convnet, (2, 3, 16, 16)),
    "residual": (Residual, (2, 8, 16, 16)),
    "two residuals": (lambda: nn.Sequential(Residual(), Residual()), (2, 8, 16, 16)),
    "norm and perceptron": (
        lambda: nn.Sequential(nn.LayerNorm(16), nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 16)),
        (2, 5, 16),
    ),
    "one layer twice": (Twice, (16, 64)),
}


# -- by hand -------------------------------------------------------------------------------------------------


def test_a_perceptron_by_hand() -> None:
    x = torch.empty(16, 64)
    weights = 4 * (64 * 128 + 128 + 128 * 64 + 64 + 64 * 8 + 8)
    found = memory(perceptron(), x)
    # the input, which the caller holds, and the hidden layer before and after its activation, 16 * 128 each
    assert (found.weights_bytes, found.peak_bytes) == (weights, weights + 16 * (64 + 2 * 128) * 4)
    # compiled code holds no input that it needs no more
    assert memory(perceptron(), x, runtime="compiled").peak_bytes == weights + 2 * 16 * 128 * 4
    # in an engine the activation is no tensor of its own: the input and the hidden layer
    assert memory(perceptron(), x, runtime="engine").peak_bytes == weights + 16 * (64 + 128) * 4


def test_training_by_hand() -> None:
    net, x = nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU(), nn.Linear(8, 4, bias=False)), torch.empty(2, 8)
    size, wide, narrow = 4 * (64 + 32), 2 * 8 * 4, 2 * 4 * 4
    found = memory(net, x, mode="training")
    assert (found.weights_bytes, found.states_bytes, found.gradients_bytes) == (size, size, size)
    # input, and the activation that both the relu and the second layer need, and the result
    assert found.forward_bytes == 2 * size + 3 * wide
    # at the end both gradients, the input, and the gradient of the first layer's result
    assert found.backward_bytes == 2 * size + size + 2 * wide
    # of SGD, the decayed gradients on top
    assert found.optimizer_bytes == 2 * size + size + size
    assert found.peak_bytes == max(found.forward_bytes, found.backward_bytes, found.optimizer_bytes)
    assert narrow < wide
    assert memory(net, x, mode="training", optimizer="adamw").states_bytes == 2 * size


def test_inputs_and_outputs_live_until_the_call_returns() -> None:
    class Outputs(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            first = x.exp()
            second = first[:2].sin().cos()
            return {"first": first, "rest": [second]}

    size = 8 * 16 * 4
    # x, first, and two tensors of a quarter: of sin and of cos
    assert memory(Outputs(), torch.empty(8, 16)).peak_bytes == 2 * size + size // 2
    # which compiled code makes in one kernel, with x at most where it makes the first
    assert memory(Outputs(), torch.empty(8, 16), runtime="compiled").peak_bytes == 2 * size + size // 4
    alone = nn.Sequential(nn.Flatten(0), nn.Identity())
    assert memory(alone, torch.empty(8, 16)).peak_bytes == size  # nothing runs: there is the input


def test_every_output_is_alive_until_the_call_returns() -> None:
    class Pyramid(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            levels = []
            for _ in range(4):
                x = x * 2
                levels.append(x)
            return levels

    size = 8 * 16 * 4
    assert memory(Pyramid(), torch.empty(8, 16)).peak_bytes == 5 * size


def test_callers_hold_all_inputs() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return (x + y).exp().sin()

    size = 8 * 16 * 4
    assert memory(Two(), torch.empty(8, 16), torch.empty(8, 16)).peak_bytes == 4 * size  # x, y, sum, exponential


def test_a_block_holds_what_its_caller_and_its_names_hold() -> None:
    class Inner(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.exp().sin().cos()

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(self.inner(x))

    class Named(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = x.exp()
            second = first.sin()
            return second.cos()

    size, x = 8 * 16 * 4, torch.empty(8, 16)
    assert memory(Inner(), x).peak_bytes == 3 * size  # x, and before and after an operator
    assert memory(Outer(), x).peak_bytes == 4 * size  # and what the second call was given
    assert memory(Named(), x).peak_bytes == 4 * size  # x, first, second, and the result


def test_autocast_keeps_the_copies_of_weights_it_made() -> None:
    net, x = perceptron(), torch.empty(16, 64)
    weights = memory(net, x).weights_bytes
    assert memory(net, x, dtype="float16").weights_bytes == weights * 3 // 2
    assert memory(net, x, dtype="float16", runtime="compiled").weights_bytes == weights
    assert memory(net, x, dtype="float16", runtime="engine").weights_bytes == weights // 2
    assert memory(net, x, dtype="float16", mode="training").weights_bytes == weights


def test_an_engine_loads_what_its_kernels_read() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8))
    image = torch.empty(1, 3, 8, 8)
    assert memory(net, image).weights_bytes == (8 * 27 + 4 * 8) * 4 + 8  # a counter of batches, too
    assert memory(net, image, runtime="engine").weights_bytes == (8 * 27 + 8) * 4
    assert memory(net, image, runtime="engine", dtype="int8").weights_bytes == 8 * 27 + 8 * (4 + 4)  # biases, scales


def test_profile_states_the_peak() -> None:
    found = profile(perceptron(), torch.empty(16, 64), mode="training")
    assert found.peak_memory_bytes == found.memory.peak_bytes
    assert found.memory.peak_bytes == memory(perceptron(), torch.empty(16, 64), mode="training").peak_bytes


def test_a_chain_of_one_is_the_cell() -> None:
    alone = cell(perceptron(), torch.empty(16, 64), mode="training")
    peak = chain_peak([alone])
    assert peak.forward_bytes == alone.weights + alone.states + alone.forward
    assert peak.backward_bytes == alone.weights + alone.states + alone.backward


def test_many_chains_at_once() -> None:
    """The same code on arrays of sizes gives each chain's own number."""
    made = Workload(mode="training")
    counts = count(trace_module(perceptron(), (torch.empty(16, 64),), {}, made), made)
    factors = np.array([1, 3, 10])
    sizes = [factors * size for size in counts.sizes]
    together = chain_peak([measure(counts.lifetimes, sizes, np.maximum)] * 2, np.maximum)
    alone = chain_peak([measure(counts.lifetimes, counts.sizes)] * 2)
    assert together.peak_bytes.tolist() == [alone.peak_bytes * factor for factor in (1, 3, 10)]


# -- against a real run --------------------------------------------------------------------------------------


class Allocated(TorchDispatchMode):
    """Bytes of all storages that are alive, by the weak references that torch's own memory tracker uses."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, weakref.ref[Any]] = {}
        self.now = 0
        self.peak = 0

    def see(self, *tensors: torch.Tensor) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key not in self.alive:
                self.now += size
                self.alive[key] = weakref.ref(storage, lambda _, key=key, size=size: self._free(key, size))
                self.peak = max(self.peak, self.now)

    def _free(self, key: int, size: int) -> None:
        self.now -= size
        del self.alive[key]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.see(*tensors_in(out))
        return out


def inference_peak(module: nn.Module, x: torch.Tensor) -> int:
    recorder = Allocated()
    recorder.see(*module.parameters(), *module.buffers(), x)
    with torch.no_grad(), recorder:
        module.eval()(x)
    return recorder.peak


@pytest.mark.parametrize("name", NETS)
def test_inference_allocates_what_we_say(name: str) -> None:
    make, shape = NETS[name]
    module, x = make(), torch.randn(shape)
    ours = cell(module, x)
    assert inference_peak(module, x) == ours.weights + ours.forward


REAL = {
    "RegNetX-400MF": 8,
    "RegNetY-400MF": 8,
    "EfficientNet-B0": 2,
    "OFA-D2-E3-K3": 1,
    "FBNet-C": 2,
    "ResNet-50": 1,
    "R-56": 4,
    "ViT-S-16": 1,
}


@pytest.mark.parametrize("name", unless({"RegNetY-400MF", "EfficientNet-B0", "R-56", "ViT-S-16"}.__contains__, REAL))
def test_networks_allocate_what_we_say(name: str) -> None:
    net = to_spec(load_cfg(name))
    x = torch.randn(REAL[name], *net.input_shape)
    real = inference_peak(build(net).to_empty(device="cpu"), x)
    made = Workload(batch_size=REAL[name])
    assert count_net(net, made).memory.peak_bytes == real
    assert score(net, batch_size=REAL[name]).peak_memory_bytes == real
    assert score_many([net, net], batch_size=REAL[name]).peak_memory_bytes.tolist() == [real, real]


@pytest.mark.parametrize("name", ["linear", "perceptron", "convnet", "one layer twice"])
def test_autocast_allocates_what_we_say(name: str) -> None:
    make, shape = NETS[name]
    module, x = make(), torch.randn(shape)
    with torch.autocast("cpu", torch.bfloat16):
        peak = inference_peak(module, x)
    ours = cell(module, x, dtype="bfloat16")
    # A copy of a weight is made when it is needed, while we count them all from the start.
    copies = ours.weights - cell(module, x).weights
    held = ours.weights + ours.forward_held
    assert held - copies <= peak <= held


@pytest.mark.parametrize("name", NETS)
def test_a_forward_that_will_be_trained_allocates_what_we_say(name: str) -> None:
    make, shape = NETS[name]
    check_forward(make(), torch.randn(shape))


@pytest.mark.parametrize("name", ["R-56", "RegNetX-200MF", "RegNetY-200MF"])
def test_the_forward_of_a_network_allocates_what_we_say(name: str) -> None:
    net = to_spec(load_cfg(name))
    check_forward(build(net).to_empty(device="cpu"), torch.randn(2, *net.input_shape))


def check_forward(module: nn.Module, x: torch.Tensor) -> None:
    module.train()
    recorder = Allocated()
    recorder.see(*module.parameters(), *module.buffers(), x)
    with recorder:
        out = module(x)
    assert out.requires_grad
    ours = memory(module, x, mode="training")
    assert ours.forward_bytes - ours.states_bytes == recorder.peak


@pytest.mark.parametrize("name", NETS)
def test_a_backward_allocates_what_we_say(name: str) -> None:
    make, shape = NETS[name]
    module, x = make().train(), torch.randn(shape)
    recorder = Allocated()
    recorder.see(*module.parameters(), *module.buffers(), x)
    with recorder:
        out = module(x)
    gradient = torch.ones_like(out)
    recorder.see(gradient)
    recorder.peak = recorder.now
    with recorder:
        torch.autograd.backward([out], [gradient])
    ours = memory(module, x, mode="training")
    theirs = recorder.peak
    # Python holds the input, the output and its gradient for us until the end.
    held = sum(tensor.numel() * 4 for tensor in (x, out, gradient))
    assert 0 <= theirs - (ours.backward_bytes - ours.states_bytes) <= held


@pytest.mark.parametrize("name", NETS)
def test_what_is_saved_for_the_backward_pass_is_what_autograd_saves(name: str) -> None:
    make, shape = NETS[name]
    check_saved(make().train(), torch.randn(shape))


@pytest.mark.parametrize("name", ["R-56", "RegNetX-200MF"])
def test_what_a_network_saves_is_what_autograd_saves(name: str) -> None:
    net = to_spec(load_cfg(name))
    check_saved(build(net).to_empty(device="cpu").train(), torch.randn(2, *net.input_shape))


def check_saved(module: nn.Module, x: torch.Tensor) -> None:
    resident = {tensor.untyped_storage()._cdata for tensor in (*module.parameters(), *module.buffers())}
    saved: dict[int, Any] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(x)
    theirs = sum(storage.nbytes() for address, storage in saved.items() if address not in resident)
    assert memory(module, x, mode="training").saved_bytes == theirs


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("name", ["perceptron", "convnet", "two residuals"])
def test_an_optimizer_step_allocates_what_we_say(name: str, optimizer: str) -> None:
    make, shape = NETS[name]
    module, x = make().train(), torch.randn(shape)
    module(x).sum().backward()
    steps: dict[str, Any] = {
        "sgd": lambda: torch.optim.SGD(module.parameters(), 0.1, momentum=0.9, weight_decay=5e-5, foreach=True),
        "adamw": lambda: torch.optim.AdamW(module.parameters(), 1e-3, foreach=True),
    }
    stepper = steps[optimizer]()
    stepper.step()  # makes the state
    state = [item for entry in stepper.state.values() for item in entry.values() if torch.is_tensor(item)]
    tensors = [item for item in state if item.dim()]  # a counter of steps is no state that we count
    gradients = [parameter.grad for parameter in module.parameters()]
    recorder = Allocated()
    recorder.see(*module.parameters(), *module.buffers(), *gradients, *tensors)
    with recorder:
        stepper.step()
    ours = memory(module, x, mode="training", optimizer=optimizer)
    assert ours.states_bytes == sum(tensor.nbytes for tensor in tensors)
    assert 0 <= recorder.peak - ours.optimizer_bytes <= 8 * len(gradients)  # scalars that torch makes per tensor


@pytest.mark.parametrize(("optimizer", "copies"), [("sgd", 4), ("adamw", 5)])
def test_an_optimizer_steps_all_cells_at_once(optimizer: str, copies: int) -> None:
    class Loss(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, image: Any, target: Any) -> Any:
            return F.cross_entropy(self.net(image), target)

    # weights, gradients, moments and what the step makes on the way; batch norms keep their statistics besides
    net = to_spec(load_cfg("RegNetX-32GF", ["TRAIN.IM_SIZE", 32]))
    module, image = build(net), torch.empty(2, 3, 32, 32, device="meta")
    size, held = (sum(item.nbytes for item in items()) for items in (module.parameters, module.buffers))
    target = torch.empty(2, dtype=torch.int64, device="meta")
    cost = score(net, batch_size=2, mode="training", optimizer=optimizer)
    whole = profile(Loss(module), image, target, mode="training", optimizer=optimizer)
    many = score_many([net], batch_size=2, mode="training", optimizer=optimizer)
    assert cost.peak_memory_bytes == copies * size + held
    assert cost.memory.optimizer_bytes == whole.memory.optimizer_bytes == cost.peak_memory_bytes
    assert many.peak_memory_bytes.tolist() == [cost.peak_memory_bytes]


def test_phases_by_hand() -> None:
    """One linear layer, 8 to 4, no bias, batch 2: 64 MACs forward, 64 for the weight's gradient."""
    found = profile(nn.Linear(8, 4, bias=False), torch.empty(2, 8), mode="training", devices=["t4"])
    forward, backward, optimizer = found.phases("t4")
    weight, x, y = 4 * 32, 4 * 16, 4 * 8
    assert [forward.name, backward.name, optimizer.name] == ["forward", "backward", "optimizer"]
    assert (forward.macs, backward.macs, optimizer.macs) == (64, 64, 0)
    assert (found.memory.weights_bytes, found.memory.states_bytes, found.memory.gradients_bytes) == (weight,) * 3
    assert found.memory.saved_bytes == x
    assert forward.peak_memory_bytes == 2 * weight + x + y
    assert backward.peak_memory_bytes == 2 * weight + x + y + weight
    assert optimizer.peak_memory_bytes == 2 * weight + weight + weight
