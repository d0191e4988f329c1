"""The table of ncnn's benchmark, its boards matched to devices and its networks to kernels."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

from oracle.calibration import RoofTimes, roof_times
from oracle.counting import count
from oracle.devices import Device, Peaks, load_device
from oracle.devices.cores import CORES, LITTLE
from oracle.devices.threads import core_count, with_cores
from oracle.query.running import run_on
from oracle.spec import Workload
from oracle.trace import trace_module
from tests.benchmarks._networks import Kernels, _kernels

__all__ = ["BOARDS", "NEWEST", "Row", "kernels_of", "read_rows", "workload_of"]

BOARDS = {
    "Raspberry Pi Zero 2": "raspberry-pi-zero-2",
    "Raspberry Pi 3": "raspberry-pi-3",
    "Raspberry Pi 4": "raspberry-pi-4",
    "Rockchip RK3588": "rk3588",
    "OrangePi5": "rk3588",
    "Station-M3": "rk3588",
    "Station P2": "rk3568",
    "Rock3A": "rk3568",
    "Station-M2": "rk3566",
    "OrangePicm4": "rk3566",
    "Radxa Zero 3W": "rk3566",
    "NanoPi R2S": "rk3328",
    "EAIDK 310": "rk3328",
    "Rockchip RK3288": "rk3288",
    "OrangePi Zero 2": "allwinner-h616",
    "Banana Pi M2": "allwinner-h2",
    "Avaota Aim": "allwinner-t527",
    "Khadas VIM3": "amlogic-a311d",
    "Amlogic S805": "amlogic-s805",
    "MYIR RemiPi": "rzg2l",
    "RDK X3": "rdk-x3",
    "AXERA AX630C": "ax630c",
    "AXERA AX620A": "ax620a",
    "Arduino UNO Q": "qrb2210",
    "Freescale i.MX7": "imx7d",
    "Z7-Lite": "zynq-7020",
    "HiSilicon Hi3519": "hi3519",
    "iPhone 5S": "iphone-5s",
    "Qualcomm MSM8916": "snapdragon-410",
    "Qualcomm SDM660": "snapdragon-660",
    "Qualcomm MSM6150": "snapdragon-675",
    "Qualcomm SDM765G": "snapdragon-765g",
    "Qualcomm MSM8994": "snapdragon-810",
    "Qualcomm MSM8996": "snapdragon-821",
    "Qualcomm SM8150-AC": "snapdragon-855-plus",
    "Qualcomm SM8550": "snapdragon-8-gen-2",
    "Qualcomm Snapdragon X Elite": "snapdragon-x-elite",
    "Kirin 970": "kirin-970",
    "MediaTek Dimensity 9300": "dimensity-9300",
    "Radxa Orion O6": "radxa-orion-o6",
    "NVIDIA Jetson Nano": "jetson-nano-cpu",
    "NVIDIA Jetson TX2 NX": "jetson-tx2-cpu",
    "NVIDIA Jetson AGX Orin": "jetson-agx-orin-cpu",
    "MacBook Pro (13-inch, M1": "apple-m1-cpu",
    "HUAWEI KunPeng 920 2251K": "kunpeng-920-2251k",
    "HUAWEI Kunpeng 920 7260": "kunpeng-920-7260",
    "Phytium FT-2000/4": "ft-2000-4",
    "Phytium FT-2000+/64": "ft-2000-plus-64",
    "PhytiumPi": "phytium-e2000",
    "Microsoft Azure Standard D64ps": "cobalt-100",
    "Microsoft Azure Standard D64s v6": "azure-d64s-v6",
    "Microsoft Azure Standard D64as": "azure-d64as-v7",
    "AWS c5.4xlarge": "aws-c5-4xlarge",
    "AMD EPYC 7742": "epyc-7742",
    "AMD Ryzen Threadripper 3970X": "threadripper-3970x",
    "AMD Ryzen 5700g": "ryzen-5700g",
    "AMD Ryzen Embedded V1605B": "ryzen-v1605b",
    "Hyper-V Linux Guest with GPU-PV enabled (Intel Core i7-7700K": "i7-7700k",
    "MacBook Pro (15-inch, 2019)": "i7-9750h",
    "Hyper-V Linux Guest with GPU-PV enabled (Intel Core i7-11800H": "i7-11800h",
    "Intel Atom x5-Z8350": "atom-x5-z8350",
    "Intel Celeron M 420": "celeron-m-420",
    "T-Head TH1520": "th1520",
    "CVITEK SG2000": "sg2000",
    "Spacemit MUSE": "spacemit-k1",
    "Loongson 2K1000 (GS264": "loongson-2k1000",
    "Loongson 2K1000LA": "loongson-2k1000la",
    "Loongson 2K2000": "loongson-2k2000",
    "Loongson 3A3000": "loongson-3a3000",
    "Loongson 3A4000": "loongson-3a4000",
    "Loongson 3A5000": "loongson-3a5000",
}
"""How a board's name in the table begins -> the device that it is; boards whose cores we know too little of are left out."""

_CLOCKS = {"Radxa Zero 3W": 1.416e9}  # boards that run their chip slower than others


NEWEST = 2
"""The release of ncnn that predictions are for: what a user installs."""


def release_of(networks: Collection[str]) -> int:
    """How old the release was that ran a board's floating-point networks: 0, 1 or `NEWEST`.

    The table states no release, but ncnn's benchmark grew: nanodet_m and efficientnetv2_b0 came in 2021, yolo-fastestv2
    in 2022, and vision_transformer last. A board of which vgg16 is missing, too, had no memory for either.
    """
    kept = set(networks)
    if "vision_transformer" in kept or {"yolo-fastestv2", "vgg16"} & kept == {"yolo-fastestv2"}:
        return NEWEST
    return int("yolo-fastestv2" in kept or {"nanodet_m", "efficientnetv2_b0"} <= kept)


class Row(NamedTuple):
    """A measurement on a processor.

    Attributes:
        board: as the table names it.
        device: at the threads that ran, in the words of its dtype.
        threads: how many ran.
        dtype: float32 (which stands for floating point, as ncnn chooses) or int8.
        network: of `NETWORKS`.
        seconds: the least of its runs.
        setting: board, threads, powersave and dtype: what was measured together.
        release: see `release_of`.
    """

    board: str
    device: Device
    threads: int
    dtype: str
    network: str
    seconds: float
    setting: tuple[str, int, str, str]
    release: int = NEWEST

    @property
    def core(self) -> str:
        """The micro-architecture of the fastest core in use."""
        return self.device.cores[0].kind

    @property
    def clock(self) -> float:
        """Hz."""
        return self.device.cores[0].clock.value

    @property
    def balance(self) -> float:
        """What equal parts for unequal cores leave of their sum."""
        rates = [(cluster.count, cluster.clock.value * CORES[cluster.kind].fp32) for cluster in self.device.cores]
        return self.threads * min(rate for _, rate in rates) / sum(many * rate for many, rate in rates)

    def at_roofs(self) -> RoofTimes:
        """The network at the device's roofs."""
        kernels = kernels_of(self.network, self.dtype)
        numbers = kernels.matrix_flops, kernels.vector_flops, kernels.traffic_bytes
        return roof_times(kernels.kinds, *numbers, self.device, engine="ncnn")


def workload_of(dtype: str, threads: int = 0) -> Workload:
    """One image at a time under ncnn."""
    return Workload(dtype=dtype, runtime="engine", engine="ncnn", threads=threads)


def read_rows(file: Path, networks: Iterable[str], boards: Sequence[str] = ()) -> list[Row]:
    """The rows of processors whose cores are known, those with more threads than cores left out.

    Args:
        file: edge_ncnn.csv.
        networks: those to keep.
        boards: beginnings of the names of those to keep; all if empty.
    """
    found: dict[tuple[object, ...], Row] = {}
    kept = set(networks)
    with file.open(encoding="utf-8", newline="") as stream:
        lines = [line for line in csv.DictReader(stream) if line["unit"] == "cpu"]
    measured: dict[str, set[str]] = {}
    for line in lines:
        measured.setdefault(line["board"], set()).update([line["network"]] if line["dtype"] == "float" else [])
    for line in lines:
        if line["network"] not in kept or (boards and not line["board"].startswith(tuple(boards))):
            continue
        row = _row(line)
        if row is not None:
            key = (*row.setting, row.network)
            row = row._replace(release=release_of(measured[row.board]))
            found[key] = min(row, found.get(key, row), key=lambda one: one.seconds)
    return list(found.values())


def _row(line: dict[str, str]) -> Row | None:
    board, threads = line["board"], int(line["threads"])
    dtype = "int8" if line["dtype"] == "int8" else "float32"
    prefix = max((name for name in BOARDS if board.startswith(name)), key=len, default=None)
    if prefix is None:
        return None
    device = _device(BOARDS[prefix], line["powersave"] == "1", _CLOCKS.get(prefix))
    if threads > core_count(device):
        return None
    setting = (board, threads, line["powersave"], dtype)
    used = run_on(device, workload_of(dtype, threads))
    return Row(board, used, threads, dtype, line["network"], float(line["min_ms"]) * 1e-3, setting)


@cache
def _device(name: str, little: bool, clock: float | None) -> Device:
    """A device; its little cores alone where they were asked for."""
    device = load_device(name)
    clusters = (*device.cores, *device.idle_cores)
    if little and any(cluster.kind in LITTLE for cluster in clusters):
        clusters = tuple(cluster for cluster in clusters if cluster.kind in LITTLE)
    elif little:
        clusters = clusters[-1:]  # the slowest there are
    elif clock is None:
        return device
    if clock is not None:
        clusters = tuple(replace(one, clock=replace(one.clock, value=clock)) for one in clusters)
    bare = replace(device, vector=Peaks(), cores=(), idle_cores=(), compute_units=None, clock=None)
    return with_cores(bare, clusters)


@cache
def kernels_of(network: str, dtype: str) -> Kernels:
    """A network's kernels under ncnn."""
    import torch

    from tests.benchmarks._ncnn_networks import INPUTS, NETWORKS

    side = INPUTS.get(network, 224)
    with torch.device("meta"):
        module, image = NETWORKS[network]().eval(), torch.empty(1, 3, side, side)
    workload = workload_of(dtype)
    table = trace_module(module, (image,), {}, workload)
    return _kernels([(table, kernel) for kernel in count(table, workload).kernels], workload.runner)
