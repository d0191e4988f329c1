"""Attention to latents that an indexer chooses: of all it is that over all, of some that under a mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.cells import make_cell
from oracle.cells.functions import index_choice, index_scores, latent_attention, sparse_attention
from oracle.spec import CellSpec

_WORDS: dict[str, Any] = {
    "width": 32, "heads": 4, "q_rank": 24, "kv_rank": 16, "nope_dim": 8, "rope_dim": 4, "v_dim": 6, "past": 0,
    "capacity": 8, "qkv_bias": False, "out_bias": False, "kv_byte": False, "norm": "rms", "post_norm": False,
    "ln_eps": 1e-6,
}  # fmt: skip
_INDEX = {"index_heads": 3, "index_dim": 10}


def _drawn(kind: str, **words: Any) -> nn.Module:
    module = make_cell(CellSpec.make(kind, **_WORDS, **words)).to_empty(device="cpu")
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.normal_(0, 0.2)
    return module.eval()


def test_scores_of_an_indexer_are_what_the_paper_says() -> None:
    """I = sum over heads of w relu(q . k), of keys up to the query's own."""
    torch.manual_seed(0)
    q, k, w = torch.randn(2, 3, 4, 5), torch.randn(2, 7, 5), torch.randn(2, 3, 4)
    found = index_scores(q, k, w)
    for n, query, key in ((0, 0, 2), (1, 2, 6), (1, 1, 5)):
        expected = sum(w[n, query, head] * max(float(q[n, query, head] @ k[n, key]), 0.0) for head in range(4))
        torch.testing.assert_close(found[n, query, key], torch.as_tensor(expected))
    assert found[0, 0, 5] == found[0, 1, 6] == float("-inf")
    assert index_choice(found, 2).tolist() == found.topk(2).indices.tolist()


@pytest.mark.parametrize("chosen", [7, 3])
def test_what_was_not_chosen_is_as_if_it_were_masked(chosen: int) -> None:
    torch.manual_seed(0)
    q, turned, latent = torch.randn(2, 4, 3, 16), torch.randn(2, 4, 3, 4), torch.randn(2, 7, 20)
    ids = index_choice(index_scores(torch.randn(2, 3, 4, 5), torch.randn(2, 7, 5), torch.randn(2, 3, 4)), chosen)
    mask = torch.zeros(2, 3, 7, dtype=torch.bool).scatter(2, ids.long(), True)
    mask &= torch.arange(4, 7)[:, None] >= torch.arange(7)[None, :]
    whole, keys = torch.cat((q, turned), -1), latent.unsqueeze(1).expand(2, 4, 7, 20)
    expected = nn.functional.scaled_dot_product_attention(
        whole, keys, keys[..., :16], mask.unsqueeze(1), scale=12**-0.5
    )
    found = sparse_attention(latent, ids, q, turned, 12)
    torch.testing.assert_close(found, expected)
    if chosen == 7:
        torch.testing.assert_close(found, latent_attention(q, latent, turned, 12))


def test_a_choice_of_all_is_attention_over_latents() -> None:
    expanded, absorbed, few = (
        _drawn("decoder_sparse_attention", **_INDEX, chosen=chosen, absorbed=form)
        for chosen, form in ((5, False), (5, True), (2, True))
    )
    plain = _drawn("decoder_latent_attention", absorbed=True)
    x = torch.randn(2, 5, 32)
    with torch.no_grad():
        found = expanded(x)
        assert (found - x).abs().max() > 0.1
        torch.testing.assert_close(absorbed(x), found)
        torch.testing.assert_close(plain(x), found)
        some = few(x)
        torch.testing.assert_close(some[:, :2], found[:, :2])  # which have no more than two to choose from
        assert (some - found)[:, 2:].abs().max() > 1e-3
