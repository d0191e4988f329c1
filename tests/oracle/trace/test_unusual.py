"""Modules and inputs that are out of the ordinary: packed sequences, checkpoints, and what has no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

from oracle.errors import OracleError
from oracle.query import profile

LENGTHS = [5, 3, 2]  # 10 of 15 steps


class Packs(nn.Module):
    def __init__(self, *, is_sorted: bool) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16)
        self.is_sorted = is_sorted

    def forward(self, x: torch.Tensor, lengths: Any) -> torch.Tensor:
        packed = pack_padded_sequence(x, lengths, enforce_sorted=self.is_sorted)
        return pad_packed_sequence(self.lstm(packed)[0])[0]


def test_a_packed_sequence_counts_its_own_steps() -> None:
    packed = pack_padded_sequence(torch.empty(5, 3, 8), LENGTHS)
    whole = profile(nn.LSTM(8, 16), torch.empty(5, 3, 8)).flops
    assert profile(nn.LSTM(8, 16), packed).flops * 15 == whole * 10
    assert packed.data.is_cpu  # left as it was


@pytest.mark.parametrize("is_sorted", [True, False])
def test_lengths_that_a_forward_is_given_as_numbers(is_sorted: bool) -> None:
    lengths = LENGTHS if is_sorted else LENGTHS[::-1]
    found = profile(Packs(is_sorted=is_sorted), torch.empty(5, 3, 8), lengths)
    whole = profile(nn.LSTM(8, 16), torch.empty(5, 3, 8)).flops
    assert (found.flops * 15, found.unknown) == (whole * 10, ())


def test_lengths_in_a_tensor_are_data() -> None:
    with pytest.raises(OracleError, match="depends on the data"):
        profile(Packs(is_sorted=True), torch.empty(5, 3, 8), torch.tensor(LENGTHS))


class Checkpointed(nn.Module):
    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.first, self.second, self.reentrant = nn.Linear(8, 8), nn.Linear(8, 8), reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = checkpoint(self.second, self.first(x), use_reentrant=self.reentrant)
        return out


def test_a_reentrant_checkpoint_runs_its_forward_once_more() -> None:
    plain = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    once = profile(plain, torch.empty(2, 8), mode="training").flops
    again = profile(Checkpointed(reentrant=True), torch.empty(2, 8), mode="training").flops
    assert again == once + 2 * 8 * (2 * 8 + 1)
    # the other kind stops its second forward where nothing more is needed: a linear layer's input is there
    assert profile(Checkpointed(reentrant=False), torch.empty(2, 8), mode="training").flops == once


class Calls(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x.masked_select(x > 0), "aten::masked_select"),
        (lambda x: x.nonzero(), "aten::nonzero"),
        (lambda x: x if torch.equal(x, x) else x + 1, "aten::equal"),
        (lambda x: torch.bincount(x.flatten().long()), "aten::bincount"),
        (torch.unique, "aten::_unique2"),
        (lambda x: x[x > 0], "an index by a mask"),
    ],
    ids=["masked_select", "nonzero", "equal", "bincount", "unique", "mask as index"],
)
def test_operators_whose_results_follow_from_values_are_named(function: Callable[..., Any], name: str) -> None:
    with pytest.raises(OracleError, match=f"depends on the data.*{name}.*profile"):
        profile(Calls(function), torch.empty(8, 8))


def test_what_has_no_answer_says_what_to_pass_instead() -> None:
    from torch.nn.attention.flex_attention import flex_attention

    nested = torch.nested.nested_tensor([torch.ones(3, 4), torch.ones(2, 4)])
    with pytest.raises(OracleError, match="padded"):
        profile(nn.Linear(4, 4), nested)
    with pytest.raises(OracleError, match="expected a dense one"):
        profile(nn.Linear(4, 4), torch.eye(4).to_sparse())
    with pytest.raises(OracleError, match="scaled_dot_product_attention"):
        profile(Calls(lambda x: flex_attention(x, x, x)), torch.empty(1, 2, 128, 16))
    sparse = nn.Sequential(nn.Embedding(10, 4, sparse=True), nn.Linear(4, 4))
    with pytest.raises(OracleError, match="sparse=False"):
        profile(sparse, torch.zeros(2, 3, dtype=torch.long), mode="training")
    targets, steps = torch.ones(2, 5, dtype=torch.long), torch.full((2,), 10)
    with pytest.raises(OracleError, match="no shape rule of aten::_ctc_loss"):
        profile(Calls(lambda x: F.ctc_loss(x, targets, steps, steps // 2)), torch.empty(10, 2, 20))
