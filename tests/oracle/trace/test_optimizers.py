from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from oracle.trace.optimizers import STATES_PER_PARAMETER, step

SHAPES = [(4, 3), (4,), (2, 4, 1)]


class Recorded(TorchDispatchMode):
    """Names of multi-tensor operators with the shapes of their lists."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[list[tuple[int, ...]]]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func.overloadpacket)
        lists = [arg for arg in args if isinstance(arg, list) and isinstance(arg[0], torch.Tensor)]
        shapes = [[tuple(tensor.shape) for tensor in tensors] for tensors in lists]
        if "_foreach_" in name and shapes[0][0]:  # without the step counters, which are numbers on the CPU
            self.found.append((name, shapes))
        return func(*args, **(kwargs or {}))


def optimiser(name: str, params: list[torch.Tensor]) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=5e-5, foreach=True)
    return torch.optim.AdamW(params, lr=1e-3, weight_decay=1e-2, foreach=True)


@pytest.mark.parametrize("name", STATES_PER_PARAMETER)
def test_a_step_is_that_of_torch_after_its_first(name: str) -> None:
    torch.manual_seed(0)
    params = [torch.randn(shape, requires_grad=True) for shape in SHAPES]
    real = optimiser(name, params)
    for param in params:
        param.grad = torch.randn_like(param)
    real.step()  # the first makes the states
    theirs, ours = Recorded(), Recorded()
    with theirs:
        real.step()

    grads = [torch.randn(shape) for shape in SHAPES]
    states = [[torch.randn(shape).abs() for shape in SHAPES] for _ in range(STATES_PER_PARAMETER[name])]
    with torch.no_grad(), ours:
        step(name, params, grads, states)
    assert ours.found == theirs.found
    assert len(ours.found) >= 4


@pytest.mark.parametrize("name", STATES_PER_PARAMETER)
def test_the_states_are_those_of_torch(name: str) -> None:
    params = [torch.randn(4, 3, requires_grad=True)]
    real = optimiser(name, params)
    params[0].grad = torch.randn(4, 3)
    real.step()
    tensors = [value for value in real.state[params[0]].values() if torch.is_tensor(value) and value.dim()]
    assert [value.shape for value in tensors] == [params[0].shape] * STATES_PER_PARAMETER[name]
