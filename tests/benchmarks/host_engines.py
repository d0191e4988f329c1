"""What engines reach on a server's processor: measure their nodes here, and make the priors that ship.

    python -m tests.benchmarks.host_engines measure FOLDER [--models DIR]    # needs the extra `engines`, an idle machine
    python -m tests.benchmarks.host_engines fit FOLDER [--out configs/calibrations]

FOLDER holds `host-1.yaml` and `latency.csv`, which `engine_accuracy` writes (one thread), and `nodes.csv`: for each
network, engine and dtype the seconds of the engine's own profile, by the classes of the kernels that its nodes were
matched to (the sum of a profile is scaled to the latency without one). What ships was fitted to `data/host_engines`,
to the seventeen networks of the families that `engine_accuracy` fits alone: it judges by the thirteen others.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

import oracle
from oracle.blocking import ONEDNN, ONNXRUNTIME, ONNXRUNTIME_INT8, Blocking
from oracle.calibration import CLASSES, Calibration, Origin, Prior, RoofTimes, general_prior, roof_times
from oracle.calibration.domain import ANYWHERE
from oracle.calibration.files import save_calibration
from oracle.calibration.fitting import fit_vector
from oracle.calibration.model import efficiency_of
from oracle.calibration.shipped import file_name
from oracle.counting.networks import NetCount, count_net
from oracle.devices import Device
from oracle.imports.points import kernel_columns, products_of
from oracle.measure import Measurement, read_measurements
from oracle.measure.engines.nodes import _assigned, _Group, _groups
from oracle.measure.latency import resolve
from oracle.measure.operators import _nodes
from oracle.measure.stopwatch import Place
from oracle.roofline import Efficiency
from tests.benchmarks.engine_accuracy import FITTED, SAME

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("network", "engine", "dtype", "classes", "groups", "seconds")
NOISE = 0.15  # of classes of nodes, which are further off than whole networks
_REPEATS = 5
_ROUNDS = 2


class Nodes(NamedTuple):
    """The nodes of a network that were matched to kernels of some classes."""

    network: str
    engine: str
    dtype: str
    classes: str
    groups: int
    seconds: float


def main() -> int:
    """Measure, or fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("measure", "fit"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", help="keep exported models here")
    parser.add_argument("--out", type=Path, default=ROOT / "configs" / "calibrations")
    args = parser.parse_args()
    latency = read_measurements(args.folder / "latency.csv")
    if args.action == "measure":
        write_nodes(args.folder / "nodes.csv", latency, args.models)
        return 0
    device, nodes = oracle.load_device(args.folder / "host-1.yaml"), read_nodes(args.folder / "nodes.csv")
    for engine, dtype in sorted({(row.workload.engine, row.workload.dtype) for row in latency}):
        prior = prior_of_host(device, engine, dtype, latency, nodes)
        workload = oracle.Workload(runtime="engine", engine=engine, dtype=dtype)
        save_calibration(prior, args.out / f"{file_name(device.kind, workload)}.yaml")
        print(f"{engine} {dtype}: {prior.measurements} networks")
    return 0


def prior_of_host(
    device: Device, engine: str, dtype: str, latency: Sequence[Measurement], nodes: Sequence[Nodes]
) -> Calibration:
    """What the fitted families teach of an engine on a processor like this."""
    known = {name for part in (FITTED, SAME) for names in part.values() for name in names}
    own = {row.network: row for row in latency if (row.workload.engine, row.workload.dtype) == (engine, dtype)}
    rows, seconds, blocking = [], [], blocking_of(engine, dtype)
    for name in sorted(known & set(own)):
        whole = own[name].latency_ms * 1e-3
        found = [row for row in nodes if (row.network, row.engine, row.dtype) == (name, engine, dtype)]
        scale = whole / sum(row.seconds for row in found)
        net, job = resolve(name, runtime="engine", engine=engine, dtype=dtype)
        count = count_net(net, job)
        by_class = _by_class(count, job.runtime)
        rows.append(_at_roofs(_groups(count.kernels), count, device, blocking))
        seconds.append(whole)
        for row in found:
            groups = by_class.get(row.classes, [])
            if len(groups) == row.groups and row.seconds * scale > 0.06 * whole:
                rows.append(_at_roofs(groups, count, device, blocking))
                seconds.append(row.seconds * scale)
    prior = _before(device)
    for _ in range(_ROUNDS):  # so many classes of nodes outweigh what was believed before, step by step
        vector = fit_vector(rows, np.array(seconds), prior, NOISE)
        prior = replace(prior, efficiency=efficiency_of(vector))
    return Calibration(
        device=device.kind,
        runtime="engine",
        mode="inference",
        dtype=dtype,
        layout="nchw",
        engine=engine,
        efficiency=replace(efficiency_of(vector), tiling=blocking),
        origin=Origin(
            f"{len(known & set(own))} networks of five families and their nodes in {engine}, measured on one thread of "
            "an AMD EPYC (Zen 4) by oracle measure",
            "MIT",
            max(row.date for row in own.values()),
        ),
        domain=ANYWHERE._replace(threads=(1, 2)),
    )


def blocking_of(engine: str, dtype: str) -> Blocking:
    """How an engine cuts products."""
    if engine == "openvino":
        return ONEDNN
    return ONNXRUNTIME_INT8 if dtype == "int8" else ONNXRUNTIME


def _before(device: Device) -> Prior:
    """What is believed of engines on processors: wide, and without the constant per call of a framework."""
    general = general_prior(device.kind, "engine")
    spreads = {"compute": 1.5, "memory": 1.5, "weights": 0.3, "launch": 0.5}
    own = {f"{kind}.{name}": spread for kind, spread in spreads.items() for name in CLASSES}
    efficiency = replace(general.efficiency, call_s=5e-6, floor_s=5e-7)
    return replace(general, efficiency=efficiency, own=own | {"call": 0.3, "floor": 0.1}, common_launch=0.3)


def _by_class(count: NetCount, runtime: str) -> dict[str, list[_Group]]:
    found: dict[str, list[_Group]] = defaultdict(list)
    for group in _groups(count.kernels):
        kinds = kernel_columns([count.kernels[position] for position in group.positions], count, runtime)[0]
        found["+".join(sorted(set(kinds.op_classes)))].append(group)
    return found


def _at_roofs(groups: Sequence[_Group], count: NetCount, device: Device, blocking: Blocking) -> RoofTimes:
    kernels = [count.kernels[position] for group in groups for position in group.positions]
    kinds, matrix, vector, traffic, weights = kernel_columns(kernels, count, "engine")
    products = products_of(kernels, count.table)
    cut = Efficiency(tiling=blocking)
    return roof_times(kinds, matrix, vector, traffic, device, weights, cut=cut, products=products)


def write_nodes(path: Path, latency: Sequence[Measurement], models: str | None) -> None:
    """Profile every network of a table of latencies."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in latency:
            writer.writerows(_profiled(row, models))
            file.flush()
            print(row.network, row.workload.engine, row.workload.dtype, flush=True)


def _profiled(row: Measurement, models: str | None) -> Iterator[Nodes]:
    words = {"runtime": "engine", "engine": row.workload.engine, "dtype": row.workload.dtype}
    net, job = resolve(row.network, **words)
    place = Place.of("cpu", row.workload.threads)
    job = job.with_(threads=place.cores)
    layers, modules = _nodes(net, job, place, _REPEATS, models)
    count = count_net(net, job)
    groups = _groups(count.kernels)
    times = dict(zip([group.module for group in groups], _assigned(layers, modules, groups, count), strict=True))
    for classes, own in _by_class(count, job.runtime).items():
        seen = [seconds for seconds in (times[group.module] for group in own) if seconds is not None]
        yield Nodes(row.network, row.workload.engine, row.workload.dtype, classes, len(seen), round(sum(seen), 7))


def read_nodes(path: Path) -> list[Nodes]:
    """The rows of a table of nodes."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Nodes(*(line[name] for name in COLUMNS[:4]), int(line["groups"]), float(line["seconds"]))
            for line in csv.DictReader(file)
        ]


if __name__ == "__main__":
    sys.exit(main())
