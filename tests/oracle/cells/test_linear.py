"""Gated DeltaNet in chunks, token by token and as its paper writes it; attention with a gate behind it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oracle.build import build, initialise
from oracle.cells import make_cell
from oracle.cells.functions import causal_conv, delta_rule
from oracle.config import cfg_from_dict
from oracle.families import to_spec
from oracle.spec import CellSpec

_ENDS: dict[str, Any] = {"norm": "rms", "post_norm": False, "ln_eps": 1e-6}
_LINEAR: dict[str, Any] = {
    "width": 32, "heads": 4, "key_heads": 2, "key_dim": 6, "value_dim": 5, "kernel": 4, **_ENDS,
}  # fmt: skip
_ATTENTION: dict[str, Any] = {
    "width": 32, "heads": 4, "kv_heads": 2, "head_dim": 8, "rotary": 2, "past": 0, "capacity": 8, "window": 0,
    "qkv_bias": False, "out_bias": False, "qk_norm": True, "kv_byte": False, **_ENDS,
}  # fmt: skip


def _drawn(kind: str, **words: Any) -> nn.Module:
    module = make_cell(CellSpec.make(kind, **words)).to_empty(device="cpu")
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.normal_(0, 0.3)
    return module.eval()


def _inputs(length: int) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(2, length, 2, 6), (2, length, 2, 6), (2, length, 4, 5), (2, length, 2, 4), (4,), (4,)]
    return [torch.randn(shape) for shape in shapes]


def _as_written(
    q: Tensor, k: Tensor, v: Tensor, ba: Tensor, rate: Tensor, shift: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """S_t = S_{t-1} (g_t (I - b_t k_t k_t^T)) + b_t v_t k_t^T, y_t = S_t q_t: arXiv 2412.06464, equation 10."""
    out = torch.empty_like(v)
    state = state.clone().transpose(2, 3)  # values by keys, as there
    for n in range(v.shape[0]):
        for head in range(v.shape[2]):
            for t in range(v.shape[1]):
                key, query = (F.normalize(x[n, t, head // 2], dim=0) for x in (k, q))
                b = torch.sigmoid(ba[n, t, 0, head])
                g = torch.exp(-torch.exp(rate[head]) * F.softplus(ba[n, t, 1, head] + shift[head]))
                erased = g * (torch.eye(6) - b * torch.outer(key, key))
                state[n, head] = state[n, head] @ erased + b * torch.outer(v[n, t, head], key)
                out[n, t, head] = state[n, head] @ query / 6**0.5
    return out, state.transpose(2, 3)


@pytest.mark.parametrize("chunk", [0, 3, 64])
def test_the_rule_is_what_its_paper_says(chunk: int) -> None:
    inputs, state = _inputs(7), torch.randn(2, 4, 6, 5)
    expected, after = _as_written(*inputs, state)
    found = delta_rule(*inputs, state, chunk)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(state, after, rtol=1e-4, atol=1e-5)


def test_tokens_after_a_prompt_are_those_of_a_longer_one() -> None:
    inputs, state = _inputs(7), torch.zeros(2, 4, 6, 5)
    parts = [[x[:, at] if x.dim() > 1 else x for x in inputs] for at in (slice(0, 6), slice(6, 7))]
    found = torch.cat([delta_rule(*part, state, chunk) for part, chunk in zip(parts, (64, 0), strict=True)], dim=1)
    torch.testing.assert_close(found, delta_rule(*inputs, None, 64), rtol=1e-4, atol=1e-5)


def test_a_convolution_goes_on_where_it_stood() -> None:
    x, weight, state = torch.randn(2, 7, 6), torch.randn(6, 4), torch.zeros(2, 6, 3)
    padded = F.pad(x.transpose(1, 2), (3, 0))
    expected = F.silu(sum(padded[..., at : at + 7] * weight[:, at, None] for at in range(4))).transpose(1, 2)
    found = torch.cat([causal_conv(part, weight, state) for part in x.split((5, 2), dim=1)], dim=1)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(state, x[:, -3:].transpose(1, 2))


def test_chunks_steps_and_training_give_the_same_tokens() -> None:
    chunked, single = (_drawn("decoder_linear_attention", **_LINEAR, recurrent=form) for form in (False, True))
    x = torch.randn(2, 7, 32)
    with torch.no_grad():
        found = chunked(x)
        assert (found - x).abs().max() > 0.01
        torch.testing.assert_close(single(x), found, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(chunked.train()(x), found, rtol=1e-4, atol=1e-5)


def test_an_open_gate_leaves_attention_alone() -> None:
    gated = _drawn("decoder_gated_attention", **_ATTENTION)
    plain = _drawn("decoder_attention", **_ATTENTION, sinks=False, softcap=False)
    weights = {**gated.state_dict()}
    weights["qkv.weight"] = weights["qkv.weight"][32:]
    plain.load_state_dict(weights)
    x = torch.randn(2, 5, 32)
    with torch.no_grad():
        gated.qkv.weight[:32] = 0.0  # type: ignore[union-attr, index, operator]
        torch.testing.assert_close(gated(x) - x, (plain(x) - x) / 2)  # a sigmoid of nothing


@pytest.mark.parametrize("parallel", [{}, {"TP": 2, "EP": 2}])
def test_a_network_makes_scores_of_the_next_token(parallel: dict[str, int]) -> None:
    section = {
        "VOCAB": 96, "LAYERS": 2, "WIDTH": 32, "HEADS": 4, "FF": 48, "MIXERS": ["linear", "full"], "OUT_GATE": True,
        "LINEAR_HEADS": 4, "LINEAR_KEY_HEADS": 2, "LINEAR_KEY_DIM": 6, "LINEAR_VALUE_DIM": 5, "EXPERTS": 4,
        "SHARED_FF": 16, "SHARED_GATE": True,
    }  # fmt: skip
    cost = {"PROMPT": 6, "PAST": 3, "PARALLEL": parallel}
    values = {"MODEL": {"TYPE": "decoder"}, "DECODER": section, "COST": cost}
    net = initialise(build(to_spec(cfg_from_dict(values))), seed=0).eval()
    with torch.no_grad():
        scores = net(torch.randint(48, (2, 6), generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (2, 48 if parallel else 96)
    assert torch.isfinite(scores).all()
