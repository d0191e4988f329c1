"""From measurements to a calibration, and predictions beside measurements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.calibration import Calibration, predict
from oracle.calibration.factors import BOARDS
from oracle.calibration.files import from_yaml, to_yaml
from oracle.counting.networks import count_net
from oracle.errors import ConfigError, OracleError
from oracle.imports.points import roof_times_of
from oracle.measure import Measurement, write_measurements
from oracle.query import Case, Comparison, calibrate, compare
from oracle.query.calibrating import prior_of
from oracle.query.choosing import best_calibration
from oracle.spec import Workload
from tests.nightly import unless

NETWORKS = ("R-56", "R-110", "NB201-AllConv3x3", "NB201-ResNet", "NB201-AllSkip", "FBNet-C")
MORE = ("ResNet-50", "RegNetX-400MF", "RegNetY-800MF", "EN-B0", "ViT-S-16", "RegNetX-3.2GF", "ResNeXt-50-32x4d")
HALF = Workload(dtype="float16")


def rows(factor: float = 1.0, batch: int = 1) -> list[Measurement]:
    """Measurements on a T4 whose launches take 20 us, and whose roofs are a third of the sheet's."""
    return [
        Measurement(
            name,
            "t4",
            HALF.with_(batch_size=batch),
            factor * (3 * cost.roofline_ms["t4"] + 0.02 * len(cost.kernels("t4"))),
        )
        for name in NETWORKS
        for cost in [oracle.score(name, ["t4"], dtype="float16", batch_size=batch)]
    ]


def test_a_device_that_measures_like_a_model_is_predicted_by_it() -> None:
    measured = [*rows(), *rows(batch=64)]
    found = calibrate("t4", measured, source="a formula", licence="CC0-1.0")
    assert (found.device, found.dtype, found.measurements) == ("t4", "float16", 12)
    assert found.source.endswith("a formula (CC0-1.0)")
    assert found.error is not None
    fitted = compare("t4", measured, calibrations=[found])
    before = compare("t4", measured, model="roofline")
    assert fitted.mape < 0.06
    assert before.mape > 0.6
    assert fitted.kendall_tau >= before.kendall_tau
    assert {case.time.model for case in fitted.cases} == {"calibrated"}


def test_what_is_known_before_measurements_heeds_power_where_nothing_was_measured_of_the_kind() -> None:
    board, workload = oracle.load_device("t4"), Workload(dtype="float16", runtime="compiled", mode="training")
    assert best_calibration(board, workload) is None
    compute = prior_of(board, workload).efficiency.compute
    assert compute["matmul"] == compute["conv"] == board.sustained("float16")


def test_calibrated_scores_are_what_the_fit_predicts() -> None:
    found = calibrate("t4", rows())
    count = count_net(oracle.to_spec(oracle.load_cfg("FBNet-C")), HALF)
    (seconds,) = predict(
        found, [roof_times_of(count.kernels, count, oracle.load_device("t4"), "eager", found.efficiency)]
    )
    cost = oracle.score("FBNet-C", ["t4"], dtype="float16", model="calibrated", calibrations=[found])
    assert cost.latency_ms["t4"] == pytest.approx(seconds * 1e3, rel=1e-9)


@pytest.mark.parametrize(("device", "runtime", "batch"), [("h100-sxm", "engine", 32), ("l40s", "engine", 4)])
def test_measurements_scale_the_tiles_of_a_gpu(device: str, runtime: str, batch: int) -> None:
    """Networks that all take a tenth longer: so do products that nobody measured, small and large, cut as before."""
    words = {"dtype": "bfloat16", "runtime": runtime}
    names = ["RegNetX-200MF", "RegNetX-800MF", "ResNet-50", "EfficientNet-B0", "FBNet-C", "ViT-S-16", "ViT-B-16"]
    before = oracle.score_many(names, [device], batch_size=batch, **words).latency_ms[device]
    workload = Workload(batch_size=batch, **words)
    found = calibrate(
        device, [Measurement(name, device, workload, 1.1 * ms) for name, ms in zip(names, before, strict=True)]
    )
    shipped = best_calibration(oracle.load_device(device), workload)
    assert shipped is not None
    assert shipped.efficiency.tiling is not None
    for name in ("tiling", "attention_tiling", "cache"):
        assert getattr(found.efficiency, name) == getattr(shipped.efficiency, name)
    assert from_yaml(to_yaml(found), "here").efficiency.tiling == shipped.efficiency.tiling
    for name in ("ResNet-50", "ViT-B-16", "ViT-L-16"):
        for other in (1, batch):
            old, new = (
                oracle.score(name, [device], batch_size=other, calibrations=own, **words).latency_ms[device]
                for own in ([], [found])
            )
            assert 1.0 < new / old < 1.2, (name, other)


@pytest.mark.parametrize(("factor", "expected"), [(1e3, r"are [0-9.e+]+ times what"), (1e-3, r"are 0\.00[0-9]+ times")])
def test_latencies_in_another_unit_are_told(factor: float, expected: str) -> None:
    with pytest.raises(OracleError, match=f"latency_ms: .*{expected}.*; expected milliseconds per call"):
        calibrate("t4", rows(factor))


def test_a_row_far_below_its_bound_is_told() -> None:
    good = rows()
    bad = replace(good[3], latency_ms=oracle.score(good[3].network, ["t4"], dtype="float16").roofline_ms["t4"] / 10)
    with pytest.raises(OracleError, match=rf"of {bad.network}: device='t4' cannot be faster than"):
        calibrate("t4", [*good[:3], bad, *good[4:]])


def test_equal_rows_count_once() -> None:
    assert calibrate("t4", [*rows(), *rows()]).measurements == len(NETWORKS)


def test_rows_are_chosen_by_device_and_workload(tmp_path: Path) -> None:
    mixed = [
        *rows(),
        replace(rows()[0], device="NVIDIA T4", family="mine"),
        replace(rows()[0], device="p4"),
        replace(rows()[0], workload=HALF.with_(runtime="compiled")),
    ]
    write_measurements(tmp_path / "m.csv", mixed)
    found = compare("t4", tmp_path / "m.csv", runtime="eager", model="roofline")
    assert len(found.cases) == 7
    assert set(found.by_family) == {"resnet", "nasbench201", "fbnet", "mine"}
    assert calibrate("t4", tmp_path / "m.csv", runtime="compiled").origin.source == "m.csv"
    with pytest.raises(OracleError, match="several workloads, choose one: float16, inference, compiled, nchw; float16"):
        calibrate("t4", mixed)
    with pytest.raises(OracleError, match="dtype='int8': no measurement is of it; there are float16"):
        calibrate("t4", mixed, dtype="int8")
    with pytest.raises(OracleError, match=r"device='rtx-4090': no measurement is of it .*, only NVIDIA T4, p4, t4"):
        calibrate("rtx-4090", mixed)
    with pytest.raises(ConfigError, match="NoNet"):
        calibrate("t4", [replace(rows()[0], network="NoNet")])


def test_rows_are_chosen_by_engine_and_threads() -> None:
    words = Workload(runtime="engine", engine="onnxruntime", threads=1)
    cost = oracle.score("R-56", ["i9-10940x"]).roofline_ms["i9-10940x"]
    one = Measurement("R-56", "i9-10940x", words, 2 * cost)
    two = replace(one, workload=words.with_(threads=2))
    other = replace(one, workload=words.with_(engine="openvino"))
    found = calibrate("i9-10940x", [one, two, other], engine="onnxruntime", threads=2)
    assert (found.runtime, found.engine, found.measurements) == ("engine", "onnxruntime", 1)
    assert [case.workload for case in compare("i9-10940x", [one, two, other], engine="openvino").cases] == [
        other.workload
    ]
    with pytest.raises(OracleError, match=r"choose one: .* onnxruntime, nchw, 1 threads; .*nchw, 2 threads"):
        calibrate("i9-10940x", [one, two], runtime="engine")
    with pytest.raises(
        OracleError, match="engine='ncnn': no measurement is of it; there are float32, inference, openv"
    ):
        calibrate("i9-10940x", [other], engine="ncnn")


def test_threads_of_the_host_are_none_of_a_gpus() -> None:
    mixed = [replace(row, workload=row.workload.with_(threads=n)) for n, row in enumerate(rows())]
    assert calibrate("t4", mixed).measurements == len(NETWORKS)


def comparison(*numbers: tuple[int, float, float]) -> Comparison:
    """Of MACs, measured and predicted latency."""
    time = oracle.score("R-56", ["t4"]).times["t4"]
    cases = [
        Case(f"n{i}", "even" if i % 2 == 0 else "odd", Workload(), ms, replace(time, latency_ms=said), macs)
        for i, (macs, ms, said) in enumerate(numbers)
    ]
    return Comparison("t4", tuple(cases))


def test_errors_by_hand() -> None:
    found = comparison((1, 1.0, 1.05), (2, 2.0, 1.0), (3, 4.0, 5.0))
    assert found.mape == pytest.approx((0.05 + 0.5 + 0.25) / 3)
    assert found.median == pytest.approx(0.25)
    assert found.within_10 == pytest.approx(1 / 3)
    assert found.coverage == 0
    assert found.kendall_tau == pytest.approx(1 / 3)
    assert [case.network for case in found.worst] == ["n1", "n2", "n0"]
    assert list(found.by_family) == ["odd", "even"]
    assert found.by_family["even"] == pytest.approx((2, 0.15, 0.15))
    assert found.by_family["odd"] == pytest.approx((1, 0.5, -0.5))


def test_choices_by_hand() -> None:
    """Measured, n1 is beaten by n2 (more MACs, less time); predicted, n2 looks slow and n1 stays on the front."""
    found = comparison((1, 1.0, 1.0), (2, 3.0, 2.0), (3, 2.0, 4.0))
    assert found.front == (2, 2, 3)
    assert found.regret == pytest.approx((0.5 / 3, 0.5))
    perfect = comparison((1, 1.0, 2.0), (2, 3.0, 6.0), (3, 2.0, 4.0))
    assert perfect.front == (2, 2, 2)
    assert perfect.regret == (0, 0)


def test_orders_are_per_image() -> None:
    small = comparison((1, 1.0, 1.0), (2, 3.0, 3.0))
    first = replace(
        small.cases[0], workload=Workload(8), measured_ms=8.0, time=replace(small.cases[0].time, latency_ms=8.0)
    )
    assert Comparison("t4", (first, small.cases[1])).kendall_tau == 1


def test_plain_data() -> None:
    found = comparison((1, 1.0, 1.0), (2, 3.0, 2.0), (3, 2.0, 4.0)).to_dict()
    assert found["pareto"] == {"worth": "macs", "measured": 2, "predicted": 3, "found": 2}
    assert found["by_family"]["odd"] == {"measurements": 1, "mape": pytest.approx(1 / 3), "bias": pytest.approx(-1 / 3)}


def test_batches_under_ncnn_teach_what_single_images_do() -> None:
    """It runs images one by one: a batch of eight is eight calls, and its fit that of one."""
    words = Workload(runtime="engine", engine="ncnn", threads=4)
    board = "raspberry-pi-5"
    scores = {name: oracle.score(name, [board], engine="ncnn", threads=4) for name in NETWORKS}
    singles = [Measurement(name, board, words, 1.4 * cost.latency_ms[board]) for name, cost in scores.items()]
    batches = [replace(row, workload=words.with_(batch_size=8), latency_ms=8 * row.latency_ms) for row in singles]
    one, eight = (calibrate(board, each) for each in (singles, batches))
    assert eight.efficiency == one.efficiency
    assert eight.domain == one.domain


def test_an_interval_of_a_board_is_as_wide_as_its_measurements_leave_it() -> None:
    """Of one network nothing but its relatives' interval is known; five show how networks scatter on boards."""
    words, board = Workload(runtime="engine", engine="ncnn", threads=4), "raspberry-pi-5"
    rows = [
        Measurement(name, board, words, 1.4 * oracle.score(name, [board], engine="ncnn", threads=4).latency_ms[board])
        for name in NETWORKS
    ]
    relatives = oracle.score(NETWORKS[0], [board], engine="ncnn", threads=4).times[board]
    one, five = (calibrate(board, rows[:count]).interval for count in (1, 5))
    assert one
    assert five
    assert relatives.interval_ms
    assert one[1] == pytest.approx(relatives.interval_ms[1] / relatives.latency_ms, rel=0.3)  # wider beyond 128 x 128
    assert five == BOARDS.interval
    assert five[1] / five[0] < 0.6 * one[1] / one[0]


def test_threads_that_were_not_measured_are_predicted_from_those_that_were() -> None:
    """A board 1.4 times as slow as its relatives with four threads is so with one: what threads change, they teach."""
    board, words = "raspberry-pi-4", Workload(runtime="engine", engine="ncnn", threads=4)

    def latency_ms(name: str, threads: int, *own: Calibration) -> float:
        return oracle.score(name, [board], engine="ncnn", threads=threads, calibrations=own).latency_ms[board]

    found = calibrate(board, [Measurement(name, board, words, 1.4 * latency_ms(name, 4)) for name in NETWORKS])
    for name in NETWORKS:
        factors = [latency_ms(name, threads, found) / latency_ms(name, threads) for threads in (4, 2, 1)]
        assert factors == pytest.approx([factors[0]] * 3, rel=0.05)
        assert latency_ms(name, 1) > 1.5 * latency_ms(name, 4)


@pytest.mark.parametrize("draw", unless({0, 1}.__contains__, range(4)))
@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("jetson-nano", {"engine": "tensorrt", "dtype": "float16"}),
        ("t4", {"batch_size": 64}),
        ("rtx-4090", {"dtype": "float16", "batch_size": 64}),
    ],
)
def test_measurements_that_a_prediction_meets_leave_it_as_it_is(device: str, words: dict[str, Any], draw: int) -> None:
    """A device that ships with a calibration starts from it: ten networks as predicted, give or take 10 %, do no harm."""
    rng, pool = np.random.default_rng(draw), [*NETWORKS, *MORE]
    costs = {name: oracle.score(name, [device], **words) for name in pool}
    scatter = rng.normal(0, 0.1 * (draw > 0), len(pool))
    rows = [
        Measurement(name, device, cost.workload, cost.latency_ms[device] * np.exp(off))
        for (name, cost), off in zip(costs.items(), scatter, strict=True)
    ]
    found = calibrate(device, [rows[index] for index in rng.permutation(len(rows))[:10]])
    after = oracle.score_many(pool, [device], calibrations=[found], **words).latency_ms[device]
    before = np.array([cost.latency_ms[device] for cost in costs.values()])
    assert np.abs(after / before - 1).mean() < (0.05 if draw else 1e-4)
