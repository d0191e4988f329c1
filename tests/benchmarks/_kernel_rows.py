"""Measured kernels of GPUs as columns, with the figures of their devices' sheets; `products` fits models to them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import oracle

__all__ = ["Floats", "Rows", "conv_rows", "gpu_rows", "matrix_rows"]

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Rows:
    """Measured kernels, one entry each, with their device's figures; `columns` holds a part's own."""

    device: np.ndarray[Any, np.dtype[np.str_]]
    seconds: Floats
    peak: Floats
    bandwidth: Floats
    units: Floats
    clock: Floats
    cache: Floats
    watts: Floats
    columns: Mapping[str, Floats]

    def at(self, which: Any) -> Rows:
        """Some of them."""
        plain = {
            name: getattr(self, name)[which]
            for name in ("device", "seconds", "peak", "bandwidth", "units", "clock", "cache", "watts")
        }
        return Rows(**plain, columns={name: values[which] for name, values in self.columns.items()})

    def __getitem__(self, name: str) -> Floats:
        return self.columns[name]


def read(path: Path, dtype: str, unit: str = "matrix", keep: Callable[[dict[str, str]], bool] = lambda _: True) -> Rows:
    """Rows of a file, with the sheets of their devices; text columns are left out."""
    with path.open() as file:
        lines = [line for line in csv.DictReader(file) if keep(line)]
    names = np.array([_DEVICES.get(line["device"], line["device"]) for line in lines])
    sheets = {str(name): _sheet(str(name), unit, dtype) for name in np.unique(names)}
    figures = np.array([sheets[name] for name in names]).T
    columns = {}
    for name in lines[0].keys() - {"device", "dtype", "kv_cache_dtype", "Kernel Name"}:
        columns[name] = np.array([float(line[name]) for line in lines])
    milliseconds = columns.pop("latency_ms") if "latency_ms" in columns else columns.pop("Latency")
    columns["kv_bytes"] = np.array([1.0 if line.get("kv_cache_dtype") == "fp8" else 2.0 for line in lines])
    return Rows(names, milliseconds / 1e3, *figures, columns=columns)


_DEVICES = {"v100-32gb": "v100-pcie"}


def _sheet(name: str, unit: str, dtype: str) -> tuple[float, ...]:
    device = oracle.load_device(name)
    figures = (device.compute_units, device.clock, device.llc, device.power)
    return device.peak_flops(unit, dtype), device.peak_bandwidth(), *(figure.value for figure in figures if figure)


def matrix_rows(data: Path, name: str) -> Rows:
    """Linear layers or batched products in float32."""
    rows = read(data / "kernels" / f"{name}.csv", "float32", "vector")
    batch, m, n, k = rows["B"], rows["M"], rows["N"], rows["K"]
    if name == "linear":
        batch, m = np.ones_like(m), batch * m
    traffic = 4.0 * batch * (m * k + k * n + m * n)
    return _with(rows, {"batch": batch, "m": m, "n": n, "k": k, "bytes": traffic})


def conv_rows(data: Path) -> Rows:
    """Convolutions in float32, as implicit GEMM."""
    rows = read(data / "kernels" / "conv.csv", "float32", "vector")
    images, channels, window = rows["B"], rows["Input_Channel"], rows["Kernel_Szie"]
    size, stride, n = rows["Input_Size"], rows["Stride"], rows["Output_Channel"]
    m = images * (np.floor((size + 2.0 * rows["Padding"] - window) / stride) + 1.0) ** 2
    k = channels * window**2
    plain = (window == 3.0) & (stride == 1.0)
    return _with(
        rows,
        {
            "batch": np.ones_like(m),
            "m": m,
            "n": n,
            "k": k,
            "bytes": 4.0 * (images * channels * size**2 + n * k + m * n),
            "is_winograd": (plain & (channels > 1.5)).astype(float),
            "is_wide": ((window > 3.0) | ((window == 3.0) & (stride > 1.0))).astype(float),
        },
    )


def _with(rows: Rows, columns: Mapping[str, Floats]) -> Rows:
    plain = (rows.device, rows.seconds, rows.peak, rows.bandwidth, rows.units, rows.clock, rows.cache, rows.watts)
    return Rows(*plain, columns=columns)


def gpu_rows(data: Path, name: str, dtype: str = "bfloat16") -> Rows:
    """Rows of one dtype; those of attention are all of one."""
    return read(data / "gpu_kernels" / f"{name}.csv", dtype, keep=lambda line: line["dtype"] == dtype)
