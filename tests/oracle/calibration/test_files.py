"""Calibration files: they come back as they went, and say what is wrong with them."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from oracle._resources import shipped
from oracle.calibration import (
    CLASSES,
    Calibration,
    Carried,
    Origin,
    calibration_of,
    load_calibration,
    prior_calibration,
    save_calibration,
)
from oracle.calibration.classes import CONTRACTIONS
from oracle.calibration.files import to_yaml
from oracle.calibration.shipped import core_calibration, kin_calibration
from oracle.devices import KINDS, list_devices, load_device
from oracle.devices.cores import CORES
from oracle.errors import ConfigError, DeviceError
from oracle.roofline import Efficiency
from oracle.spec import Workload
from tests.each import each

SOME = Calibration(
    device="t4",
    runtime="eager",
    mode="inference",
    dtype="float16",
    layout="nchw",
    efficiency=Efficiency(
        dict.fromkeys(CLASSES, 0.5), dict.fromkeys(CLASSES, 0.75), 2e-6, 3e-4, 5e-6, weights={"conv": 0.125}
    ),
    measurements=12,
    error=0.08,
    protocol="leave-family-out",
    error_by_family={"resnet": 0.05},
    interval=(0.9, 1.2),
    origin=Origin("a run: with a colon", "MIT", "2026-01-02"),
    carried={"p4": Carried(0.05, (0.9, 1.1), 300), "l4": Carried(0.06, None, 7)},
)


def test_round_trip(tmp_path: Path) -> None:
    save_calibration(SOME, tmp_path / "t4.yaml")
    found = load_calibration(tmp_path / "t4.yaml")
    assert to_yaml(found) == to_yaml(SOME)
    assert replace(found, efficiency=SOME.efficiency) == SOME
    assert found.efficiency.compute == SOME.efficiency.compute
    assert found.efficiency.call_s == pytest.approx(3e-4)
    assert found.efficiency.weights == {"conv": 0.125, "winograd": 0.125}  # a part of it
    assert found.efficiency.launches == pytest.approx(dict.fromkeys(CLASSES, 2e-6))


def test_launches_may_differ_by_class(tmp_path: Path) -> None:
    launches = {name: 1e-6 * (place + 1) for place, name in enumerate(CLASSES)}
    found = replace(SOME, runtime="engine", engine="ncnn", efficiency=replace(SOME.efficiency, launches=launches))
    save_calibration(found, tmp_path / "t4.yaml")
    assert load_calibration(tmp_path / "t4.yaml").efficiency.launches == pytest.approx(launches)


def test_a_class_that_an_engine_does_not_tell_apart_is_what_it_is_a_part_of(tmp_path: Path) -> None:
    launches = {name: 1e-6 * (place + 1) for place, name in enumerate(CLASSES)}
    compute = {name: 0.9 / (place + 1) for place, name in enumerate(CLASSES)}
    efficiency = replace(SOME.efficiency, launches=launches, compute=compute)
    save_calibration(replace(SOME, efficiency=efficiency), tmp_path / "t4.yaml")
    found = load_calibration(tmp_path / "t4.yaml").efficiency
    assert "winograd" not in (tmp_path / "t4.yaml").read_text(encoding="utf-8")
    assert found.compute == pytest.approx({**compute, "winograd": compute["conv"]}, rel=1e-3)
    assert found.launches == pytest.approx({**launches, "winograd": launches["conv"]})


def test_a_bare_one_comes_back_too(tmp_path: Path) -> None:
    bare = Calibration("t4", "eager", "training", "float32", "nhwc", SOME.efficiency)
    save_calibration(bare, tmp_path / "t4.yaml")
    found = load_calibration(tmp_path / "t4.yaml")
    assert (found.error, found.interval, found.measurements) == (None, None, 0)
    assert found.efficiency.floor_s == pytest.approx(5e-6)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("RUNTIME: eager", "RUNTIME: eagre", "RUNTIME='eagre': expected one of eager, compiled, engine"),
        ("RUNTIME:", "RUNTME:", "RUNTME: unknown key; did you mean RUNTIME?"),
        ("LAUNCH_US: 2.0\n", "", "LAUNCH_US is missing"),
        ("LAUNCH_US: 2.0", "LAUNCH_US: -2.0", "LAUNCH_US=-2.0: expected a number of at least 0"),
        ("LAUNCH_US: 2.0", "LAUNCH_US: .inf", "expected a number"),
        ("LAUNCH_US: 2.0", "LAUNCH_US: true", "expected a number"),
        ("conv: 0.5", "conv: 1.2", "COMPUTE.conv=1.2: expected a share of the roof"),
        ("conv: 0.5", "conv: 0", "COMPUTE.conv=0.0: expected a share of the roof"),
        ("pool: 0.5", "poll: 0.5", "COMPUTE.poll: unknown class"),
        ("conv: 0.125", "conv: 1.25", "WEIGHTS.conv=1.25: expected a share of the roof"),
        ("LAUNCH_US: 2.0", "LAUNCH_US: {cnv: 2.0}", "LAUNCH_US.cnv: unknown class"),
        ("[0.9, 1.2]", "[1.2, 0.9]", "the lower first"),
        ("    ERROR: 0.05\n", "    EROR: 0.05\n", "CARRIED.p4="),
        ("NETWORKS: 300", "NETWORKS: many", "CARRIED.p4.NETWORKS='many': expected a whole number"),
        ("MEASUREMENTS: ", "MEASUREMENTS: 0.", "expected a whole number of at least 0"),
        ("[0.9, 1.1]", "[0.9]", "CARRIED.p4.INTERVAL=[0.9]: expected two positive numbers"),
        ("[0.9, 1.2]", "[1.2]", "INTERVAL=[1.2]: expected two positive numbers"),
    ],
)
def test_what_is_wrong(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = to_yaml(SOME)
    assert old in text
    file = tmp_path / "bad.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(DeviceError) as caught:
        load_calibration(file)
    assert expected in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    "wrong", ["nosuch", None, [], [0.5], [0.5, 0.5, 0.5], [0.5, None], [[1], "s"], [0, 1], {"A": 1}]
)
@pytest.mark.parametrize("phase", ["PREFILL", "DECODE"])
def test_shares_of_cached_attention_are_two(tmp_path: Path, phase: str, wrong: object) -> None:
    whole = {"PREFILL": [0.5, 0.9], "DECODE": [0.8, 0.7]}
    file = tmp_path / "bad.yaml"
    file.write_text(to_yaml(SOME) + yaml.safe_dump({"CACHED_ATTENTION": {**whole, phase: wrong}}))
    with pytest.raises(DeviceError) as caught:
        load_calibration(file)
    assert str(caught.value).startswith(f"{file}: CACHED_ATTENTION.{phase}=")
    file.write_text(to_yaml(SOME) + yaml.safe_dump({"CACHED_ATTENTION": whole}))
    found = load_calibration(file).efficiency.cached_attention
    assert found is not None
    assert (found.prefill_shares, found.decode_shares) == ((0.5, 0.9), (0.8, 0.7))


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(DeviceError):
        load_calibration(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(DeviceError):
        load_calibration(tmp_path / "list.yaml")
    (tmp_path / "tag.yaml").write_text("DEVICE: !!python/object:os.system x")
    with pytest.raises(ConfigError):
        load_calibration(tmp_path / "tag.yaml")


@each(shipped("calibrations"))
def test_shipped_files_are_what_their_names_say(file: Path) -> None:
    found = load_calibration(file)
    runner = found.runtime if found.engine == "generic" else found.engine
    assert file.stem == f"{found.device}.{runner}.{found.mode}.{found.dtype}.{found.layout}"
    assert found.device in (*list_devices(), *KINDS, *CORES)
    assert found.origin.source != "unsourced"
    assert found.origin.licence != "unknown"
    assert set(found.efficiency.compute) == set(found.efficiency.memory) == set(CLASSES)
    assert (found.measurements > 0) == (found.device not in KINDS)


def test_devices_find_theirs_and_others_a_prior() -> None:
    half = Workload(dtype="float16")
    own = calibration_of(load_device("rtx-4090"), half)
    assert own is not None
    assert (own.device, own.dtype) == ("rtx-4090", "float16")
    assert calibration_of(load_device("rtx-5090"), half) is None
    prior = prior_calibration("consumer-gpu", half)
    assert prior is not None
    assert prior.device == "consumer-gpu"
    kin = prior_calibration("workstation-gpu", half)
    assert kin is not None
    assert kin.device == "consumer-gpu"
    other_dtype = calibration_of(load_device("t4"), half)
    assert other_dtype is not None
    assert other_dtype.dtype == "float32"


def test_no_contraction_of_a_prior_takes_more_than_the_power_sustains() -> None:
    half = Workload(dtype="float16")
    free, capped = (
        kin_calibration(load_device(name), half, "generic") for name in ("rtx-pro-6000", "rtx-pro-6000-max-q")
    )
    assert free is not None
    assert capped is not None
    most = load_device("rtx-pro-6000-max-q").sustained("float16")
    for name in CLASSES:
        share = free.efficiency.compute[name]
        assert capped.efficiency.compute[name] == (min(share, most) if name in CONTRACTIONS else share)
    assert capped.efficiency.compute["matmul"] < free.efficiency.compute["matmul"]
    own = calibration_of(load_device("t4"), Workload())
    assert own is not None
    assert own.efficiency.compute["conv"] > load_device("t4").sustained("float32")  # as it was measured
    of_other_unit = calibration_of(load_device("t4"), half)
    assert of_other_unit is not None
    assert max(of_other_unit.efficiency.compute[name] for name in CONTRACTIONS) == load_device("t4").sustained(
        "float16"
    )


def test_attention_over_a_cache_takes_no_more_than_the_power_sustains() -> None:
    board = load_device("t4")
    found = kin_calibration(board, Workload(dtype="float16", runtime="engine"), "generic")
    free = prior_calibration("datacenter-gpu", Workload(dtype="float16", runtime="engine"))
    assert found is not None
    assert free is not None
    own, other = found.efficiency.cached_attention, free.efficiency.cached_attention
    assert own is not None
    assert other is not None
    assert other.prefill_shares[0] > board.sustained("float16") == own.prefill_shares[0] == own.decode_shares[0]
    assert (own.prefill_shares[1], own.decode_shares[1]) == (other.prefill_shares[1], other.decode_shares[1])


def test_an_integer_of_hundreds_of_digits_and_a_pipe(tmp_path: Path) -> None:
    text = to_yaml(SOME)
    path = tmp_path / "c.yaml"
    path.write_text(re.sub(r"(?m)^CALL_US:.*$", f"CALL_US: {'1' * 400}", text), encoding="utf-8")
    with pytest.raises(DeviceError, match=r"CALL_US=1+...1+: expected a number"):
        load_calibration(path)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(DeviceError, match="a pipe or a device"):
        load_calibration(tmp_path / "pipe.yaml")


def test_a_processor_finds_that_of_its_cores_or_of_their_relatives() -> None:
    ncnn = Workload(runtime="engine", engine="ncnn")
    own = core_calibration(load_device("raspberry-pi-5"), ncnn, "ncnn")
    kin = core_calibration(load_device("i7-13700k"), ncnn.with_(dtype="int8"), "ncnn")
    assert own is not None
    assert kin is not None
    assert (own.device, own.dtype) == ("cortex-a76", "float32")
    assert kin.device in CORES["golden-cove"].kin
    assert kin.dtype == "int8"
    assert core_calibration(load_device("t4"), ncnn, "ncnn") is None


def test_threading_savings_and_overlap_come_back_from_a_file(tmp_path: Path) -> None:
    found = load_calibration(shipped("calibrations")["cortex-a72.ncnn.inference.float32.nchw"])
    assert found.efficiency.savings == {"winograd": pytest.approx(5.062)}  # 324 / 64, F(6x6, 3x3)
    assert found.efficiency.overlap == 1.0
    assert found.threading.clock == 1e9
    assert 0 < found.threading.serial < 1
    assert found.domain.threads == (1, 4)
    save_calibration(found, tmp_path / "again.yaml")
    assert load_calibration(tmp_path / "again.yaml") == found


@pytest.mark.parametrize("overlap", ["1.5", "-0.1", "much"])
def test_an_overlap_is_a_share(overlap: str, tmp_path: Path) -> None:
    text = Path(shipped("calibrations")["cortex-a72.ncnn.inference.float32.nchw"]).read_text(encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("OVERLAP: 1.0", f"OVERLAP: {overlap}"), encoding="utf-8")
    with pytest.raises(DeviceError, match="OVERLAP"):
        load_calibration(broken)


def test_packing_comes_back_from_a_file_and_is_true_or_false(tmp_path: Path) -> None:
    found = load_calibration(shipped("calibrations")["i9-10940x.compiled.inference.float32.nchw"])
    assert found.efficiency.packing
    save_calibration(found, tmp_path / "again.yaml")
    assert load_calibration(tmp_path / "again.yaml") == found
    text = (tmp_path / "again.yaml").read_text(encoding="utf-8")
    (tmp_path / "broken.yaml").write_text(text.replace("PACKING: true", "PACKING: 1"), encoding="utf-8")
    with pytest.raises(DeviceError, match="PACKING"):
        load_calibration(tmp_path / "broken.yaml")


def test_broken_threading_names_its_key(tmp_path: Path) -> None:
    text = Path(shipped("calibrations")["cortex-a72.ncnn.inference.float32.nchw"]).read_text(encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("SERIAL:", "SERIEL:"), encoding="utf-8")
    with pytest.raises(DeviceError, match=r"THREADING\.SERIEL"):
        load_calibration(broken)
