"""ncnn on boards: the networks are the papers', and answers from a sheet are near what was measured."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from oracle._ranks import kendall_tau_b
from oracle.devices import Device, load_device
from oracle.query.models import latency_models
from oracle.roofline import time_kernels
from tests.benchmarks._ncnn_networks import MACS_M, NETWORKS
from tests.benchmarks._ncnn_rows import Row, kernels_of, read_rows, workload_of

# beginning of a board's name -> device as its users type it
ASKED = {
    "Raspberry Pi 4": "raspi4",
    "Raspberry Pi 3": "raspberry-pi-3",
    "Kirin 970": "kirin-970",
    "Station P2": "rk3568",
    "NanoPi R2S": "nanopi-r2s",
}


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    file = shared_data / "edge_ncnn.csv"
    if not file.exists():
        pytest.skip("no edge_ncnn.csv beside the checkout")
    return read_rows(file, NETWORKS, tuple(ASKED))


@pytest.mark.parametrize("network", MACS_M)
def test_networks_have_the_multiply_adds_that_are_published(network: str) -> None:
    """Within 5 %: papers round, and leave out small parts. ncnn's kernels of depthwise convolutions are no products."""
    kernels = kernels_of(network, "float32")
    macs = kernels.matrix_flops.sum() / 2
    depthwise = np.array([name == "depthwise" for name in kernels.kinds.op_classes])
    macs += kernels.vector_flops[depthwise].sum() / 2
    rough = {"googlenet": 0.08, "yolo-fastestv2": 0.08}  # 1.5 billion is rounded; 0.212 GFLOPs without the heads' tail
    assert macs / 1e6 == pytest.approx(MACS_M[network], rel=rough.get(network, 0.05))


def _asked(board: str) -> str:
    return next(word for start, word in ASKED.items() if board.startswith(start))


def predicted_ms(device: Device, row: Row, *, bound: bool = False) -> float:
    models = latency_models([device], workload_of(row.dtype, row.threads), "best", (), 224)
    place = models.bounds[0] if bound else models.places[device.name]
    kernels = kernels_of(row.network, row.dtype)
    numbers = kernels.matrix_flops, kernels.vector_flops, kernels.traffic_bytes
    return time_kernels(kernels.kinds, *numbers, place.device, place.efficiency, kernels.weight_bytes).latency_s * 1e3


def test_a_board_is_predicted_by_its_sheet_at_one_two_and_four_threads(rows: list[Row]) -> None:
    errors, taus = defaultdict(list), []
    settings = defaultdict(list)
    for row in rows:
        settings[row.setting].append(row)
    assert {row.threads for row in rows} == {1, 2, 4}
    for (board, *_), own in settings.items():
        name = _asked(board)
        guessed = np.array([predicted_ms(load_device(name), row) for row in own])
        measured = np.array([row.seconds * 1e3 for row in own])
        errors[board].append(float(np.abs(guessed / measured - 1).mean()))
        if own[0].dtype == "float32":
            taus.append(kendall_tau_b(guessed, measured))
    means = [np.mean(each) for each in errors.values()]
    assert np.median(means) < 0.30
    assert max(means) < 0.60
    assert np.median(taus) > 0.87


def test_no_board_beats_its_lower_bound(rows: list[Row]) -> None:
    for row in rows:
        assert predicted_ms(load_device(_asked(row.board)), row, bound=True) <= row.seconds * 1e3, (
            row.setting,
            row.network,
        )
