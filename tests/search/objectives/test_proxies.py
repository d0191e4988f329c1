"""Each proxy against networks whose value can be written down."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from oracle.errors import ConfigError, OracleError
from search.objectives import quality_of
from search.objectives.proxies import grad_norm, naswot, synflow
from search.space import load_space

NO_LABELS = torch.zeros(0, dtype=torch.int64)


def linear(weights: list[list[float]]) -> nn.Linear:
    layer = nn.Linear(len(weights[0]), len(weights), bias=False)
    layer.weight.data = torch.tensor(weights)
    return layer


def test_synflow_of_two_layers() -> None:
    # R = 1ᵀ |W2| |W1| 1 = [3 4] · [|1|+|-2|, |0.5|+|0|] = 9 + 2 = 11; each layer's |w dR/dw| sums to R.
    module = nn.Sequential(linear([[1.0, -2.0], [0.5, 0.0]]), nn.ReLU(), linear([[-3.0, 4.0]]))
    assert synflow(module, torch.randn(5, 2), NO_LABELS) == pytest.approx(math.log10(1 + 2 * 11))


def test_synflow_of_a_biased_layer_counts_the_bias() -> None:
    layer = nn.Linear(2, 1)
    layer.weight.data, layer.bias.data = torch.tensor([[2.0, -3.0]]), torch.tensor([-4.0])
    assert synflow(layer, torch.zeros(1, 2), NO_LABELS) == pytest.approx(math.log10(1 + 5 + 4))


def test_naswot_of_two_images_and_three_units() -> None:
    # codes: image (1, 0) -> 1 0 1; image (0, 1) -> 0 1 1: they agree in one unit of three.
    module = nn.Sequential(linear([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]), nn.ReLU())
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert naswot(module, images, NO_LABELS) == pytest.approx(math.log(3 * 3 - 1 * 1))


def test_naswot_adds_layers_and_needs_one() -> None:
    layer = linear([[1.0, 0.0], [0.0, 1.0]])
    module = nn.Sequential(layer, nn.ReLU(inplace=True), linear([[1.0, -1.0], [1.0, 1.0]]), nn.SiLU())
    # layer 1: 1 0 and 0 1 (agree in none of 2); layer 2: (1, 1) and (-1, 1) -> 1 1 and 0 1 (one of 2)
    images = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    assert naswot(module, images, NO_LABELS) == pytest.approx(math.log(4 * 4 - 1))
    with pytest.raises(OracleError, match="no rectifier"):
        naswot(layer, images, NO_LABELS)


def test_grad_norm_of_a_linear_classifier() -> None:
    # zero weights: both classes have 1/2, and dL/dW = (softmax - one_hot) xᵀ = [-1/2, 1/2] ⊗ [3, 4]
    module = linear([[0.0, 0.0], [0.0, 0.0]])
    norm = grad_norm(module, torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
    assert norm == pytest.approx(5 * math.sqrt(0.5))


def test_grad_norm_adds_the_norms_of_layers() -> None:
    module = nn.Sequential(linear([[0.0]]), linear([[2.0], [-2.0]]))
    norm = grad_norm(module, torch.tensor([[3.0]]), torch.tensor([0]))
    # W2's input is 0, so its own gradient is 0; dL/dw1 = (2 * -1/2 + -2 * 1/2) * 3 = -6
    assert norm == pytest.approx(6)
    # with w1 = 1 and W2 = 0 it is the other way round: dL/dW2 = [-1/2, 1/2] ⊗ [3]
    module = nn.Sequential(linear([[1.0]]), linear([[0.0], [0.0]]))
    assert grad_norm(module, torch.tensor([[3.0]]), torch.tensor([0])) == pytest.approx(3 * math.sqrt(0.5))


class Evaluation:
    seed = 3


@pytest.mark.parametrize("proxy", ["synflow", "naswot", "grad_norm"])
def test_of_a_network_of_a_space_it_is_finite_and_repeatable(proxy: str) -> None:
    from oracle import load_cfg, to_spec
    from search.objectives import Builder

    small = ["TRAIN.IM_SIZE", 32, "MODEL.NUM_CLASSES", 10, "REGNET.DEPTH", 3, "REGNET.W0", 16]
    spec = to_spec(load_cfg("RegNetX-200MF", small))
    section = {"TYPE": "proxies", "PROXY": proxy, "BATCH_SIZE": 4, "DATA": ""}
    evaluate: Any = quality_of(section, load_space("cifar-regnet"))
    first = evaluate(spec, Builder(spec, 0), Evaluation())
    assert math.isfinite(first)
    assert evaluate(spec, Builder(spec, 0), Evaluation()) == first
    assert evaluate(spec, Builder(spec, 1), Evaluation()) != first


def test_given_images_must_fit(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from oracle import load_cfg, to_spec
    from search.objectives import Builder

    (tmp_path / "proxy_images.py").write_text(
        "import torch\ndef batch(size, shape):\n    return torch.ones(size, 1, 2, 2), torch.zeros(size).long()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    section = {"TYPE": "proxies", "PROXY": "naswot", "BATCH_SIZE": 4, "DATA": "proxy_images:batch"}
    evaluate: Any = quality_of(section, load_space("cifar-regnet"))
    spec = to_spec(load_cfg("RegNetX-200MF"))
    with pytest.raises(ConfigError, match=r"QUALITY.DATA: images of shape \(4, 1, 2, 2\)"):
        evaluate(spec, Builder(spec), Evaluation())
