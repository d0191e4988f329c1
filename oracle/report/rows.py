"""Results as flat rows, one dict of scalars each: for CSV, for data frames, for tables elsewhere.

Keys carry their unit (`_ms`, `_bytes`, `_flop_per_byte`, ...); macs, flops, params and activations count.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf
from typing import TYPE_CHECKING, Any

from oracle.devices import Device, in_file_units
from oracle.report.breakdown import Group

if TYPE_CHECKING:
    from oracle.measure import Measurement
    from oracle.query import BatchCurve, Comparison, Cost, Effect, Fit, KernelCost, Ranking, Sensitivity
    from oracle.query.contexts import ContextFit
    from oracle.serving import Serving


def cost_rows(cost: Cost) -> list[dict[str, Any]]:
    """One row per device; a single one without times where there is no device."""
    return [_row(cost, device) for device in (*cost.times,) or (None,)]


def ranking_rows(ranking: Ranking) -> list[dict[str, Any]]:
    """One row per device and network, in the order of the device."""
    return [
        {
            "rank": place,
            "dominated": ranking.dominated[device][index],
            **({} if ranking.value_name == "macs" else {ranking.value_name: ranking.value[index]}),
            **_row(ranking.costs[index], device),
        }
        for device in ranking.devices
        for place, index in enumerate(ranking.order[device], start=1)
    ]


def curve_rows(curve: BatchCurve) -> list[dict[str, Any]]:
    """One row per device and batch size."""
    return [
        {
            "network": curve.network,
            "device": device,
            **curve.workload.to_dict(),
            "batch_size": point.batch_size,
            "latency_ms": point.latency_ms,
            "latency_low_ms": point.time.interval_ms and point.time.interval_ms[0],
            "latency_high_ms": point.time.interval_ms and point.time.interval_ms[1],
            "roofline_ms": point.roofline_ms,
            "throughput_images_per_s": point.throughput_per_s,
            "bound": point.time.bound,
            "peak_memory_bytes": point.peak_memory_bytes,
            "fits_memory": point.time.fits,
            "tokens": curve.tokens,
            **curve.call._asdict(),
            "max_latency_ms": curve.max_latency_ms,
            "allowed": curve.allowed(point),
            "best": point == curve.best(device),
            "model": point.time.model,
            "expected_error": point.time.expected_error,
        }
        for device, points in curve.points.items()
        for point in points
    ]


def fit_rows(fits: Sequence[Fit]) -> list[dict[str, Any]]:
    """One row per network, device and mode."""
    return [
        {
            "network": item.network,
            "device": item.device,
            **item.workload.to_dict(),
            "batch_size": item.batch_size,
            "peak_memory_bytes": item.peak_memory_bytes or None,
            "next_batch_size": item.next_batch_size,
            "next_peak_memory_bytes": item.next_peak_memory_bytes,
            "memory_bytes": item.memory_bytes,
            "reserve_bytes": item.reserve_bytes,
            "flash_bytes": item.flash_bytes,
            "flash_memory_bytes": item.flash_memory_bytes,
            "fits_flash": item.fits_flash,
            "arena": item.arena,
            **_stated(item.dtypes, item.notes),
        }
        for item in fits
    ]


def context_rows(fits: Sequence[ContextFit]) -> list[dict[str, Any]]:
    """One row per decoder and device."""
    return [
        {
            "network": item.network,
            "device": item.device,
            **item.workload.to_dict(),
            "context": item.context,
            "limit": item.limit,
            "kv_cache_bytes": item.kv_cache_bytes,
            "peak_memory_bytes": item.peak_memory_bytes or None,
            "memory_bytes": item.memory_bytes,
            "reserve_bytes": item.reserve_bytes,
            "notes": "; ".join(item.notes),
        }
        for item in fits
    ]


def serving_rows(item: Serving) -> list[dict[str, Any]]:
    """One row per concurrency."""
    requested = {
        "network": item.network,
        "device": item.device,
        "engine": item.engine,
        "input_tokens": item.input_tokens,
        "output_tokens": item.output_tokens,
        **asdict(item.parallel),
        "weights": item.weights,
        "kv": item.kv,
        "in_step": item.in_step,
        "cached": item.cached,
    }
    return [{**requested, **asdict(point)} for point in item.points]


def kernel_rows(lines: Sequence[KernelCost] | Sequence[Group], device: str | None) -> list[dict[str, Any]]:
    """One row per kernel or group of kernels."""
    return [
        {
            "device": device,
            **{name: value for name, value in _fields(line).items() if name != "intensity"},
            "intensity_flop_per_byte": line.intensity,
            "achieved_flops_per_s": line.achieved_flops_per_s,
        }
        for line in lines
    ]


def _fields(line: KernelCost | Group) -> dict[str, Any]:
    return line._asdict() if isinstance(line, tuple) else asdict(line)


def device_rows(device: Device) -> list[dict[str, Any]]:
    """One row per figure of a device, in the unit that its key names."""
    return [
        {"device": device.name, "figure": key, "value": figure.value, "source": figure.source}
        for key, figure in in_file_units(device).items()
    ]


def device_data(device: Device) -> dict[str, Any]:
    """A device for JSON: what it is, its figures by their key in a device file, and its ridge points."""
    return {
        "name": device.name,
        "title": device.title,
        "kind": device.kind,
        "aliases": list(device.aliases),
        "calibrate_only": device.calibrate_only,
        "figures": {key: asdict(figure) for key, figure in in_file_units(device).items()},
        "matrix_ridge_flop_per_byte": {dtype: device.ridge("matrix", dtype) for dtype in device.dtypes},
        "notes": device.notes,
    }


def knob_orders(found: Sensitivity, by: str) -> list[tuple[tuple[str, ...], tuple[Effect, ...]]]:
    """Devices, and the steps as they are listed for them.

    Args:
        by: "device" for each alone: steps that save time, most per MAC given up first, then the others, least
            per MAC gained first; "knob" for all in the order of the network.
    """
    if by == "knob":
        return [(tuple(found.latency_ms), found.effects)]
    return [((device,), _paying(found, device)) for device in found.latency_ms]


def _paying(found: Sensitivity, device: str) -> tuple[Effect, ...]:
    best = found.best(device)
    costly = [effect for effect in found.effects if effect.delta_latency_ms[device] >= 0]
    # a step that costs time and gains no MAC goes last
    price = {id(e): e.ms_per_gmac(device) if e.delta_macs > 0 else inf for e in costly}
    return (*best, *sorted(costly, key=lambda effect: price[id(effect)]))


def knob_rows(found: Sensitivity, by: str) -> list[dict[str, Any]]:
    """One row per device and step."""
    return [
        {
            "network": found.name,
            "device": device,
            **found.workload.to_dict(),
            **_step(effect),
            "latency_ms": found.latency_ms[device],
            "delta_latency_ms": effect.delta_latency_ms[device],
            "ms_per_gmac": effect.ms_per_gmac(device),
        }
        for devices, effects in knob_orders(found, by)
        for device in devices
        for effect in effects
    ]


def knob_data(found: Sensitivity, by: str) -> dict[str, Any]:
    """A sensitivity for JSON."""
    return {
        "network": found.name,
        "workload": found.workload.to_dict(),
        "macs": found.macs,
        "flops": found.flops,
        "traffic_bytes": found.traffic_bytes,
        "latency_ms": dict(found.latency_ms),
        "trust": {device: trust._asdict() for device, trust in found.trust.items()},
        "by": by,
        "steps": [
            {
                **({"device": devices[0]} if by == "device" else {}),
                **_step(effect),
                "delta_latency_ms": dict(effect.delta_latency_ms),
                "ms_per_gmac": {device: effect.ms_per_gmac(device) for device in found.latency_ms},
            }
            for devices, effects in knob_orders(found, by)
            for effect in effects
        ],
    }


def comparison_rows(found: Comparison) -> list[dict[str, Any]]:
    """One row per measurement, with its prediction."""
    return [
        {
            "network": case.network,
            "family": case.family,
            "device": found.device,
            **case.workload.to_dict(),
            "macs": case.macs,
            "accuracy": case.accuracy,
            "measured_ms": case.measured_ms,
            "predicted_ms": case.time.latency_ms,
            "predicted_low_ms": case.time.interval_ms and case.time.interval_ms[0],
            "predicted_high_ms": case.time.interval_ms and case.time.interval_ms[1],
            "error": case.error,
            "model": case.time.model,
        }
        for case in found.cases
    ]


def measurement_rows(found: Sequence[Measurement]) -> list[dict[str, str]]:
    """One row per measurement, as `oracle calibrate` reads them."""
    from oracle.measure import measurements_csv

    return list(csv.DictReader(io.StringIO(measurements_csv(found))))


def _step(effect: Effect) -> dict[str, Any]:
    names = ("knob", "key", "index", "before", "after")
    deltas = ("macs", "flops", "params", "traffic_bytes", "peak_memory_bytes")
    return {name: getattr(effect, name) for name in (*names, *(f"delta_{delta}" for delta in deltas))}


def _row(cost: Cost, device: str | None) -> dict[str, Any]:
    workload = cost.workload.to_dict()
    time = cost.times[device] if device else None
    low, high = (time and time.interval_ms) or (None, None)
    shares = time.bound_share if time else {}
    return {
        "network": cost.name,
        "device": device,
        **workload,
        "convention": cost.convention,
        "macs": cost.macs,
        "flops": cost.flops,
        "params": cost.params,
        "activations": cost.activations,
        "traffic_bytes": cost.traffic_bytes,
        "intensity_flop_per_byte": cost.intensity,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "sram_bytes": cost.sram_bytes,
        "flash_bytes": cost.flash_bytes,
        "latency_ms": time and time.latency_ms,
        "latency_low_ms": low,
        "latency_high_ms": high,
        "roofline_ms": cost.roofline_ms[device] if device else None,
        "throughput_images_per_s": cost.throughput_per_s[device] if device else None,
        "bound": time and time.bound,
        **{f"{bound}_share": shares.get(bound) for bound in ("compute", "memory", "launch")},
        "ridge_flop_per_byte": time and time.ridge,
        "fits_memory": time and time.fits,
        "model": time and time.model,
        "expected_error": time and time.expected_error,
        "unknown_operators": " ".join(cost.unknown),
        "tokens": cost.tokens,
        **cost.call._asdict(),
        "kv_cache_bytes": cost.kv_cache_bytes,
        "kv_bytes_per_token": cost.kv_bytes_per_token,
        **_stated(cost.dtypes, cost.notes),
    }


def _stated(dtypes: Mapping[str, str], notes: Sequence[str]) -> dict[str, str]:
    """Types by stage, as a command line takes them, and notes."""
    return {"dtypes": ",".join(f"{name}={dtype}" for name, dtype in dtypes.items()), "notes": "; ".join(notes)}
