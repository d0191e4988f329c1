"""Latency by what was fitted to measurements."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import oracle
from oracle.calibration import Calibration, load_calibration, save_calibration
from oracle.calibration.domain import Domain
from oracle.calibration.shipped import prior_calibration
from oracle.cli._flags import _SELECTION, add_model
from oracle.errors import DeviceError, WorkloadError
from oracle.query.choosing import MODELS, calibration_for
from oracle.query.models import latency_models
from oracle.roofline import Efficiency
from oracle.spec import Workload

NARROW = ("float16", "float8", "int8")

HALF = Calibration(
    device="t4",
    runtime="eager",
    mode="inference",
    dtype="float32",
    layout="nchw",
    efficiency=Efficiency(
        compute=dict.fromkeys(("conv", "matmul"), 0.5), memory=dict.fromkeys(("conv", "matmul"), 0.5), call_s=1e-3
    ),
    measurements=12,
    error=0.05,
    protocol="leave-family-out",
    interval=(0.9, 1.2),
)


@pytest.mark.parametrize("runtime", ["eager", "compiled"])
@pytest.mark.parametrize("name", ["R-56", "NB201-ResNet", "FBNet-C"])
def test_no_calibrated_latency_beats_the_roofline(name: str, runtime: str) -> None:
    devices = ["rtx-4090", "rtx-3090", "rtx-5090"]
    bound = oracle.score(name, devices, dtype="float16", runtime=runtime, model="roofline")
    found = oracle.score(name, devices, dtype="float16", runtime=runtime, model="calibrated")
    assert found.macs == bound.macs
    assert found.traffic_bytes == bound.traffic_bytes
    for device in devices:
        assert found.latency_ms[device] >= bound.latency_ms[device]
        for kernel, least in zip(found.kernels(device), bound.kernels(device), strict=True):
            assert kernel.time_ms >= least.time_ms
            assert kernel.op_class == least.op_class


def test_a_calibrated_device_a_prior_and_the_textbook_say_what_they_are() -> None:
    words = {"batch_size": 128, "dtype": "float16"}
    cost = oracle.score("ResNet-50", ["rtx-4090", "rtx-5090"], **words)  # type: ignore[arg-type]
    own, kin = cost.times["rtx-4090"], cost.times["rtx-5090"]
    assert (own.model, kin.model) == ("calibrated", "prior")
    assert own.expected_error is not None
    assert 0 < own.expected_error < 0.2
    assert "803 measurements, leave-family-out" in own.source
    assert kin.source.startswith("prior of consumer-gpu: mean of rtx-3090, rtx-4090")
    for time in (own, kin):
        assert time.interval_ms is not None
        assert time.interval_ms[0] < time.latency_ms < time.interval_ms[1]
        assert sum(time.bound_share.values()) == pytest.approx(1)
        kernels = sum(kernel.time_ms for kernel in cost.kernels(time.device))
        assert kernels + time.call_ms == pytest.approx(time.latency_ms)
    plain = oracle.score("ResNet-50", ["rtx-4090"], model="roofline", **words).times["rtx-4090"]  # type: ignore[arg-type]
    assert (plain.model, plain.expected_error, plain.interval_ms, plain.call_ms) == ("roofline", None, None, 0)


def test_an_engine_without_a_name_is_an_engine() -> None:
    said = oracle.score("R-56", ["t4"], engine="generic")
    assert (said.workload.runtime, said.latency_ms) == (
        "engine",
        oracle.score("R-56", ["t4"], runtime="engine").latency_ms,
    )
    assert oracle.score("R-56", ["t4"], engine="generic", runtime="eager").workload.runtime == "eager"


def test_what_was_fitted_to_another_dtype_promises_no_error() -> None:
    time = oracle.score("R-56", ["t4"], dtype="float16", model="calibrated").times["t4"]
    assert (time.model, time.expected_error, time.interval_ms) == ("calibrated", None, None)
    assert time.source.endswith("fitted to float32, nchw")
    board = oracle.score("R-56", ["raspberry-pi-4"], dtype="int8", engine="litert").times["raspberry-pi-4"]
    assert board.source.endswith("fitted to float32, nchw, the generic engine")
    time = oracle.score("R-56", ["rtx-pro-6000"], dtype="float16", runtime="compiled").times["rtx-pro-6000"]
    assert (time.model, time.expected_error) == ("prior", None)
    assert time.source.endswith("for want of one of workstation-gpu")
    vit = [
        oracle.score("ViT-B-16", ["rtx-pro-6000-max-q"], runtime=word, batch_size=64) for word in ("eager", "compiled")
    ]
    products = [max(cost.kernels("rtx-pro-6000-max-q"), key=lambda kernel: kernel.flops) for cost in vit]
    for kernel in products:  # also outside of the domain
        assert kernel.flops / (kernel.time_ms / 1e3) < 0.34 * 109.7e12
    limited = oracle.score("R-56", ["rtx-pro-6000-max-q"], dtype="float16", runtime="compiled").times
    assert limited["rtx-pro-6000-max-q"].source.endswith("; its power sustains 53 % of the peak in products")


def test_outside_of_what_was_measured_the_interval_is_wider_and_the_line_says_why() -> None:
    """The RTX 4090 was measured on images from 106 x 106 on."""
    inside = oracle.score("ResNet-50", ["rtx-4090"], dtype="float16", batch_size=256).times["rtx-4090"]
    outside = oracle.score("R-56", ["rtx-4090"], dtype="float16", batch_size=256).times["rtx-4090"]
    assert inside.expected_error
    assert outside.expected_error is None
    assert outside.source.endswith("fitted to 106x106 to 1024x1024 images, this is 32x32")
    assert inside.interval_ms
    assert outside.interval_ms
    widths = [time.interval_ms[1] / time.interval_ms[0] for time in (inside, outside) if time.interval_ms]
    assert widths[1] > widths[0]


def test_an_interval_belongs_to_the_threads_that_were_measured() -> None:
    """With others a device's own calibration is as far off as its kin's, or more; where they say nothing, it does not."""
    board, interval = "raspberry-pi-4", (0.9, 1.2)
    words = {"runtime": "engine", "engine": "ncnn", "layout": "nchw", "interval": interval}
    four = replace(HALF, device=board, domain=Domain(threads=(4, 4)), **words)  # type: ignore[arg-type]

    def ratios(threads: int, *own: Calibration) -> list[float] | None:
        asked = oracle.score("ResNet-50", [board], batch_size=1, engine="ncnn", threads=threads, calibrations=own)
        time = asked.times[board]
        return time.interval_ms and [end / time.latency_ms for end in time.interval_ms]

    assert ratios(4, four) == pytest.approx(interval)
    for threads in (1, 2, 3):
        assert ratios(threads, four) == pytest.approx(ratios(threads))
    assert ratios(2, replace(four, interval=None)) is None
    assert ratios(2, replace(four, dtype="int8")) is None
    two = replace(four, domain=Domain(threads=(1, 2)))
    assert ratios(2, four, two) == ratios(2, two) == pytest.approx(interval)  # the one that was measured so predicts
    assert ratios(4, two, four) == pytest.approx(interval)
    cost = partial(oracle.score, "ResNet-50", [board], batch_size=1, engine="ncnn", threads=3)
    one = replace(four, domain=Domain(threads=(1, 1)), efficiency=replace(four.efficiency, call_s=1.0))
    alone = cost(calibrations=[four]).latency_ms[board]
    assert cost(calibrations=[one]).latency_ms[board] > alone + 500.0
    assert cost(calibrations=[one, four]).latency_ms[board] == alone  # of none that was, the nearest
    assert cost(calibrations=[four, one]).latency_ms[board] == alone


def test_ncnn_reaches_the_same_for_a_batch_as_for_one_image() -> None:
    """It runs images one by one: only larger images are farther from what was measured."""
    device = oracle.load_device("spacemit-k1")  # which reaches far less of its peak than general knowledge says
    base = Workload(runtime="engine", engine="ncnn", dtype="int8")
    one, many, large = (
        latency_models([device], workload, "best", image_size=side).places[device.name]
        for workload, side in ((base, 224.0), (base.with_(batch_size=64), 224.0), (base, 1792.0))
    )
    assert many.efficiency.compute == one.efficiency.compute
    assert large.efficiency.compute["conv"] > one.efficiency.compute["conv"]


def test_ncnn_has_no_kernels_for_matrix_units_of_a_processor() -> None:
    """A Xeon 8488C differs from an Azure D64s v6 in its clock, 2.4 to 3.0 GHz, and in that its file states AMX."""
    names = ["xeon-8488c", "azure-d64s-v6"]
    for model in ("best", "roofline"):
        cost = oracle.score("ResNet-50", names, engine="ncnn", dtype="int8", threads=1, model=model)
        assert 1.0 < cost.latency_ms["xeon-8488c"] / cost.latency_ms["azure-d64s-v6"] < 1.26


@pytest.mark.parametrize("network", ["R-56", "ViT-S-16"])
def test_a_batch_under_ncnn_takes_as_long_as_its_images_one_by_one(network: str) -> None:
    """Launches, the call and the weights are paid for every image; measured here, see docs/accuracy.md."""
    one, many = (
        oracle.score(network, ["raspberry-pi-4"], engine="ncnn", batch_size=batch).times["raspberry-pi-4"]
        for batch in (1, 64)
    )
    assert many.latency_ms == pytest.approx(64 * one.latency_ms)
    assert one.interval_ms
    assert many.interval_ms == pytest.approx([64 * end for end in one.interval_ms])


@pytest.mark.parametrize("side", [32.0, 224.0])  # fitted to images of 128 to 416
def test_a_batch_under_ncnn_is_as_far_from_what_was_measured_as_one_image(side: float) -> None:
    """64 images of 32 x 32 are as many pixels as one of 256 x 256, and yet 64 calls of small kernels."""
    device = oracle.load_device("raspberry-pi-4")
    one, many = (
        latency_models(
            [device], Workload(runtime="engine", engine="ncnn", batch_size=batch), "best", image_size=side
        ).trust[device.name]
        for batch in (1, 64)
    )
    assert many == one
    assert (one.expected_error is None) == (side < 128)


def test_the_bound_steps_in_where_nothing_was_measured_and_says_so() -> None:
    cost = oracle.score("R-56", ["t4", "adreno-640"], mode="training", runtime="compiled", dtype="float16")
    for device, time in cost.times.items():
        assert (time.model, time.expected_error, time.interval_ms) == ("roofline", None, None)
        assert time.latency_ms == cost.roofline_ms[device]
        assert f"nothing was measured on {device}" in time.source
        assert "oracle calibrate" in time.source


def test_a_call_takes_as_long_as_its_host_needs_to_launch_it() -> None:
    """At batch 1 the 4090 waits for every one of the 219 operators, however small the network."""
    cost = oracle.score("R-56", ["rtx-4090"], dtype="float16")
    time, efficiency = cost.times["rtx-4090"], calibration_for(oracle.load_device("rtx-4090"), cost.workload).efficiency
    host_ms = 1e3 * efficiency.dispatch_s * len(cost.kernels())
    assert host_ms < time.latency_ms < host_ms + 0.5
    assert time.bound == "launch"
    kernels_ms = sum(kernel.time_ms for kernel in cost.kernels("rtx-4090"))
    assert time.latency_ms == pytest.approx(kernels_ms + time.call_ms)
    assert sum(time.bound_share.values()) == pytest.approx(1)
    assert oracle.score("R-56", ["rtx-4090"], dtype="float16", batch_size=4096).times["rtx-4090"].bound == "memory"


def test_a_calibration_of_ones_own() -> None:
    """Every kernel of a network of convolutions alone takes twice its roofline, and a call one millisecond more."""
    conv, x = nn.Conv2d(3, 8, 3, bias=False), torch.empty(2, 3, 16, 16)
    bound = oracle.profile(conv, x, devices=["t4"]).roofline_ms["t4"]
    time = oracle.profile(conv, x, devices=["t4"], model="calibrated", calibrations=[HALF]).times["t4"]
    assert time.latency_ms == pytest.approx(2 * bound + 1)
    assert time.interval_ms == pytest.approx((0.9 * time.latency_ms, 1.2 * time.latency_ms))
    assert (time.expected_error, time.call_ms) == (0.05, 1)


def test_a_calibration_as_a_file_and_in_a_ranking(tmp_path: Path) -> None:
    save_calibration(HALF, tmp_path / "my.yaml")
    found = oracle.rank(["R-56", "R-110"], ["t4"], model="calibrated", calibrations=[tmp_path / "my.yaml"])
    assert {cost.times["t4"].expected_error for cost in found.costs} == {0.05}
    plain = oracle.score("R-56", ["t4"], model="calibrated", calibrations=[load_calibration(tmp_path / "my.yaml")])
    assert plain.latency_ms["t4"] == found.costs[0].latency_ms["t4"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"model": "magic"}, "model='magic': expected one of best, roofline, calibrated"),
        (
            {"model": "calibrated", "runtime": "compiled", "mode": "training"},
            (
                "no calibration of device='t4' and no prior of its kind, datacenter-gpu, in any dtype; there are t4 "
                "(eager, inference, float32, nchw), datacenter-gpu (compiled, inference, float16, nchw), "
                "datacenter-gpu (eager, inference, float32, nchw); `oracle calibrate` makes one of measurements"
            ),
        ),
        ({"model": "roofline", "calibrations": [HALF]}, "uses no calibration"),
        ({"model": "calibrated", "calibrations": [replace(HALF, device="p4")]}, "device='p4': the devices are t4"),
        ({"model": "calibrated", "calibrations": [HALF], "mode": "training"}, "is of eager inference"),
    ],
)
def test_no_model_steps_in_for_another(words: dict[str, object], complaint: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        oracle.score("R-56", ["t4"], **words)  # type: ignore[arg-type]
    assert complaint in str(caught.value)


@pytest.mark.parametrize("network", ["ResNet-50", "ViT-B-16", "FBNet-C"])
@pytest.mark.parametrize("device", ["h100-sxm", "l40s", "h200", "b200", "rtx-pro-6000-server"])
def test_engines_on_data_centre_gpus(device: str, network: str) -> None:
    """Kernels were measured, no network: a prediction without an error; narrow types and engines are never slower."""
    for batch in (1, 64):
        words = {"batch_size": batch, "runtime": "engine"}
        times = {dtype: oracle.score(network, [device], dtype=dtype, **words).times[device] for dtype in NARROW}  # type: ignore[arg-type]
        half, *narrow = (times[dtype] for dtype in NARROW)
        assert {time.model for time in times.values()} <= {"calibrated", "prior"}
        assert {time.interval_ms for time in times.values()} == {None}
        assert "no network was measured" in half.source
        assert max(time.latency_ms for time in narrow) <= half.latency_ms
        compiled = oracle.score(network, [device], batch_size=batch, dtype="float16", runtime="compiled")
        assert half.latency_ms <= compiled.latency_ms[device]


@pytest.mark.parametrize("network", ["ResNet-50", "ViT-B-16", "RegNetX-800MF"])
@pytest.mark.parametrize("device", ["rtx-3090", "rtx-4090", "rtx-5090", "rtx-pro-6000", "jetson-agx-xavier"])
def test_engines_on_gpus_that_none_was_measured_on(device: str, network: str) -> None:
    """A prediction without an interval, above the bound; narrow types and graphs are never slower; no image is free."""
    for engine in ("generic", "tensorrt"):
        words: dict[str, Any] = {"runtime": "engine", "engine": engine}
        for dtype in ("float32", *NARROW):
            if dtype not in oracle.load_device(device).dtypes:
                continue
            batches = [
                oracle.score(network, [device], dtype=dtype, batch_size=batch, **words) for batch in (1, 2, 8, 64)
            ]
            assert all(cost.times[device].interval_ms is None for cost in batches)
            assert all(cost.latency_ms[device] > cost.roofline_ms[device] for cost in batches)
            assert [cost.latency_ms[device] for cost in batches] == sorted(cost.latency_ms[device] for cost in batches)
        half, narrow, eager, compiled = (
            oracle.score(network, [device], **own).latency_ms[device]
            for own in (
                words | {"dtype": "float16"},
                words | {"dtype": "int8"},
                {"dtype": "float16"},
                {"dtype": "float16", "runtime": "compiled"},
            )
        )
        assert narrow <= half <= compiled <= eager


@pytest.mark.parametrize("network", ["ResNet-50", "ResNet-101", "ResNet-152"])
def test_a_jetson_of_which_only_the_sheet_is_known(network: str, shared_data: Path) -> None:
    """What GPUs 300 times as fast teach of engines, put to the measured times of TensorRT on a Jetson Nano."""
    with (shared_data / "jetson_tensorrt.csv").open(encoding="utf-8") as table:
        (row,) = (row for row in csv.DictReader(table) if row["torchvision_model"] == network.replace("-", "").lower())
    kin = prior_calibration("consumer-gpu", Workload(runtime="engine", dtype="float16"))
    assert kin is not None
    kin = replace(kin, device="jetson-nano")
    cost = oracle.score(network, ["jetson-nano"], runtime="engine", dtype="float16", calibrations=[kin])
    assert cost.latency_ms["jetson-nano"] == pytest.approx(float(row["tensorrt_ms"]), rel=0.2)


@pytest.mark.parametrize(
    ("device", "words", "there"),
    [
        ("edge-tpu", {"runtime": "engine"}, ""),  # nobody measured an accelerator
        (
            "rtx-4090",
            {"runtime": "compiled", "mode": "training", "dtype": "float16"},
            (
                "there are rtx-4090 (compiled, inference, float16, nchw), consumer-gpu (compiled, inference, float16, nchw), "
                "consumer-gpu (eager, training, float16, nchw); "
            ),
        ),
    ],
)
def test_only_the_nearest_calibrations_are_listed(device: str, words: dict[str, str], there: str) -> None:
    workload, place = Workload(**words), oracle.load_device(device)
    with pytest.raises(WorkloadError) as caught:
        calibration_for(place, workload)
    assert str(caught.value) == (
        f"runtime={workload.runtime!r}, mode={workload.mode!r}: no calibration of device={device!r} and no prior of its "
        f"kind, {place.kind}, in any dtype; {there}`oracle calibrate` makes one of measurements"
    )


def test_a_file_that_is_no_calibration(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be read"):
        oracle.score("R-56", ["t4"], model="calibrated", calibrations=[tmp_path / "none.yaml"])


def test_places_of_calibrations_that_differ_in_anything_differ() -> None:
    """Also in whether weights are laid out anew, which nothing else of two equal ones tells."""
    device, workload = oracle.load_device("i9-10940x"), Workload(runtime="compiled")
    own = calibration_for(device, workload)
    choices = frozenset({"conv"}), frozenset[str]()
    packed, plain = (replace(own, efficiency=replace(own.efficiency, packing=words)) for words in choices)
    found = [latency_models([device], workload, "calibrated", [item]).places[device.name] for item in (packed, plain)]
    assert [bool(place.efficiency.packing) for place in found] == [True, False]
    again = latency_models([device], workload, "calibrated", [packed]).places[device.name]
    assert again is found[0]


def test_the_words_of_the_command_line_are_those_of_python() -> None:
    import argparse

    parser = argparse.ArgumentParser()
    add_model(parser)
    assert next(action.choices for action in parser._actions if action.dest == "model") == MODELS
    assert set(_SELECTION) < set(Workload.__dataclass_fields__)
