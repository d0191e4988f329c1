"""Kernels of decoders take in `oracle.score` what the benchmark of kernels says of their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import oracle
from tests.benchmarks.products import Rows, as_scored

_WORDS = {"LAYERS": 3, "WIDTH": 4096, "HEADS": 32, "KV_HEADS": 8, "FF": 14336, "VOCAB": 128256}


def rows(device: str, **columns: float) -> Rows:
    """One kernel."""
    plain = (np.array([device]), *(np.ones(1) for _ in range(7)))
    return Rows(*plain, columns={name: np.array([float(value)]) for name, value in columns.items()})


@pytest.mark.parametrize("device", ["a100-sxm-80gb", "h100-sxm", "l40s", "h200", "b200"])
@pytest.mark.parametrize(
    ("batch", "cost"),
    [
        (4, {"PHASE": "prefill", "PROMPT": 512}),
        (1, {"PHASE": "prefill", "PROMPT": 4096}),
        (1, {"PHASE": "decode", "PAST": 1023}),
        (64, {"PHASE": "decode", "PAST": 4095}),
    ],
)
def test_kernels_of_a_decoder(device: str, batch: int, cost: dict[str, Any]) -> None:
    cfg = oracle.cfg_from_dict({"MODEL": {"TYPE": "decoder"}, "DECODER": _WORDS, "COST": cost})
    found = oracle.score(cfg, [device], batch_size=batch, dtype="bfloat16", weights="bfloat16", runtime="compiled")
    kernels = found.kernels(device)
    tokens = batch * cost.get("PROMPT", 1)
    params = int(2 * found.params)
    products = [kernel.time_ms / 1e3 for kernel in kernels if kernel.op_class == "linear"]
    expected = [
        float(as_scored("bfloat16", rows(device, m=tokens, n=n, k=k, kv_bytes=2), params)[0])
        for n, k in ((6144, 4096), (4096, 4096), (28672, 4096), (4096, 14336))
    ]
    assert products[:4] == pytest.approx(expected, rel=1e-6)
    shape = {"batch_size": batch, "num_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "kv_bytes": 2}
    asked = {"query_length": cost.get("PROMPT", 1), **({"past_length": cost["PAST"]} if "PAST" in cost else {})}
    attends = [kernel.time_ms / 1e3 for kernel in kernels if kernel.op_class == "attention"]
    assert len(attends) == 3
    (alone,) = as_scored("prefill", rows(device, **shape, **asked), params)
    assert attends == pytest.approx([alone] * 3, rel=1e-6)
