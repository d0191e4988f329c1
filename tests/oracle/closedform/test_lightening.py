"""Templates with quantised weights against traces of the same cells."""

from __future__ import annotations

from itertools import product

import pytest

import oracle
from oracle.counting.networks import count_net
from oracle.spec import Workload

NETWORKS = ("R-56", "RegNetY-200MF", "EfficientNet-B0", "ViT-S-16", "OFA-D2-E3-K3", "FBNet-C", "NB201-ResNet")


@pytest.mark.parametrize(("name", "weights"), [*product(NETWORKS, ["int8", "int4"])])
def test_quantised_weights_are_what_a_trace_says(name: str, weights: str) -> None:
    spec = oracle.to_spec(oracle.load_cfg(name))
    dtype = {"int8": "float32", "int4": "float16"}[weights]
    words = {"batch_size": 2, "dtype": dtype, "runtime": "engine", "weights": weights}
    ours, several = oracle.score(spec, **words), oracle.score_many([spec] * 20, **words)
    found = count_net(spec, Workload(**words))

    traffic = sum(kernel.read_bytes + kernel.write_bytes for kernel in found.kernels)
    assert ours.traffic_bytes == traffic
    assert ours.memory == found.memory
    assert ours.macs == sum(kernel.macs for kernel in found.kernels)
    assert [(k.traffic_bytes, k.weight_bytes, k.dtype) for k in ours.kernels()] == [
        (k.read_bytes + k.write_bytes, k.weight_bytes, k.matrix_dtype if k.macs else k.vector_dtype)
        for k in found.kernels
    ]
    assert several.traffic_bytes.tolist() == [traffic] * 20
    assert several.peak_memory_bytes.tolist() == [found.memory.peak_bytes] * 20


def test_half_a_byte_a_weight_is_less() -> None:
    words = {"runtime": "engine", "dtype": "float16"}
    plain, eight, four = (
        oracle.score("ResNet-50", weights=weights, **words).memory.weights_bytes for weights in ("", "int8", "int4")
    )
    assert four < eight < plain < 2 * eight < 4 * four
