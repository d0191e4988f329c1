"""How well are engines on the CPU at hand predicted: after a probe alone, and calibrated on ten networks.

    python tests/benchmarks/engine_accuracy.py --models DIR -o m.csv [--engines onnxruntime,openvino]
        [--dtypes float32,int8] [--threads 1,2] [--repeats 5] [--networks N]
    python tests/benchmarks/engine_accuracy.py --read m.csv --devices DIR       # judge what was measured before

Protocol: for each number of threads `probe` measures the roofs; then thirty networks of nine families are timed,
interleaved, in each engine and dtype (with one thread by the process's own clock, so that what other processes take
does not count; with more by the wall's). Ten of them, of five families, calibrate; errors are of the networks of the
other four. DIR keeps exported models, which take longest: about ten CPU seconds each. Nothing is left out:
a network that an engine refuses ends the run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

import oracle
from oracle._ranks import kendall_tau_b
from oracle.devices import Device
from oracle.measure import Measurement, device_yaml, measure, probe, read_measurements, write_measurements
from oracle.query import calibrate
from oracle.query.comparing import Case, compare

FITTED = {
    "resnet": ("R-56", "ResNet-50"),
    "regnety": ("RegNetY-200MF", "RegNetY-1.6GF"),
    "effnet": ("EfficientNet-B0", "EfficientNet-B2"),
    "ofa": ("OFA-D2-E3-K3", "OFA-D4-E6-K7"),
    "vit": ("ViT-S-16", "ViT-B-16"),
}
OTHERS = {
    "regnetx": tuple(f"RegNetX-{size}" for size in ("200MF", "400MF", "600MF", "800MF", "1.6GF", "3.2GF")),
    "resnext": ("ResNeXt-50-32x4d", "ResNeXt-101-32x4d"),
    "fbnet": ("FBNet-C", "FBNet-K3-E1-G2", "FBNet-K5-E6"),
    "nasbench201": ("NB201-ResNet", "NB201-AllConv3x3"),
}
SAME = {
    "resnet": ("R-110", "ResNet-101"),
    "regnety": ("RegNetY-400MF", "RegNetY-600MF", "RegNetY-800MF"),
    "effnet": ("EfficientNet-B1",),
    "ofa": ("OFA-D3-E4-K5",),
}
_BLOCK_S = 0.05


def main() -> int:
    """Probe and measure, or read; predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="onnxruntime,openvino")
    parser.add_argument("--dtypes", default="float32,int8")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each probe")
    parser.add_argument("--models", help="keep exported models here")
    parser.add_argument("--networks", default="", help="these alone, comma-separated")
    parser.add_argument("-o", "--output", type=Path, help="the table of measurements (default: a temporary one)")
    parser.add_argument("--read", type=Path, help="a table of measurements, in place of measuring")
    parser.add_argument("--devices", type=Path, help="folder of the probed devices' files (default: beside the table)")
    args = parser.parse_args()
    args.output = args.output or Path(tempfile.mkdtemp(prefix="engine_accuracy-")) / "measurements.csv"
    args.devices = args.devices or (args.read or args.output).parent
    rows = read_measurements(args.read) if args.read else _measured(args)
    _report(rows, args.devices)
    return 0


def _measured(args: argparse.Namespace) -> list[Measurement]:
    """All measurements, written after each engine and dtype: an hour may be in them."""
    start, rows = time.perf_counter(), []
    families = {name: family for part in (FITTED, OTHERS, SAME) for family, names in part.items() for name in names}
    names = args.networks.split(",") if args.networks else list(families)
    for threads in map(int, args.threads.split(",")):
        clock = "cpu" if threads == 1 else "wall"
        device = probe(name=f"host-{threads}", threads=threads, clock=clock, seconds=args.seconds)
        (args.devices / f"{device.name}.yaml").write_text(device_yaml(device), encoding="utf-8")
        for engine in args.engines.split(","):
            for dtype in args.dtypes.split(","):
                words = {"engine": engine, "dtype": dtype, "threads": threads, "clock": clock, "models": args.models}
                found = measure(names, name=device.name, repeats=args.repeats, block_s=_BLOCK_S, **words)
                rows += [
                    replace(item, network=name, family=families[name]) for item, name in zip(found, names, strict=True)
                ]
                write_measurements(args.output, rows)
                took, load = time.perf_counter() - start, os.getloadavg()[0]
                print(
                    f"{took:.0f} s: {len(rows)} rows, {engine} {dtype} {threads} threads, load {load:.1f}", flush=True
                )
    return rows


def _report(rows: Sequence[Measurement], folder: Path) -> None:
    """One line per engine, dtype and number of threads."""
    groups: dict[tuple[str, str, str], list[Measurement]] = defaultdict(list)
    for row in rows:
        groups[row.device, row.workload.engine, row.workload.dtype].append(row)
    title = f"{'device':8}{'engine':12}{'dtype':9}{'IQR':>5}{'fitted':>8}{'judged':>8}"
    print(f"{title}{'probed':>8}{'tau':>7}{'calibrated':>12}{'tau':>7}{'same family':>13}   by family")
    for (name, engine, dtype), found in groups.items():
        _line(oracle.load_device(folder / f"{name}.yaml"), engine, dtype, found)


def _line(device: Device, engine: str, dtype: str, rows: Sequence[Measurement]) -> None:
    fitted, others, same = (
        [row for row in rows if any(row.network in names for names in part.values())] for part in (FITTED, OTHERS, SAME)
    )
    words = {"engine": engine, "dtype": dtype}
    known = calibrate(device, fitted, **words)
    probed = compare(device, others, **words).cases  # what a user is told who has not calibrated
    best = compare(device, others, calibrations=[known], **words).cases
    alike = compare(device, same, calibrations=[known], **words).cases if same else ()
    by_family: dict[str, list[float]] = defaultdict(list)
    for case in best:
        by_family[case.family].append(case.error)
    spread = median(row.spread or 0.0 for row in rows)
    details = ", ".join(f"{family} {100 * np.mean(errors):+.0f}" for family, errors in by_family.items())
    print(
        f"{device.name:8}{engine:12}{dtype:9}{100 * spread:4.0f}%{len(fitted):8}{len(others):8}"
        f"{100 * _mean(probed):7.1f}%{_tau(probed):7.3f}{100 * _mean(best):11.1f}%{_tau(best):7.3f}"
        f"{100 * _mean(alike) if alike else float('nan'):12.1f}%   {details}"
    )


def _mean(cases: Sequence[Case]) -> float:
    return float(np.mean([abs(case.error) for case in cases]))


def _tau(cases: Sequence[Case]) -> float:
    return kendall_tau_b([case.time.latency_ms for case in cases], [case.measured_ms for case in cases])


if __name__ == "__main__":
    sys.exit(main())
