"""Which of the calibrations that ship, in `configs/calibrations`, serves a device under a workload."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from oracle._frozen import Frozen
from oracle._resources import shipped
from oracle.calibration.calibration import Calibration
from oracle.calibration.files import load_calibration
from oracle.calibration.prior import limited_classes, usual_dispatch
from oracle.devices import Device
from oracle.devices.cores import CORES
from oracle.roofline import Efficiency
from oracle.spec import DTYPES, GENERIC, LAYOUTS, Workload

_NEXT_OF_KIN = Frozen(
    {
        "workstation-gpu": "consumer-gpu",
        "embedded-gpu": "consumer-gpu",
        "mobile-gpu": "mobile-cpu",
        "datacenter-gpu": "consumer-gpu",
        "tpu": "datacenter-gpu",
        "server-cpu": "desktop-cpu",
        "desktop-cpu": "server-cpu",
    }
)
"""Whose prior serves a kind that has none of its own."""

TWINS = Frozen({"float16": ("bfloat16",), "bfloat16": ("float16",), "float8": ("int8",), "int8": ("float8",)})
"""Dtypes that the same units compute in at the same rate."""


def file_name(device: str, workload: Workload) -> str:
    """What the shipped file of a device (or kind) under a workload is called, without its suffix."""
    return f"{device}.{workload.runner}.{workload.mode}.{workload.dtype}.{workload.layout}"


def calibration_of(device: Device, workload: Workload, engine: str = GENERIC) -> Calibration | None:
    """The shipped calibration of a device under the workload's runtime and mode; None if there is none.

    `engine` is the one that was measured, which need not be the workload's.

    The workload's dtype and layout are preferred; shares of another dtype are shares of other peaks, and still
    tell more than the kind's prior. Those of another unit say nothing of what power sustains on this one.
    """
    found = _shipped(device.name, workload, _by_nearness(workload.dtype), engine)
    if found is None or (found.dtype in device.matrix) == (workload.dtype in device.matrix):
        return found
    return replace(found, efficiency=within_power(found.efficiency, device, workload.dtype))


def core_calibration(device: Device, workload: Workload, engine: str) -> Calibration | None:
    """The shipped calibration of the micro-architecture of a processor's fastest cores, or of its nearest relative.

    One of the workload's dtype comes first, be it of a relative, as for kinds of devices; None if there is none.
    """
    if not device.cores:
        return None
    names = (device.cores[0].kind, *CORES[device.cores[0].kind].kin)
    for dtypes in ((workload.dtype,), _by_nearness(workload.dtype)[1:]):
        for name in names:
            found = _shipped(name, workload, dtypes, engine)
            if found is not None:
                return found
    return None


def kin_calibration(device: Device, workload: Workload, engine: str) -> Calibration | None:
    """What was calibrated of others like a device: its micro-architecture first, then its kind; None if nothing was.

    None computes at more of the peak than the device's power sustains.
    """
    found = core_calibration(device, workload, engine) or prior_calibration(device.kind, workload, engine)
    return found and replace(found, efficiency=within_power(found.efficiency, device, workload.dtype))


def within_power(efficiency: Efficiency, device: Device, dtype: str) -> Efficiency:
    """What others reach, on a device whose power sustains less."""
    limited, most = limited_classes(device, dtype), device.sustained(dtype)
    if not limited:
        return efficiency
    shares = {name: min(efficiency.compute.get(name, 1.0), most) for name in limited}
    cached = efficiency.cached_attention
    if cached is not None:  # whose shares are its own
        (prefill, prefill_flow), (decode, decode_flow) = cached.prefill_shares, cached.decode_shares
        own = (min(prefill, most), prefill_flow), (min(decode, most), decode_flow)
        cached = replace(cached, prefill_shares=own[0], decode_shares=own[1])
    return replace(efficiency, compute=Frozen({**efficiency.compute, **shares}), cached_attention=cached)


def engines_like(workload: Workload) -> tuple[str, ...]:
    """Engines whose calibrations serve a workload, its own first.

    An engine without a name is what good engines share; ONNX Runtime is one of them, and measured on processors.
    """
    return tuple(dict.fromkeys((workload.engine, GENERIC, *(("onnxruntime",) if workload.engine == GENERIC else ()))))


def _by_nearness(dtype: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((dtype, *TWINS.get(dtype, ()), *DTYPES)))


def prior_calibration(kind: str, workload: Workload, engine: str = GENERIC) -> Calibration | None:
    """The shipped prior of a kind of device, or of its next of kin, under a runtime and mode.

    One of the workload's dtype, be it of another kind, tells more than one of another dtype: which unit computes, how
    wide and in which kernels, is a matter of the dtype first. What hosts take to launch kernels is the kind's own.
    """
    kinds: list[str] = []
    requested: str | None = kind
    while requested is not None and requested not in kinds:
        kinds.append(requested)
        requested = _NEXT_OF_KIN.get(requested)
    others = tuple(word for word in DTYPES if word != workload.dtype)
    for dtypes in ((workload.dtype, *TWINS.get(workload.dtype, ())), others):
        for name in kinds:
            found = _shipped(name, workload, dtypes, engine)
            if found is not None:
                host = replace(found.efficiency, dispatch_s=usual_dispatch(kind, workload.runtime))
                return found if name == kind else replace(found, efficiency=host)
    return None


def _shipped(name: str, workload: Workload, dtypes: Iterable[str], engine: str) -> Calibration | None:
    known = shipped("calibrations")
    layouts = (workload.layout, *(word for word in LAYOUTS if word != workload.layout))
    for dtype in dtypes:
        for layout in layouts:
            words = {"engine": engine, "dtype": _plain(dtype, workload), "layout": layout, "weights": ""}
            path = known.get(file_name(name, workload.with_(**words)))
            if path is not None:
                return load_calibration(path)
    return None


def _plain(dtype: str, workload: Workload) -> str:
    """Quantised dtypes exist under the engine only; elsewhere nothing was measured in them."""
    return (
        "float32"
        if dtype in ("float8", "int8") and (workload.runtime, workload.mode) != ("engine", "inference")
        else dtype
    )
