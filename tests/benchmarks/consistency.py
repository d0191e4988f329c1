"""Whether predictions agree with one another: more images never take less time; a faster runtime is predicted faster.

    python -m tests.benchmarks.consistency [--devices NAME ...]

Six networks of six families on every shipped device, under every runtime and dtype that it has. Printed are the curves
over batches that fall anywhere, and by runtime and kind of device the calls that an engine or a compiler is predicted
to take longer for than eager PyTorch in the same dtype, and an engine than a compiler, at batch 1 and 64.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import oracle
from oracle.devices import Device
from oracle.errors import OracleError

NETWORKS = ("ResNet-50", "EfficientNet-B0", "RegNetY-800MF", "ViT-B-16", "FBNet-C", "NB201-ResNet")
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128)
COMPARED = (1, 64)
HALVES = ("float32", "tf32", "float16", "bfloat16")
ENGINES = ("generic", "ncnn", "tensorrt", "onnxruntime")
RUNNERS = (
    ("eager", "inference", HALVES),
    ("eager", "training", HALVES),
    ("compiled", "inference", HALVES),
    *((engine, "inference", (*HALVES, "float8", "int8")) for engine in ENGINES),
)


class Curve(NamedTuple):
    """Milliseconds per call, one for each of `BATCHES`."""

    runner: str
    mode: str
    dtype: str
    network: str
    device: Device
    latency_ms: tuple[float, ...]


def curves(devices: Sequence[Device]) -> Iterator[Curve]:
    """Those that have an answer."""
    for runner, mode, dtypes in RUNNERS:
        words = {"runtime": "engine", "engine": runner} if runner in ENGINES else {"runtime": runner}
        for dtype in dtypes:
            for network in NETWORKS:
                words |= {"mode": mode, "dtype": dtype}
                able = [device for device in devices if _answers(network, device, words)]
                costs = [oracle.score(network, able, batch_size=batch, **words).latency_ms for batch in BATCHES]
                for device in able:
                    yield Curve(runner, mode, dtype, network, device, tuple(cost[device.name] for cost in costs))


def _answers(network: str, device: Device, words: dict[str, str]) -> bool:
    try:
        oracle.score(network, [device], **words)
    except OracleError:
        return False
    return True


def falls(found: Sequence[Curve]) -> None:
    """The curves that fall somewhere, the worst first."""
    fallen = []
    for curve in found:
        drop, batch = max((1 - more / one, place) for place, (one, more) in enumerate(pairwise(curve.latency_ms)))
        if drop > 0:
            fallen.append(
                (drop, f"{curve.network} {curve.runner} {curve.dtype} on {curve.device.name}", BATCHES[batch])
            )
    print(f"{len(fallen)} of {len(found)} curves over {len(BATCHES)} batches fall")
    for drop, what, batch in sorted(fallen, reverse=True)[:10]:
        print(f"    by {drop:.1%} after batch {batch}: {what}")


def slower(found: Sequence[Curve], than: str) -> None:
    """Where what should be faster is predicted slower."""
    inference = [curve for curve in found if curve.mode == "inference"]
    slow = {(c.dtype, c.network, c.device.name): c for c in inference if c.runner == than}
    ratios = defaultdict[tuple[str, str], list[tuple[float, str]]](list)
    for curve in inference:
        before = slow.get((curve.dtype, curve.network, curve.device.name))
        if before is None or curve.runner in ("eager", than):
            continue
        for batch in COMPARED:
            place = BATCHES.index(batch)
            what = f"{curve.network} {curve.dtype} batch {batch} on {curve.device.name}"
            ratio = curve.latency_ms[place] / before.latency_ms[place]
            ratios[curve.runner, curve.device.kind].append((ratio, what))
    print(f"\npredicted slower than {than}, at batch 1 and 64")
    for (runner, kind), own in sorted(ratios.items()):
        worse = [item for item in own if item[0] > 1]
        if worse:
            middle, (most, where) = median(ratio for ratio, _ in worse), max(worse)
            print(f"{runner:12s} {kind:16s} {len(worse):4d} of {len(own):4d}, median {middle:.2f}, {most:.2f} {where}")


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--devices", nargs="+", default=oracle.list_devices())
    found = list(curves([oracle.load_device(name) for name in parser.parse_args().devices]))
    falls(found)
    slower(found, "eager")
    slower(found, "compiled")


if __name__ == "__main__":
    main()
