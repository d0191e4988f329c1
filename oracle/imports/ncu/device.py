"""A device from what ncu knows of the board: its attributes, and peaks at the clock it ran at."""

from __future__ import annotations

import re

from oracle.devices import Device, Figure, Peaks
from oracle.imports.ncu.counters import Counters

_LANES = {
    # float32 results per clock and SM by compute capability: CUDA programming guide, arithmetic throughput
    **dict.fromkeys(("6.0", "7.0", "7.2", "7.5", "8.0"), 64),
    **dict.fromkeys(("5.0", "5.2", "6.1", "6.2", "8.6", "8.7", "8.9", "9.0", "10.0", "12.0"), 128),
}
_FFMA = "sass_thread_inst_executed_op_ffma_pred_on.sum.peak_sustained"
_TENSOR = re.compile(
    r"(sm__ops_path_tensor_src_(fp16|bf16|tf32|fp8|int8)(?:_dst_[a-z0-9]+)?(?:_sparsity_off)?)\.sum\.peak_sustained"
)
_TYPES = {"fp16": "float16", "bf16": "bfloat16", "tf32": "tf32", "fp8": "float8", "int8": "int8"}
_PER_CYCLE = ("inst/cycle", "thread/cycle", "op/cycle", "byte/cycle", "inst", "byte", "")


def device_of(counters: Counters) -> Device | None:
    """The device that a launch ran on, as far as attributes and peaks identify it; else None.

    A device without both a peak and a bandwidth is calibrate-only.
    """
    title = counters.text("device__attribute_display_name")
    clock = _attribute(counters, "clock_rate", "max_gpu_frequency_khz", scale=1e3)
    units = _attribute(counters, "multiprocessor_count")
    bandwidth = _bandwidth(counters)
    vector, matrix = _vector(counters, units, clock), _matrix(counters)
    llc = _attribute(counters, "l2_cache_size")
    if not (title or units or bandwidth or vector or matrix):
        return None
    return Device(
        name=re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "profiled-gpu",
        title=title or "a profiled GPU",
        kind=_kind(title),
        vector=Peaks(vector),
        matrix=Peaks(matrix),
        bandwidth=bandwidth,
        llc=llc,
        compute_units=units,
        clock=clock,
        calibrate_only=bandwidth is None or not (vector or matrix),
        notes="Read from a Nsight Compute report; its peaks hold at the profiled clock.",
    )


def _attribute(counters: Counters, *names: str, scale: float = 1.0) -> Figure | None:
    for name in names:
        found = counters.get(f"device__attribute_{name}", ("", "byte", "cycle/second", "cycle"))
        if found:
            return Figure(found * scale, f"measured: ncu device__attribute_{name}")
    return None


def _bandwidth(counters: Counters) -> Figure | None:
    per_cycle = counters.get("dram__bytes.sum.peak_sustained", _PER_CYCLE)
    rate = counters.get("dram__cycles_elapsed.avg.per_second", ("cycle/second",))
    if per_cycle and rate:
        return Figure(per_cycle * rate, "measured: ncu dram__bytes.sum.peak_sustained x dram clock")
    width = _attribute(counters, "global_memory_bus_width")
    clock = _attribute(counters, "max_mem_frequency_khz", scale=1e3)
    if width and clock:
        # every memory of these boards transfers twice per clock that the driver reports
        return Figure(width.value / 8 * 2 * clock.value, "derived: ncu bus width / 8 x 2 x memory clock")
    return None


def _vector(counters: Counters, units: Figure | None, clock: Figure | None) -> tuple[tuple[str, Figure], ...]:
    rate = counters.get("sm__cycles_elapsed.avg.per_second", ("cycle/second",))
    for unit in ("sm", "smsp"):
        per_cycle = counters.get(f"{unit}__{_FFMA}", _PER_CYCLE)
        if per_cycle and rate:
            return (("float32", Figure(2 * per_cycle * rate, f"measured: ncu {unit}__{_FFMA} x 2 x SM clock")),)
    lanes = _LANES.get(counters.launch.columns.get("CC", ""))
    if not (lanes and units and clock):
        return ()
    source = f"derived: {units.value:g} SMs x {lanes} lanes x 2 x {clock.value / 1e9:g} GHz, ncu attributes"
    return (("float32", Figure(units.value * lanes * 2 * clock.value, source)),)


def _matrix(counters: Counters) -> tuple[tuple[str, Figure], ...]:
    rate = counters.get("sm__cycles_elapsed.avg.per_second", ("cycle/second",))
    peaks: dict[str, Figure] = {}
    for name in counters.launch.metrics:
        match = _TENSOR.fullmatch(name)
        per_cycle = counters.get(name, _PER_CYCLE) if match else None
        if match and per_cycle and rate:
            dtype = _TYPES[match[2]]
            figure = Figure(per_cycle * rate, f"measured: ncu {name} x SM clock")
            # frameworks accumulate in float32, which on some boards is the slower path
            if dtype not in peaks or "_dst_fp32" in name:
                peaks[dtype] = figure
    return tuple(peaks.items())


def _kind(title: str) -> str:
    if "GeForce" in title:
        return "consumer-gpu"
    if re.search(r"Quadro|RTX", title):
        return "workstation-gpu"
    return "embedded-gpu" if re.search(r"Orin|Xavier|Tegra|Jetson|Thor", title) else "datacenter-gpu"
