"""Networks measured on one device, predicted on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.calibration import Calibration, Carried, calibration_of
from oracle.errors import WorkloadError
from oracle.measure import Measurement, write_measurements
from oracle.spec import Workload

WORDS: dict[str, Any] = {"batch_size": 64, "dtype": "float16"}
BOUND = {**WORDS, "model": "roofline"}
HALF = Workload(batch_size=64, dtype="float16")


def measured(latency_ms: float, **changes: Any) -> Measurement:
    return replace(Measurement("R-56", "rtx-3090", HALF, latency_ms), **changes)


def test_the_residual_there_is_carried_over_by_the_ratio_of_the_rooflines() -> None:
    bound = oracle.score("R-56", ["rtx-4090", "rtx-3090"], **BOUND).latency_ms
    row = measured(3 * bound["rtx-3090"])
    found = oracle.score("R-56", ["rtx-4090", "rtx-3090"], **BOUND, transfer={"rtx-3090": [row]})
    assert found.latency_ms["rtx-4090"] == pytest.approx(3 * bound["rtx-4090"])
    assert found.latency_ms["rtx-3090"] == bound["rtx-3090"]  # what was measured on a device is for `calibrate`
    there, here = found.times["rtx-3090"], found.times["rtx-4090"]
    assert (there.model, here.model, here.expected_error) == ("roofline", "transfer", None)
    assert here.source.endswith("measured on rtx-3090, carried over by the ratio of the two rooflines")


def test_a_transfer_between_calibrated_devices_tells_the_error_that_it_showed() -> None:
    words = {**WORDS, "model": "calibrated"}
    plain = oracle.score("R-56", ["rtx-4090", "rtx-3090"], **words).latency_ms
    row = measured(1.2 * plain["rtx-3090"])
    used = calibration_of(oracle.load_device("rtx-4090"), Workload(dtype="float16"))
    assert isinstance(used, Calibration)
    mine = replace(used, carried={"rtx-3090": Carried(0.05, (0.9, 1.1), 300)})
    found = oracle.score("R-56", ["rtx-4090"], **words, calibrations=[mine], transfer={"rtx-3090": [row]})
    time = found.times["rtx-4090"]
    assert time.latency_ms == pytest.approx(1.2 * plain["rtx-4090"])
    assert (time.model, time.expected_error) == ("transfer", 0.05)
    assert time.interval_ms == pytest.approx((0.9 * time.latency_ms, 1.1 * time.latency_ms))
    assert "error on 300 networks of both" in time.source


def test_the_shipped_calibrations_say_how_far_off_a_transfer_is() -> None:
    for here, there in (("rtx-4090", "rtx-3090"), ("rtx-3090", "rtx-4090")):
        found = calibration_of(oracle.load_device(here), Workload(dtype="float16"))
        assert found is not None
        known = found.carried[there]
        assert 0 < known.error < (found.error or 0)  # else nobody should carry anything over
        assert known.interval is not None
        assert known.interval[0] < 1 < known.interval[1]
        assert known.networks > 100


def test_no_transfer_beats_the_roofline() -> None:
    bound = oracle.score("R-56", ["rtx-4090"], **WORDS).roofline_ms["rtx-4090"]
    row = measured(1e-6)
    assert oracle.score("R-56", ["rtx-4090"], **WORDS, transfer={"rtx-3090": [row]}).latency_ms["rtx-4090"] == bound


@pytest.mark.parametrize(
    "row",
    [
        measured(9.0, network="R-110"),
        measured(9.0, network="no/such/R-56.yaml"),
        measured(9.0, workload=HALF.with_(runtime="compiled")),
        measured(9.0, workload=HALF.with_(dtype="float32")),
        measured(9.0, workload=HALF.with_(mode="training")),
    ],
    ids=["network", "file", "runtime", "dtype", "mode"],
)
def test_measurements_of_something_else_change_nothing(row: Measurement) -> None:
    plain = oracle.score("R-56", ["rtx-4090"], **WORDS)
    found = oracle.score("R-56", ["rtx-4090"], **WORDS, transfer={"rtx-3090": [row]})
    assert found.times["rtx-4090"] == plain.times["rtx-4090"]


def test_the_nearest_batch_size_is_carried_over(tmp_path: Path) -> None:
    far, near = HALF.with_(batch_size=1), HALF.with_(batch_size=32)
    at = oracle.score("R-56", ["rtx-3090"], batch_size=32, dtype="float16").latency_ms["rtx-3090"]
    write_measurements(
        tmp_path / "m.csv", [measured(1.0, workload=far), measured(2 * at, workload=near), measured(1.0, device="t4")]
    )
    time = oracle.score("R-56", ["rtx-4090"], **WORDS, transfer={"rtx-3090": tmp_path / "m.csv"}).times["rtx-4090"]
    plain = oracle.score("R-56", ["rtx-4090"], **WORDS).latency_ms["rtx-4090"]
    assert time.latency_ms == pytest.approx(2 * plain, rel=1e-4)  # the file has six digits
    assert "with batches of 32" in time.source


def test_a_ranking_by_transfer() -> None:
    bound = oracle.score("R-110", ["rtx-3090"], **WORDS).latency_ms["rtx-3090"]
    rows = [measured(bound, network="R-110"), measured(10 * bound)]
    found = oracle.rank(["R-56", "R-110"], ["rtx-4090"], **WORDS, transfer={"rtx-3090": rows})
    assert [found.costs[index].name for index in found.order["rtx-4090"]] == ["R-110", "R-56"]


def test_a_device_of_which_nothing_was_measured_is_an_error() -> None:
    with pytest.raises(WorkloadError, match="transfer from device='t4': no measurement is of it, only of rtx-3090"):
        oracle.score("R-56", ["rtx-4090"], **WORDS, transfer={"t4": [measured(1.0)]})
