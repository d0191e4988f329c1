from __future__ import annotations

import numpy as np
import pytest

import oracle
from oracle.blocking import ONEDNN, ONNXRUNTIME, Blocking
from oracle.calibration import prior_calibration
from oracle.closedform import network_form, shared_store
from oracle.config import load_cfg
from oracle.devices import load_device
from oracle.families import to_spec
from oracle.roofline import TEXTBOOK, Efficiency, time_kernels


def test_the_last_block_takes_as_long_as_a_full_one() -> None:
    sizes = np.array([[1, 1, 2], [10, 10, 10], [16, 17, 24], [100, 100, 100]])  # batch, m, n, k; products side by side
    seconds = Blocking(16).compute_s(sizes, 1e6)
    np.testing.assert_allclose(seconds * 1e6, [2 * 10 * 100 * 16, 2 * 10 * 100 * 32, 2 * 2 * 10 * 100 * 32])


def test_a_row_costs_steps_of_one_block() -> None:
    """3 x 10 rows, each 2 blocks of 16 x 100 multiply-adds and 20 steps of 16."""
    assert float(Blocking(16, 20.0).compute_s((3, 10, 32, 100), 1.0)) == 2 * 30 * 16 * (2 * 100 + 20)


def test_full_blocks_are_the_textbook() -> None:
    assert float(ONNXRUNTIME.compute_s((1, 3136, 64, 576), 1e9)) == 2 * 3136 * 64 * 576 / 1e9


@pytest.mark.parametrize("name", ["RegNetX-200MF", "EfficientNet-B0"])
def test_a_network_takes_as_long_as_its_kernels_in_blocks(name: str) -> None:
    """The closed form's seconds are those of each kernel by hand: its product in blocks, or its bytes."""
    device = load_device("xeon-8375c")
    workload = oracle.Workload(runtime="engine", engine="openvino")
    form = network_form(shared_store(), to_spec(load_cfg(name)), workload)
    kinds, (matrix, vector, traffic, weights) = form.every_kernel()
    products = form.every_product
    timing = time_kernels(kinds, matrix, vector, traffic, device, Efficiency(tiling=ONEDNN), weights, products=products)
    plain = time_kernels(kinds, matrix, vector, traffic, device, TEXTBOOK, weights)
    expected = plain.compute_s.copy()
    peak = device.peak_flops("matrix", "float32")
    for kernel, (batch, m, n, k, _) in zip(products.kernels, products.dims.T, strict=True):
        assert matrix[kernel] == 2 * batch * m * n * k
        alone = 2 * batch * m * 16 * (-(-n // 16) * k + 20) / peak
        expected[kernel] = max(alone, plain.compute_s[kernel])
    np.testing.assert_allclose(timing.compute_s, expected, rtol=1e-12)
    assert (timing.compute_s > 1.2 * plain.compute_s).any()


def test_a_calibration_keeps_the_blocks_of_its_prior() -> None:
    words = {"runtime": "engine", "engine": "openvino"}
    workload = oracle.Workload(**words)
    prior = prior_calibration("server-cpu", workload, "openvino")
    assert prior is not None
    assert prior.efficiency.blocking == ONEDNN
    names = ["RegNetX-200MF", "RegNetX-800MF", "ResNet-50", "EfficientNet-B0", "FBNet-C", "ViT-S-16"]
    before = oracle.score_many(names, ["xeon-8375c"], **words).latency_ms["xeon-8375c"]
    rows = [oracle.Measurement(name, "xeon-8375c", workload, 1.5 * ms) for name, ms in zip(names, before, strict=True)]
    found = oracle.calibrate("xeon-8375c", rows)
    assert found.efficiency.blocking == ONEDNN
    after = oracle.score_many(names, ["xeon-8375c"], calibrations=[found], **words).latency_ms["xeon-8375c"]
    np.testing.assert_allclose(after, 1.5 * np.array(before), rtol=0.1)
