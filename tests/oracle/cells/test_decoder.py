"""Cells of decoders run: what they compute is what PyTorch's own attention and experts one by one do."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from oracle.build import build, initialise
from oracle.cells.functions import cached_attention, experts, rotary, windowed_attention
from oracle.config import cfg_from_dict
from oracle.families import to_spec

_SIZES = {"VOCAB": 96, "LAYERS": 2, "WIDTH": 32, "HEADS": 4, "KV_HEADS": 2, "FF": 48}


@pytest.mark.parametrize("keys", [{}, {"TIED": True, "SCALED": True}, {"EXPERTS": 4}, {"SINKS": True, "WINDOWS": [4]}])
def test_a_network_makes_scores_of_the_next_token(keys: dict[str, object]) -> None:
    values = {"MODEL": {"TYPE": "decoder"}, "DECODER": {**_SIZES, **keys}, "COST": {"PROMPT": 6, "PAST": 3}}
    net = initialise(build(to_spec(cfg_from_dict(values))), seed=0).eval()
    with torch.no_grad():
        scores = net(torch.randint(96, (2, 6), generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, 96)
    assert torch.isfinite(scores).all()


def test_windows_of_training_are_those_of_inference() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 9, 8), torch.randn(2, 2, 9, 8), torch.randn(2, 2, 9, 8)
    for window in (1, 3, 9):
        expected = cached_attention(q, k, v, None, window, False)
        torch.testing.assert_close(windowed_attention(q, k, v, window), expected)


def test_attention_is_that_of_pytorch() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 9, 8), torch.randn(2, 2, 9, 8)
    ages = torch.arange(4, 9)[:, None] - torch.arange(9)[None, :]
    for window in (0, 3):
        mask = (ages >= 0) & (ages < window) if window else ages >= 0
        expected = F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=True)
        torch.testing.assert_close(cached_attention(q, k, v, None, window, False), expected)
    sunk = cached_attention(q, k, v, torch.full((4,), -1e9), 0, False)
    torch.testing.assert_close(sunk, cached_attention(q, k, v, None, 0, False))


def test_experts_are_each_a_product_of_their_rows() -> None:
    torch.manual_seed(0)
    x, weight, bias = torch.randn(5, 6), torch.randn(4, 6, 3), torch.randn(4, 3)
    ids = torch.tensor([[0, 1], [3, 0], [2, 1], [1, 3], [0, 2]])
    found = experts(x, weight, bias, ids)
    pairs = sorted((int(e), token) for token, row in enumerate(ids) for e in row)
    expected = torch.stack([x[token] @ weight[e] + bias[e] for e, token in pairs])
    torch.testing.assert_close(found, expected)


def test_rotary_positions_keep_lengths_and_the_rest_of_a_head() -> None:
    torch.manual_seed(0)
    q, k = torch.randn(1, 5, 2, 8), torch.randn(1, 5, 1, 8)
    turned, _ = rotary(q, k, 4)
    torch.testing.assert_close(turned[..., 4:], q[..., 4:])
    torch.testing.assert_close(turned[..., :4].norm(dim=-1), q[..., :4].norm(dim=-1))
    torch.testing.assert_close(turned[:, 0], q[:, 0])
