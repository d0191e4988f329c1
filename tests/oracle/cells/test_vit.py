from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oracle.build import initialise
from oracle.cells import make_cell
from oracle.spec import CellSpec


def real(kind: str, **params: Any) -> nn.Module:
    return initialise(make_cell(CellSpec.make(kind, **params)), seed=0).eval()


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("class_token", [False, True])
def test_tokenizer_by_hand(class_token: bool) -> None:
    length = 2 * 3 + class_token
    cell = real(
        "vit_tokenizer",
        w_in=3, hidden_dim=8, kernel=4, stride=4, padding=0, seq_len=length, class_token=class_token,
    )  # fmt: skip
    assert count(cell) == 4 * 4 * 3 * 8 + 8 + length * 8 + (8 if class_token else 0)
    for parameter in cell.parameters(recurse=False):
        parameter.data.normal_(generator=torch.Generator().manual_seed(2))
    x, w = noise(2, 3, 8, 12), dict(cell.named_parameters())
    # a token is a linear function of its patch; patches run along rows of the image
    patches = x.reshape(2, 3, 2, 4, 3, 4).permute(0, 2, 4, 1, 3, 5).reshape(2, 6, 48)
    tokens = patches @ w["conv.weight"].reshape(8, 48).T + w["conv.bias"]
    if class_token:
        tokens = torch.cat([w["class_token"].expand(2, 1, 8), tokens], 1)
    torch.testing.assert_close(cell(x), tokens + w["pos_embedding"], atol=1e-5, rtol=1e-5)


def test_last_layer_of_a_convolutional_stem() -> None:
    cell = real("vit_tokenizer", w_in=6, hidden_dim=8, kernel=3, stride=1, padding=1, seq_len=17, class_token=True)
    assert cell(noise(2, 6, 4, 4)).shape == (2, 17, 8)


def test_a_fresh_tokenizer_has_a_zero_class_token_and_small_positions() -> None:
    cell = real("vit_tokenizer", w_in=3, hidden_dim=64, kernel=4, stride=4, padding=0, seq_len=65, class_token=True)
    w = dict(cell.named_parameters())
    assert not w["class_token"].any()
    assert w["pos_embedding"].std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_encoder_equals_torchs_own_layer(heads: int) -> None:
    cell = real("vit_encoder", hidden_dim=16, num_heads=heads, mlp_dim=40, ln_eps=1e-4)
    w = cell.state_dict()
    theirs = nn.TransformerEncoderLayer(
        16, heads, 40, dropout=0.0, activation="gelu", layer_norm_eps=1e-4, batch_first=True, norm_first=True
    )
    pairs = {
        "norm1": "ln_1",
        "self_attn.in_proj_": "attention.qkv",
        "self_attn.out_proj": "attention.out",
        "norm2": "ln_2",
        "linear1": "mlp.up",
        "linear2": "mlp.down",
    }
    state = {
        f"{name}{'' if name.endswith('_') else '.'}{kind}": w[f"{ours}.{kind}"]
        for name, ours in pairs.items()
        for kind in ("weight", "bias")
    }
    theirs.load_state_dict(state)
    x = noise(2, 5, 16)
    torch.testing.assert_close(cell(x), theirs(x))


def test_encoder_parameters_by_hand() -> None:
    cell = make_cell(CellSpec.make("vit_encoder", hidden_dim=768, num_heads=12, mlp_dim=3072, ln_eps=1e-6))
    attention = 4 * (768 * 768 + 768)
    mlp = 2 * 768 * 3072 + 3072 + 768
    assert count(cell) == attention + mlp + 2 * 2 * 768 == 7_087_872  # a layer of ViT-B


@pytest.mark.parametrize("class_token", [False, True])
def test_head(class_token: bool) -> None:
    cell = real("vit_head", hidden_dim=8, num_classes=5, class_token=class_token, ln_eps=1e-5)
    assert count(cell) == 2 * 8 + 8 * 5 + 5
    x, w = noise(2, 7, 8), dict(cell.named_parameters())
    normed = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-5).sqrt()
    feature = normed[:, 0] if class_token else normed.mean(1)
    torch.testing.assert_close(cell(x), feature @ w["fc.weight"].T + w["fc.bias"])
