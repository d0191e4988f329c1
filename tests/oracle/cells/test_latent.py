"""Attention over latents in both of its forms, and routers: what they compute is what the papers say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from oracle.build import build, initialise
from oracle.cells import make_cell
from oracle.cells.functions import append_cache, latent_attention, routed
from oracle.config import cfg_from_dict
from oracle.errors import ConfigError
from oracle.families import to_spec
from oracle.spec import CellSpec

_ENDS: dict[str, Any] = {"norm": "rms", "post_norm": False, "ln_eps": 1e-6}
_ATTENTION: dict[str, Any] = {
    "width": 32, "heads": 4, "q_rank": 24, "kv_rank": 16, "nope_dim": 8, "rope_dim": 4, "v_dim": 6, "past": 0,
    "capacity": 8, "qkv_bias": False, "out_bias": False, "kv_byte": False, **_ENDS,
}  # fmt: skip
_EXPERTS: dict[str, Any] = {
    "width": 32, "ff": 16, "experts": 8, "chosen": 2, "groups": 4, "chosen_groups": 2, "shared": 12,
    "shared_gate": False, "activation": "silu", "mlp_bias": False, **_ENDS,
}  # fmt: skip


def _drawn(kind: str, **words: Any) -> nn.Module:
    module = make_cell(CellSpec.make(kind, **words)).to_empty(device="cpu")
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.normal_(0, 0.2)
    return module.eval()


@pytest.mark.parametrize("q_rank", [24, 0])
def test_both_forms_and_training_give_the_same_tokens(q_rank: int) -> None:
    words = {**_ATTENTION, "q_rank": q_rank}
    expanded, absorbed = (_drawn("decoder_latent_attention", **words, absorbed=form) for form in (False, True))
    x = torch.randn(2, 5, 32)
    with torch.no_grad():
        found = expanded(x)
        assert (found - x).abs().max() > 0.1
        torch.testing.assert_close(absorbed(x), found)
        torch.testing.assert_close(expanded.train()(x), found)


def test_attention_over_latents_is_that_of_one_wide_head_that_all_share() -> None:
    torch.manual_seed(0)
    q, turned, latent = torch.randn(2, 4, 3, 16), torch.randn(2, 4, 3, 4), torch.randn(2, 7, 20)
    mask = torch.arange(4, 7)[:, None] >= torch.arange(7)[None, :]
    whole, keys = torch.cat((q, turned), -1), latent.unsqueeze(1).expand(2, 4, 7, 20)
    expected = nn.functional.scaled_dot_product_attention(whole, keys, keys[..., :16], mask, scale=12**-0.5)
    torch.testing.assert_close(latent_attention(q, latent, turned, 12), expected)


def test_a_latent_and_its_key_lie_side_by_side_in_the_cache() -> None:
    cache, latent, key = torch.zeros(2, 3, 5), torch.randn(2, 3, 4), torch.randn(2, 3, 1)
    append_cache(cache, latent, key)
    torch.testing.assert_close(cache, torch.cat((latent, key), -1))


def test_a_router_chooses_within_the_highest_groups() -> None:
    """Two groups of two, one of which is chosen: by the sum of both scores and biases, or by the highest score."""
    logits = torch.tensor([[4.0, -4.0, 2.0, 2.0]])
    weights, ids = routed(logits, torch.zeros(4), 2, 2, 1, "sigmoid")
    assert sorted(ids[0].tolist()) == [2, 3]  # .88 + .88 is more than .98 + .02
    torch.testing.assert_close(weights, torch.full((1, 2), 0.5))
    weights, ids = routed(logits, None, 2, 2, 1, "softmax_all")
    assert ids[0].tolist() == [0, 1]
    torch.testing.assert_close(weights, torch.softmax(logits, -1)[:, :2])
    _, ids = routed(logits, torch.tensor([0.0, 2.0, 0.0, 0.0]), 1, 1, 1, "sigmoid")
    assert ids.item() == 1  # a bias decides, and is not in the weight
    weights, ids = routed(logits, None, 2, 1, 1, "softmax")
    torch.testing.assert_close(weights, torch.softmax(logits[:, [0, 2]], -1))


def test_experts_that_are_shared_out_run() -> None:
    whole, part = (_drawn("decoder_routed_experts", **_EXPERTS, scoring="sigmoid", shares=n) for n in (1, 4))
    assert part.up.shape[0] * 4 == whole.up.shape[0]  # type: ignore[union-attr, index]
    x = torch.randn(2, 5, 32)
    with torch.no_grad():
        assert whole(x).shape == part(x).shape == x.shape
        assert torch.isfinite(part(x)).all()


def test_a_scoring_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ConfigError, match="scoring='top1': expected one of softmax, softmax_all, sigmoid"):
        make_cell(CellSpec.make("decoder_routed_experts", **_EXPERTS, scoring="top1", shares=1))


@pytest.mark.parametrize("parallel", [{}, {"TP": 2, "EP": 2}])
def test_a_network_makes_scores_of_the_next_token(parallel: dict[str, int]) -> None:
    section = {
        "VOCAB": 96, "LAYERS": 2, "WIDTH": 32, "HEADS": 4, "FF": 48, "KV_RANK": 16, "NOPE_DIM": 8, "ROPE_DIM": 4,
        "V_DIM": 8, "EXPERTS": 4, "ROUTER": "sigmoid", "DENSE_LAYERS": 1,
    }  # fmt: skip
    cost = {"PROMPT": 6, "PAST": 3, "PARALLEL": parallel}
    values = {"MODEL": {"TYPE": "decoder"}, "DECODER": section, "COST": cost}
    net = initialise(build(to_spec(cfg_from_dict(values))), seed=0).eval()
    with torch.no_grad():
        scores = net(torch.randint(48, (2, 6), generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, 48 if parallel else 96)
    assert torch.isfinite(scores).all()
