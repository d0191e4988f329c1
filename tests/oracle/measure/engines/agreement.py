"""Small networks of three kinds, and whether an engine says of them what PyTorch does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

import oracle
from oracle.measure.engines import Models, engine_of
from oracle.measure.engines.models import images_of, module_of
from oracle.spec import NetSpec, Workload

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    # grouped convolutions, squeeze-and-excitation, residuals
    "regnet": (
        "RegNetY-400MF",
        {"REGNET.DEPTH": 2, "REGNET.W0": 16, "REGNET.WA": 16.0, "REGNET.WM": 2.0, "TRAIN.IM_SIZE": 32},
    ),
    # depthwise convolutions, swish
    "effnet": (
        "EfficientNet-B0",
        {
            "EN.DEPTHS": [1, 1],
            "EN.WIDTHS": [16, 24],
            "EN.EXP_RATIOS": [1, 4],
            "EN.STRIDES": [1, 2],
            "EN.KERNELS": [3, 5],
            "EN.HEAD_W": 64,
            "TRAIN.IM_SIZE": 32,
        },
    ),
    # attention, layer norm, gelu
    "vit": (
        "ViT-S-16",
        {
            "VIT.NUM_LAYERS": 1,
            "VIT.NUM_HEADS": 2,
            "VIT.HIDDEN_DIM": 32,
            "VIT.MLP_DIM": 64,
            "VIT.PATCH_SIZE": 8,
            "TRAIN.IM_SIZE": 32,
        },
    ),
}


def network(kind: str) -> NetSpec:
    """One of `NETWORKS`, of ten classes."""
    name, changes = NETWORKS[kind]
    return oracle.to_spec(oracle.load_cfg(name, {**changes, "MODEL.NUM_CLASSES": 10}))


def scores_of_torch(net: NetSpec, batch_size: int = 1) -> Any:
    """What the module says of the images that engines get."""
    with torch.inference_mode():
        return module_of(net)(images_of(net, batch_size)).numpy()


def session(net: NetSpec, folder: Path, engine: str, *, profiled: bool = False, **words: Any) -> Any:
    """A network loaded by an engine on one thread."""
    workload = Workload().with_(engine=engine, **words)
    return engine_of(engine).session(net, workload, 1, Models(folder), profiled=profiled)


def agree(found: Any, expected: Any, tolerance: float) -> None:
    """Equal but for a share of the largest score; and the scores of a network that looks at its images."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.ptp(expected) > 0.1
    assert np.abs(found - expected).max() < tolerance * np.abs(expected).max()
