"""Forward hooks run, as copies: what they change counts, and what they keep is not the user's."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from torch import nn

import oracle

KEPT: dict[str, Any] = {}


def keep(module: nn.Module, args: Any, output: torch.Tensor) -> None:
    KEPT["output"] = output


def layer() -> nn.Linear:
    return nn.Linear(4, 4)


def test_a_hook_that_changes_the_input_is_followed() -> None:
    module = layer()
    module.register_forward_pre_hook(lambda _, args: (torch.cat([args[0], args[0]]),))
    assert oracle.profile(module, torch.empty(1, 4)).macs == 32


def test_a_hook_that_changes_the_output_is_followed() -> None:
    first, second = layer(), layer()
    first.register_forward_hook(lambda *call: torch.cat([call[2]] * 3))
    assert oracle.profile(nn.Sequential(first, second), torch.empty(1, 4)).macs == 16 + 3 * 16


def test_a_hook_with_keywords_is_followed() -> None:
    module = layer()
    module.register_forward_pre_hook(lambda _, args, kwargs: ((args[0].repeat(2, 1),), kwargs), with_kwargs=True)
    assert oracle.profile(module, torch.empty(1, 4)).macs == 32


def test_a_later_layer_reads_what_a_hook_kept() -> None:
    class Tapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.found = layer(), layer(), dict[int, torch.Tensor]()
            self.first.register_forward_hook(lambda _, args, output: self.found.__setitem__(0, output))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.first(x)
            result: torch.Tensor = self.second(self.found[0])
            return result

    module = Tapped()
    assert oracle.profile(module, torch.empty(1, 4)).macs == 32
    assert not module.found


def test_what_a_hook_keeps_stays_in_the_copy() -> None:
    module, closed_over = layer(), list[Any]()
    module.register_forward_hook(keep)
    module.register_forward_hook(lambda *call: closed_over.append(call[2]))
    cost = oracle.profile(module, torch.empty(1, 4))
    assert (cost.macs, cost.notes) == (16, ())
    assert not KEPT
    assert not closed_over
    module(torch.ones(1, 4))  # the module's own hooks are what they were
    assert KEPT.pop("output").shape == (1, 4)
    assert len(closed_over) == 1


@pytest.mark.parametrize("fails", ["copying", "running"])
def test_a_hook_that_cannot_be_followed_is_named(fails: str) -> None:
    module, lock = nn.Sequential(layer()), threading.Lock()

    def locks(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        lock.acquire()

    def prints(module: nn.Module, args: Any, output: torch.Tensor) -> None:
        float(output.sum())

    module[0].register_forward_hook(locks if fails == "copying" else prints)
    cost = oracle.profile(module, torch.empty(1, 4))
    assert cost.macs == 16
    (note,) = cost.notes
    name = "locks" if fails == "copying" else "prints"
    assert note.startswith(f"forward hook {name} of 0 is left out: ")
    assert cost.to_dict()["notes"] == [note]
