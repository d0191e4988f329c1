"""How well is the CPU at hand predicted: after a probe alone, and after calibrating on five other networks.

    python tests/benchmarks/host_accuracy.py [--repeats 5] [--threads 1] [--image 160] [--batch 1]

Protocol: `probe` measures the roofs; then 24 networks of six families and five others (one each of five
families) are timed, interleaved. Three predictions are compared with the medians: the roofs alone, plus the
probe's launch per kernel; the prior of calibrations on those roofs; and that prior fitted to the five. With one
thread the clock is the process's own, so that what other processes take does not count; with more, the wall's.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from statistics import median

import numpy as np

import oracle
from oracle.calibration import fit, predict
from oracle.counting.networks import count_net
from oracle.devices import Device
from oracle.imports.points import roof_times_of
from oracle.measure import Measurement, device_yaml, measure, probe
from oracle.query.calibrating import prior_of
from oracle.spec import NetSpec, Workload

_TESTED = {
    "resnet": ("R-56", "R-110", "ResNet-50", "ResNet-101"),
    "resnext": ("ResNeXt-50-32x4d", "ResNeXt-101-32x4d"),
    "regnetx": tuple(f"RegNetX-{size}" for size in ("200MF", "600MF", "800MF", "1.6GF", "3.2GF", "4.0GF")),
    "regnety": tuple(f"RegNetY-{size}" for size in ("200MF", "600MF", "800MF", "1.6GF", "3.2GF", "4.0GF")),
    "effnet": ("EfficientNet-B0", "EfficientNet-B2", "EfficientNet-B3", "EfficientNet-B4"),
    "vit": ("ViT-S-16", "ViT-L-16"),
}
_FITTED = ("ResNet-152", "RegNetX-400MF", "RegNetY-400MF", "EfficientNet-B1", "ViT-B-16")


def main() -> int:
    """Probe, measure, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--image", type=int, default=160, help="a multiple of 32; R-56 and R-110 keep 32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=12.0, help="for the probe")
    args = parser.parse_args()
    clock = "cpu" if args.threads == 1 else "wall"
    start = time.perf_counter()
    device = probe(threads=args.threads, clock=clock, seconds=args.seconds)
    print(device_yaml(device))
    families = {name: family for family, names in _TESTED.items() for name in names}
    networks = [_network(name, args.image) for name in (*families, *_FITTED)]
    workload = Workload(batch_size=args.batch)
    found = measure(
        networks, repeats=args.repeats, threads=args.threads, clock=clock, block_s=0.05, batch_size=args.batch
    )
    _report(device, networks, found, families, workload)
    print(f"\n{time.perf_counter() - start:.0f} s")
    return 0


def _network(name: str, image: int) -> NetSpec:
    changes = [] if name in ("R-56", "R-110") else ["TRAIN.IM_SIZE", image]
    return oracle.to_spec(oracle.load_cfg(name, changes))


def _report(
    device: Device,
    networks: list[NetSpec],
    found: list[Measurement],
    families: dict[str, str],
    workload: Workload,
) -> None:
    counts = [count_net(net, workload) for net in networks]
    rows = [roof_times_of(count.kernels, count, device, workload.runner) for count in counts]
    measured = np.array([item.latency_ms for item in found]) * 1e-3
    tested = len(families)
    launch = device.launch.value if device.launch else 0.0
    roofs = np.array([np.maximum(row.compute_s, row.memory_s) @ row.count + launch * row.count.sum() for row in rows])
    known = prior_of(device, workload)
    calibrated = fit(device.name, rows[tested:], measured[tested:], known, workload)
    prior = fit(device.name, [], [], known, workload)
    columns = {
        "roofs": roofs[:tested],
        "prior": predict(prior, rows[:tested]),
        "fitted": predict(calibrated, rows[:tested]),
    }
    truth = measured[:tested]
    print(f"{'network':22}{'measured ms':>12}{'IQR %':>7}" + "".join(f"{name:>10}{'err %':>8}" for name in columns))
    for index, name in enumerate(families):
        item = found[index]
        cells = "".join(f"{p[index] * 1e3:10.2f}{100 * (p[index] / truth[index] - 1):+8.1f}" for p in columns.values())
        print(f"{name:22}{item.latency_ms:12.2f}{100 * (item.spread or 0):7.1f}{cells}")
    fitted_to = zip(_FITTED, measured[tested:].tolist(), strict=True)
    print("\nfitted to " + ", ".join(f"{name} {seconds * 1e3:.2f} ms" for name, seconds in fitted_to))
    for name, predicted in columns.items():
        errors = np.abs(predicted / truth - 1)
        by_family: dict[str, list[float]] = defaultdict(list)
        for family, error in zip(families.values(), errors.tolist(), strict=True):
            by_family[family].append(error)
        details = ", ".join(f"{family} {100 * median(values):.0f}" for family, values in by_family.items())
        print(f"{name}: median error {100 * np.median(errors):.1f} %, mean {100 * errors.mean():.1f} % ({details})")
    below = truth < roofs[:tested] - launch * np.array([row.count.sum() for row in rows[:tested]])
    print(f"measured below the bare roofline: {int(below.sum())} of {tested}")


if __name__ == "__main__":
    sys.exit(main())
