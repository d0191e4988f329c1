"""Rebuild the shipped calibrations from a folder of public measurements.

    python -m tests.benchmarks.calibrate DATA --cache CACHE [--out configs/calibrations]

DATA holds timm_inference.csv, timm_training.csv, kernels/*.csv, nasbench201_latency_ms.csv and fbnet_latency_ms.csv.
The interpreter needs torch, torchvision and timm of one build; CACHE keeps traces between runs. The files written
hold fitted values with source and licence, and none of the measurements.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oracle import tiling
from oracle._frozen import Frozen
from oracle._versions import today
from oracle.calibration import (
    Calibration,
    Carried,
    Origin,
    Prior,
    RoofTimes,
    conformal,
    fit,
    load_calibration,
    predict,
    prior_from,
    save_calibration,
)
from oracle.calibration.classes import CONTRACTIONS
from oracle.calibration.domain import ANYWHERE, Domain
from oracle.calibration.model import refitted, vector_of
from oracle.calibration.prior import limited_classes, usual_dispatch
from oracle.calibration.shipped import file_name, within_power
from oracle.calibration.validation import cross_predict
from oracle.devices import load_device
from oracle.query.running import dispatch_s
from oracle.roofline import Efficiency
from oracle.spec import RUNTIMES, Workload
from tests.benchmarks._networks import (
    HELP,
    NEUSIGHT,
    Group,
    jetson_groups,
    kernel_groups,
    space_groups,
    timm_groups,
    widened,
)
from tests.benchmarks._transfer import carried_over, shared

ROOT = Path(__file__).resolve().parents[2]
# Ten times as slow as NAS-Bench-201 on the same processor, in no order that its networks explain.
UNUSABLE = {"fbnet": ("gold_6226",)}
SOURCES = ("timm", "training", "jetson", "kernels", "spaces")
IMPOSSIBLE = 0.4  # of the roofline
# Measured over predicted, in 80 % of cases, of a consumer GPU by what another teaches: the prior of rtx-3090 and rtx-4090.
DEVICES_DIFFER = (0.853, 1.262)
FEWEST_CARRIED = 100  # networks measured on both devices
PER_SPACE = 160  # architectures of each design space: more do not change a fit of forty parameters


# What tests.benchmarks.products prints, all GPUs at once: device -> shares of peak and bandwidth of products in bfloat16,
# of attention, and of that over a cache, whose launches are taken to be as long. Launches are in seconds at the clock of an H100, and last as many cycles at any other.
GPU_KERNELS = "products and attention of {0} by ai-dynamo/aiconfigurator; other kernels as on rtx-3090 and rtx-4090"
ENGINE_KERNELS = (
    "products and attention of {0} by ai-dynamo/aiconfigurator; other kernels as torch.compile makes them on rtx-4090, "
    "launched as one graph; no network was measured"
)
CONSUMERS = (
    "kernels as torch.compile makes them on rtx-4090 (huggingface/pytorch-image-models), products and attention in the "
    "tiles of a100-sxm-80gb, h100-sxm, l40s, launched as one graph; nothing was measured under an engine"
)
JETSONS = "mean of jetson-nano (NVIDIA-AI-IOT/torch2trt) and of consumer GPUs under an engine, in their tiles"
PRODUCTS = {
    "float16": {"a100-sxm-80gb": (0.936, 0.790), "h100-sxm": (0.954, 0.934), "l40s": (0.748, 0.859)},
    "float8": {"h100-sxm": (0.765, 0.873), "l40s": (0.567, 0.814)},
}
ATTENTION = {"h100-sxm": (0.595, 0.470), "l40s": (0.574, 0.637)}
PREFILL = {"a100-sxm-80gb": (0.611, 0.965), "h100-sxm": (0.694, 0.511), "l40s": (0.528, 1.0)}
DECODE = {"a100-sxm-80gb": (1.0, 0.806), "h100-sxm": (0.401, 1.0), "l40s": (0.767, 0.864)}
# Whether keys of heads alone are split, and whether heads of a group are packed.
HABITS = {"a100-sxm-80gb": (False, False), "l40s": (False, True)}
SAME_CHIP = {"a100-sxm-40gb": "a100-sxm-80gb", "h200": "h100-sxm"}  # with other memory, and as much power
PRODUCT_LAUNCH_S, ATTENTION_LAUNCH_S = 2.43e-6, 7.456e-6


def main() -> None:
    """Fit and write everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "configs" / "calibrations")
    parser.add_argument("--only", nargs="+", choices=SOURCES, default=SOURCES, help="sources to fit (default: all)")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    groups = [group for source in asked.only for group in groups_of(source, asked.data, asked.cache)]
    fitted = [(group, calibrated(possible(group))) for group in groups if len(group.names)]
    fitted = [(group, carried(group, calibration, groups)) for group, calibration in fitted]
    for group, calibration in fitted:
        write(calibration, group.device.name, group.workload, asked.out)
    for kind, workload in sorted({(group.device.kind, _workload(group)) for group, _ in fitted}, key=repr):
        kin = [item for item in fitted if item[0].device.kind == kind and _workload(item[0]) == workload]
        write(kind_prior(kind, workload, kin), kind, workload, asked.out)
    if "timm" in asked.only:
        for runtime in RUNTIMES:
            write_datacenter(asked.data, runtime, asked.out)
        write_consumers(asked.out)
    if "jetson" in asked.only:
        write_jetsons(asked.data, asked.out)


def groups_of(source: str, data: Path, cache: Path) -> Iterator[Group]:
    """What one of `SOURCES` measured."""
    if source in ("timm", "training"):
        yield from timm_groups(data, cache, "timm_inference.csv" if source == "timm" else "timm_training.csv")
    elif source == "jetson":
        eager, _ = jetson_groups(data)  # for TensorRT see `write_jetsons`
        yield eager
    elif source == "kernels":
        yield from merged((group for _, group in kernel_groups(data)), NEUSIGHT)
    else:
        columns = (
            group
            for space in ("nasbench201", "fbnet")
            for column, group in space_groups(data, space, PER_SPACE)
            if column not in UNUSABLE.get(space, ())
        )
        yield from merged(columns, HELP.format("nasbench201 and fbnet"))


def write_datacenter(data: Path, runtime: str, out: Path) -> None:
    """Data-centre GPUs in half precision and less: products and attention as measured there, all else as consumer cards.

    Engines run the kernels that compilers make, and launch them all at once.
    """
    runner = "compiled" if runtime == "engine" else runtime
    kin = load_calibration(out / f"{file_name('consumer-gpu', Workload(dtype='float16', runtime=runner))}.yaml")
    base = replace(kin.efficiency, dispatch_s=usual_dispatch("datacenter-gpu", runtime))
    words = ENGINE_KERNELS if runtime == "engine" else GPU_KERNELS
    for dtype in ("float16", "float8") if runtime == "engine" else ("float16",):
        products, workload = PRODUCTS[dtype], Workload(dtype=dtype, runtime=runtime)
        twins = [name for name, chip in SAME_CHIP.items() if chip in products]
        for name in (*products, *twins, "datacenter-gpu"):
            chip = SAME_CHIP.get(name, name)
            own = [chip] if chip in products else list(products)
            source = words.format(", ".join(own) + (", the same chip," if name in SAME_CHIP else ""))
            narrowed = replace(base, compute=_in_bytes(base.compute)) if dtype == "float8" else base
            found = Calibration(name, runtime, "inference", dtype, "nchw", _tiled(narrowed, name, own, products))
            found = replace(found, domain=kin.domain, protocol="kernels alone")
            found = replace(found, origin=Origin(source, "Apache-2.0", today()))
            if chip in products:
                found = replace(found, measurements=_measured_kernels(data, chip, dtype))
            write(found, name, workload, out)


def write_consumers(out: Path) -> None:
    """Consumer GPUs under an engine: what a compiler reaches on them, cut to tiles, launched all at once.

    Classes are those that were fitted to networks under torch.compile on an RTX 4090, the only one measured so; tiles,
    attention over a cache and the last-level cache are those of data-centre GPUs. Operands of a byte reach the share
    of what halves reach that products do on an H100 and an L40S.
    """
    for name in ("rtx-4090", "consumer-gpu"):
        kin = load_calibration(out / f"{file_name(name, Workload(dtype='float16', runtime='compiled'))}.yaml")
        for dtype in ("float16", "float8"):
            workload = Workload(dtype=dtype, runtime="engine")
            found = Calibration(name, "engine", "inference", dtype, "nchw", _in_tiles(kin.efficiency, dtype))
            found = replace(found, measurements=kin.measurements, protocol="torch.compile", domain=kin.domain)
            write(replace(found, origin=Origin(CONSUMERS, "Apache-2.0", today())), name, workload, out)


def _in_tiles(base: Efficiency, dtype: str) -> Efficiency:
    """What a GPU reaches under an engine, given what it reached under a compiler in half precision."""
    compute = widened(base.compute)
    compute = _in_bytes(compute) if dtype == "float8" else compute
    attention = compute["attention"], base.memory["attention"]
    decode = float(np.mean([shares[1] for shares in DECODE.values()]))
    return replace(
        base,
        compute=compute,
        dispatch_s=0.0,
        tiling=tiling.HIDING_PRODUCTS,
        attention_tiling=tiling.ENCODER,
        cached_attention=tiling.CachedAttention(tiling.PREFILL, tiling.DECODE, attention, (attention[0], decode)),
        cache=tiling.CACHE,
    )


def _in_bytes(compute: Mapping[str, float]) -> Mapping[str, float]:
    """Shares of the peak with operands of a byte, given those in half precision.

    Contractions on the matrix unit reach what products do, on GPUs that were measured in both.
    """
    half, byte = PRODUCTS["float16"], PRODUCTS["float8"]
    narrower = float(np.mean([byte[name][0] / half[name][0] for name in byte]))
    matrix = {name: compute[name] * narrower for name in CONTRACTIONS if name != "depthwise"}
    return Frozen({**compute, **matrix})


def write_jetsons(data: Path, out: Path) -> None:
    """Jetsons under an engine, in the tiles of consumer GPUs: a Jetson Nano, and the mean of it and of what those teach.

    The error of the mean is that of the Nano, of which nothing but the sheet is taken for it.
    """
    workload = Workload(dtype="float16", runtime="engine")
    kin = load_calibration(out / f"{file_name('consumer-gpu', workload)}.yaml")
    *_, nano = jetson_groups(data, kin.efficiency)
    own = calibrated(nano)
    write(own, nano.device.name, workload, out)
    both = np.mean([vector_of(efficiency) for efficiency in (own.efficiency, kin.efficiency)], axis=0)
    found = Calibration("embedded-gpu", "engine", "inference", "float16", "nchw", refitted(kin.efficiency, both))
    error = float(np.abs(predict(kin, nano.networks) / nano.seconds - 1).mean())
    found = replace(found, error=error, protocol="leave-device-out, jetson-nano")
    spans = [
        _span(kin.domain.ranges[name], nano.domain.ranges[name]) for name in ("batch_size", "image_size", "pixels")
    ]
    found = replace(found, domain=Domain(*spans))
    write(
        replace(found, origin=Origin(JETSONS, f"{nano.licence} and Apache-2.0", today())),
        "embedded-gpu",
        workload,
        out,
    )


def _span(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """The smallest range that holds two."""
    return min(first[0], second[0]), max(first[1], second[1])


def _tiled(base: Efficiency, name: str, own: Sequence[str], products: Mapping[str, tuple[float, float]]) -> Efficiency:
    """The shares of a device, or of its kind, as the GPUs `own` teach them; everything else as `base` has it."""
    chip = SAME_CHIP.get(name, name)
    clock = load_device(name).clock if chip in products else None
    attention = [at for at in own if at in ATTENTION] or list(ATTENTION)
    reach = [
        np.mean([table[at] for at in at_hand], axis=0)
        for table, at_hand in ((products, own), (ATTENTION, attention), (PREFILL, own), (DECODE, own))
    ]
    return with_tiles(
        base,
        products=reach[0],
        attention=reach[1],
        cached=(tuple(map(float, reach[2])), tuple(map(float, reach[3])), *HABITS.get(chip, (True, True))),
        sustained=float(np.mean([PRODUCTS["float16"][at][0] for at in own])),
        clock_hz=clock.value if clock else tiling.CLOCK_HZ,
    )


def with_tiles(
    base: Efficiency,
    products: Sequence[float],
    attention: Sequence[float],
    cached: tuple[Any, Any, bool, bool],
    sustained: float,
    clock_hz: float = tiling.CLOCK_HZ,
) -> Efficiency:
    """Shares whose products and attention are cut into tiles.

    Args:
        base: of everything else.
        products, attention: shares of the peak and of the bandwidth.
        cached: the same of attention over a cache, of many queries and of one, and what libraries do in it.
        sustained: the share of the peak that products reach in half precision, and so the most that convolutions do:
            an L40S ends at 0.75, by its power.
        clock_hz: of the device; that of an H100 for a kind.
    """
    reach = {"matmul": products, "attention": attention}
    compute, memory = ({name: float(own[place]) for name, own in reach.items()} for place in (0, 1))
    others = {
        name: min(share, sustained) if name in CONTRACTIONS else share for name, share in widened(base.compute).items()
    }
    slower = tiling.CLOCK_HZ / clock_hz
    launches = {"matmul": PRODUCT_LAUNCH_S * slower, "attention": ATTENTION_LAUNCH_S * slower}
    return replace(
        base,
        compute=Frozen({**others, **compute}),
        memory=Frozen({**base.memory, **memory}),
        weights=Frozen({**base.weights, **memory}),  # of products they are operands like any other
        launches=Frozen({**base.launches, **launches}),
        tiling=tiling.PRODUCTS,
        attention_tiling=tiling.ENCODER,
        cached_attention=tiling.CachedAttention(tiling.PREFILL, tiling.DECODE, *cached),
        cache=tiling.CACHE,
        floor_s=0.0,  # tiles and launches say what small products take
    )


def _measured_kernels(data: Path, device: str, dtype: str) -> int:
    """How many products in a dtype and attentions of an encoder there are of a device."""
    count, half = 0, "bfloat16"  # what is measured in it is float16's
    wanted = {"gemm": half if dtype == "float16" else dtype, "attention_encoder": half}
    for name, kept in wanted.items():
        with (data / "gpu_kernels" / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            count += sum(row["device"] == device and row["dtype"] == kept for row in csv.DictReader(stream))
    return count


def possible(group: Group) -> Group:
    """A group without what is far faster than the roofline: it was folded away, or is not the network we have.

    A boost clock above the sheet's explains a tenth, Winograd's convolutions a factor of 2.25; such rows stay,
    though no prediction will follow them below the roofline.
    """
    kept = [i for i, network in enumerate(group.networks) if group.seconds[i] >= IMPOSSIBLE * network.roofline_s]
    if len(kept) < len(group.names):
        left = sorted({group.names[i] for i in range(len(group.names)) if i not in set(kept)})
        print(f"{group.device.name}: {len(group.names) - len(kept)} impossibly fast: {', '.join(left[:6])[:150]}")
    return group.part(kept)


def calibrated(group: Group) -> Calibration:
    """A group fitted, families left out whole where it has several; the host of kernels that ran alone is not in them."""
    host_s, alone = dispatch_s(group.device, group.workload), not group.images
    found = fit(
        group.device.name,
        group.networks,
        group.seconds,
        group.prior(0.0 if alone else host_s),
        group.workload,
        families=group.families,
        origin=Origin(group.source, group.licence, today()),
        domain=group.domain,
    )
    if not alone and len(set(group.spaces)) > 1:
        found = replace(found, interval=in_each_space(group, group.prior(host_s)))
    return replace(found, efficiency=replace(found.efficiency, dispatch_s=host_s)) if alone else found


def in_each_space(group: Group, prior: Prior) -> tuple[float, float] | None:
    """The interval of measured over predicted that holds so many of each space: a network is of one of them.

    Not of kernels that ran alone, whose spaces are operators: a network is a sum of all of them (`validate.sums`).

    One over both spaces is too narrow for the one that is predicted worse: on a Raspberry Pi 4 the latency that 80 % of
    NAS-Bench-201 should stay below held 69 %.
    """
    numbers = [str(number) for number in range(len(group.names))]
    ratios = group.seconds / cross_predict(group.networks, group.seconds, prior, numbers)
    spaces = np.array(group.spaces)
    ends = [conformal(ratios[spaces == space]) for space in sorted(set(group.spaces))]
    known = [bounds for bounds in ends if bounds is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def carried(here: Group, calibration: Calibration, groups: Sequence[Group]) -> Calibration:
    """With the error of networks that another device of the same kind and workload measured, carried over."""
    found = {}
    for there in groups:
        alike = _workload(there) == _workload(here) and there.device.kind == here.device.kind
        # Design spaces were measured with several batch sizes under one name.
        single = all(len(set(group.names)) == len(group.names) for group in (here, there))
        pairs = shared(here, there) if alike and single and there.device.name != here.device.name else []
        if len(pairs) < FEWEST_CARRIED:
            continue
        seconds = carried_over(here, there, pairs)
        ratio = here.seconds[[index for index, _ in pairs]] / seconds
        found[there.device.name] = Carried(float(np.abs(1 / ratio - 1).mean()), conformal(ratio), len(pairs))
    return replace(calibration, carried=found)


def kind_prior(kind: str, workload: Workload, kin: Sequence[tuple[Group, Calibration]]) -> Calibration:
    """What devices of a kind teach, with the error it shows on each of them when learnt from the others.

    Each device is launched by its own host, and kernels that were timed alone by none. The interval is one that would
    have held most networks of each device that was left out: devices differ from one another as a whole, and there are
    too few of them to be told a share of.
    """
    names = ", ".join(group.device.name for group, _ in kin)
    prior = taught(kin, kind, workload)
    usual = replace(prior.efficiency, dispatch_s=usual_dispatch(kind, workload.runtime))
    origin = Origin(f"mean of {names} and general knowledge", " and ".join(sorted({g.licence for g, _ in kin})))
    found = Calibration(kind, workload.runtime, workload.mode, workload.dtype, workload.layout, usual)
    found = replace(found, origin=replace(origin, date=today()), domain=_joined([group for group, _ in kin]))
    if len(kin) < 2:
        return replace(found, interval=_elsewhere(kin[0][1].interval)) if kind == "consumer-gpu" else found
    ratios = []
    for group, _ in kin:
        others = [item for item in kin if item[0].device.name != group.device.name]
        host_s = dispatch_s(group.device, workload) if group.images else 0.0
        guess = replace(taught(others, kind, workload).efficiency, dispatch_s=host_s)
        guess = within_power(guess, group.device, workload.dtype)
        ratios.append(group.seconds / predict(replace(found, efficiency=guess), group.networks))
    error = float(np.mean([np.abs(1 / ratio - 1).mean() for ratio in ratios]))
    ends = [bounds for bounds in map(conformal, ratios) if bounds is not None]
    held = (min(1.0, *(low for low, _ in ends)), max(1.0, *(high for _, high in ends))) if ends else None
    return replace(found, error=error, protocol="leave-device-out", interval=held)


def taught(kin: Sequence[tuple[Group, Calibration]], kind: str, workload: Workload) -> Prior:
    """The prior that devices make; a share that a device's power decides is no other's."""
    names = ", ".join(group.device.name for group, _ in kin)
    limited = [limited_classes(group.device, workload.dtype) for group, _ in kin]
    return prior_from([calibration.efficiency for _, calibration in kin], names, kind, workload.runtime, limited)


def _elsewhere(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """The interval of one device, for another of its kind: logarithms of both spreads add up as independent ones do."""
    if interval is None:
        return None
    low, high = (
        float(np.hypot(np.log(own), np.log(other))) for own, other in zip(interval, DEVICES_DIFFER, strict=True)
    )
    return float(np.exp(-low)), float(np.exp(high))


def _joined(groups: Sequence[Group]) -> Domain:
    """What was measured of some devices together; anywhere where one has no limits."""
    if not all(group.images for group in groups):
        return ANYWHERE
    return Domain.of(
        [batch for group in groups for batch in group.batches], [i for group in groups for i in group.images]
    )


def merged(groups: Iterable[Group], source: str) -> Iterable[Group]:
    """Groups of one device and runtime as one."""
    by_key: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        by_key.setdefault((group.device.name, group.workload.runtime), []).append(group)
    for parts in by_key.values():
        networks: list[RoofTimes] = [network for part in parts for network in part.networks]
        yield parts[0]._replace(
            workload=_workload(parts[0]),
            source=source,
            names=[name for part in parts for name in part.names],
            families=[""] * sum(len(part.names) for part in parts),  # two spaces are too few to leave one out
            batches=[batch for part in parts for batch in part.batches],
            networks=networks,
            seconds=np.concatenate([part.seconds for part in parts]),
            images=[image for part in parts for image in part.images],
            spaces=[space for part in parts for space in part.families],
        )


def write(calibration: Calibration, name: str, workload: Workload, out: Path) -> None:
    """Save, and say what was saved."""
    save_calibration(calibration, out / f"{file_name(name, workload)}.yaml")
    error = "unknown" if calibration.error is None else f"{calibration.error:.1%}"
    print(f"{file_name(name, workload):50s} {calibration.measurements:5d} measurements, error {error}", flush=True)


def _workload(group: Group) -> Workload:
    return group.workload.with_(batch_size=1)


if __name__ == "__main__":
    main()
