"""NPUs against vela's estimates, and microcontrollers against what was published of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import oracle
from oracle._ranks import kendall_tau_b
from oracle.errors import DeviceError
from oracle.query import Cost
from tests.benchmarks._small_networks import NETWORKS

# cycles per inference that vela 5.2 estimates, by tests/benchmarks/vela.py; weights in flash, tensors in SRAM
VELA_CYCLES = {
    "MobileNetV1 0.25": {"ethos-u55-32": 761896, "ethos-u55-256": 297416, "ethos-u65-512": 254243, "ethos-u85-256": 286548},
    "autoencoder": {"ethos-u55-32": 253600, "ethos-u55-256": 253600, "ethos-u65-512": 254032, "ethos-u85-256": 253888},
    "MobileNetV2 0.35": {"ethos-u55-32": 2936735, "ethos-u55-256": 1793455, "ethos-u65-512": 1711049, "ethos-u85-256": 1762743},
    "ResNet-8": {"ethos-u55-32": 707999, "ethos-u55-256": 142002, "ethos-u65-512": 104067, "ethos-u85-256": 128050},
    "R-20": {"ethos-u55-32": 2077823, "ethos-u55-256": 419354, "ethos-u65-512": 318863, "ethos-u85-256": 387201},
    "RegNetX-200MF": {"ethos-u55-32": 3949471, "ethos-u55-256": 2819276, "ethos-u65-512": 2792884, "ethos-u85-256": 2858190},
    "FBNet-C": {"ethos-u55-32": 9137702, "ethos-u55-256": 5709092, "ethos-u65-512": 5566524, "ethos-u85-256": 5709215},
}  # fmt: skip
NPUS = tuple(VELA_CYCLES["ResNet-8"])
CORES = ("stm32l4r5", "stm32f746")

# MLPerf Tiny v0.5, the reference on a NUCLEO-L4R5ZI, ms
MLPERF_MS = {"MobileNetV1 0.25": 603.14, "ResNet-8": 704.23, "DS-CNN": 181.92, "autoencoder": 10.40}


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    found = {}
    for name in {**VELA_CYCLES, **MLPERF_MS}:
        make, shape = NETWORKS[name]
        image = torch.empty(shape, device="meta")
        found[name] = oracle.profile(make(), image, devices=[*NPUS, *CORES], dtype="int8", runtime="engine")
    return found


@pytest.mark.parametrize("name", NPUS)
def test_predictions_for_an_npu_are_near_its_compilers(name: str, costs: dict[str, Cost]) -> None:
    hz = oracle.load_device(name).clock
    assert hz is not None
    truth = np.array([cycles[name] / hz.value * 1e3 for cycles in VELA_CYCLES.values()])
    found = np.array([costs[network].latency_ms[name] for network in VELA_CYCLES])
    assert np.abs(found / truth - 1).mean() <= 0.25
    assert kendall_tau_b(found, truth) >= 0.9
    bound = np.array([costs[network].roofline_ms[name] for network in VELA_CYCLES])
    assert (bound <= 1.1 * truth).all()  # vela compresses weights, and they count as they are


def test_without_its_own_port_the_flash_would_not_bound_the_autoencoder(costs: dict[str, Cost]) -> None:
    """Every weight is used once: 264,192 of them and their biases at 0.5 GB/s, whatever the number of MACs."""
    times = [costs["autoencoder"].roofline_ms[name] for name in NPUS]
    assert times == pytest.approx([costs["autoencoder"].flash_bytes / 0.5e9 * 1e3] * len(NPUS), rel=0.01)
    assert all(costs["autoencoder"].times[name].bound == "memory" for name in NPUS)


def test_an_npu_computes_in_integers() -> None:
    npu = oracle.load_device("ethos-u55-256")
    assert npu.dtypes == ("int8",)
    assert npu.peak_flops("vector", "float32") == npu.peak_flops("vector", "int8")
    with pytest.raises(DeviceError, match="no matrix peak for dtype='float32'"):
        npu.peak_flops("matrix", "float32")


@pytest.mark.parametrize("name", MLPERF_MS)
def test_a_cortex_m4_takes_about_what_was_published(name: str, costs: dict[str, Cost]) -> None:
    time = costs[name].times["stm32l4r5"]
    assert time.model == "calibrated"
    assert time.latency_ms == pytest.approx(MLPERF_MS[name], rel=0.42)
    assert costs[name].roofline_ms["stm32l4r5"] < MLPERF_MS[name] / 9  # two MACs a cycle are far away
    assert costs[name].times["stm32f746"].model == "prior"
    assert costs[name].times["stm32f746"].expected_error is None
