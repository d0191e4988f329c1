"""Print how far predictions are from public measurements, target by target, each with its protocol.

    python -m tests.benchmarks.validate DATA --cache CACHE
    python -m tests.benchmarks.validate OUT                  # what gpu_truth.py measured

The arguments are those of calibrate.py, which says what they hold. Nothing is read from the shipped calibrations:
everything is fitted here, without what it is then checked on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oracle._resources import shipped
from oracle.calibration import GENERAL, Prior, conformal, general_prior, load_calibration, predict, prior_from
from oracle.calibration.domain import beyond
from oracle.calibration.fitting import fit_vector, settled_vector
from oracle.calibration.model import NAMES, Stack, efficiency_of, vector_of
from oracle.calibration.prior import PRODUCTS, limited_classes
from oracle.calibration.shipped import within_power
from oracle.calibration.validation import cross_predict, folds_of
from oracle.devices import Device, load_device
from oracle.devices.hosts import dispatch_of, named_host
from oracle.query.running import dispatch_s
from oracle.roofline import Efficiency
from oracle.spec import Workload
from oracle.tiling import ENCODER, HIDING_PRODUCTS
from tests.benchmarks._networks import (
    KERNELS,
    Group,
    in_tiles,
    jetson_groups,
    kernel_groups,
    space_groups,
    timm_groups,
    truth_device,
    truth_kernels,
    truth_networks,
)
from tests.benchmarks._transfer import carried_over, shared
from tests.benchmarks.calibrate import merged

Floats = np.ndarray[Any, np.dtype[np.float64]]

DRAWS = 20
FEW = 10
FOLDS = 5


def main() -> None:
    """Every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path)
    asked = parser.parse_args()
    if (asked.data / "machine.json").exists():
        truth(asked.data)
        return
    if asked.cache is None:
        parser.error("--cache is needed for these data")
    inference = {_key(group): group for group in timm_groups(asked.data, asked.cache)}
    training = {_key(group): group for group in timm_groups(asked.data, asked.cache, "timm_training.csv")}
    families(inference, "leave-family-out, 10 folds", {"rtx": (0.08, 0.94), "i9": (0.12, 0.90)})
    tiles(inference, asked.data, asked.cache)
    families(training, "training steps, leave-family-out, 10 folds", {"rtx": (0.12, 0.92)})
    few(inference)
    elsewhere(inference)
    intervals(inference)
    noise(inference)
    jetson(asked.data)
    hosts(asked.data)
    spaces(asked.data)
    outside(inference, asked.data)
    kernels(asked.data)
    sums(asked.data)


def families(groups: dict[str, Group], title: str, targets: dict[str, tuple[float, float]]) -> None:
    """Whole families left out, and the families that are worst."""
    print(f"\n== {title}")
    for name, group in groups.items():
        predicted = cross_predict(group.networks, group.seconds, _general(group), group.families)
        error, order = next(target for start, target in targets.items() if name.startswith(start))
        line(name, group, predicted, f"target {error:.0%}, tau {order}")
        worst = _by(group.families, np.abs(predicted / group.seconds - 1))
        print("    worst families: " + ", ".join(f"{family} {value:.0%}" for family, value in worst[:8]))


def tiles(groups: dict[str, Group], data: Path, cache: Path) -> None:
    """The same of GPUs, with products in the tiles of data-centre GPUs, at the shares that fit without."""
    print("\n== leave-family-out, 10 folds, products and attention in tiles")
    way = Efficiency(tiling=HIDING_PRODUCTS, attention_tiling=ENCODER)

    def cut(device: Device, workload: Workload) -> Efficiency:
        group = groups[f"{device.name}.{workload.runtime}.{workload.dtype}.{workload.layout}"]
        return in_tiles(efficiency_of(fit_vector(group.networks, group.seconds, _general(group))), way)

    for group in timm_groups(data, cache, cut=cut):
        if not group.device.kind.endswith("-cpu"):
            prior = _general(group._replace(cut=way))
            line(_key(group), group, cross_predict(group.networks, group.seconds, prior, group.families), "in tiles")


def few(groups: dict[str, Group]) -> None:
    """Ten random networks; the prior is what the other devices of the kind teach."""
    print(f"\n== {FEW} random measured networks, median of {DRAWS} draws; prior without the device itself")
    for name, group in groups.items():
        errors = []
        prior = _prior_without(groups, group)
        for seed in range(DRAWS):
            known = np.random.default_rng(seed).choice(len(group.names), FEW, replace=False)
            rest = np.setdiff1d(np.arange(len(group.names)), known)
            predicted = _fitted(group, known, prior)(rest)
            errors.append(float(np.abs(predicted / group.seconds[rest] - 1).mean()))
        print(f"{name:45s} MAPE {np.median(errors):.1%}, worst {max(errors):.1%}  (target 10 % GPU, 14 % CPU)")


def elsewhere(groups: dict[str, Group]) -> None:
    """No measurement of the device; and each network's measurement on another device."""
    print("\n== sheet only: no measurement of the device, shares of the other devices of its kind")
    for name, group in groups.items():
        prior = _prior_without(groups, group)
        if prior.source != GENERAL.source:
            line(
                name,
                group,
                Stack(group.networks).seconds(prior.mean),
                f"target 13 % eager, 12 % compiled; {prior.source}",
            )
    print(
        "\n== transfer: a network's measurement on one device, carried to the other; both calibrated, leave-family-out"
    )
    eager = [group for name, group in groups.items() if name.endswith("eager.float16.nchw")]
    for here in eager:
        for there in (other for other in eager if other.device.name != here.device.name):
            pairs = shared(here, there)
            both = here.part([index for index, _ in pairs])
            name = f"{there.device.name} -> {here.device.name}"
            line(name, both, carried_over(here, there, pairs), "target 6 %, tau 0.96")


def intervals(groups: dict[str, Group]) -> None:
    """Coverage of the 80 % interval on families that neither the fit nor the interval saw."""
    print("\n== coverage of the 80 % interval: of half of the families, from the residuals of the other half")
    for name, group in groups.items():
        predicted = cross_predict(group.networks, group.seconds, _general(group), group.families)
        ratio = group.seconds / predicted
        fold = np.array(folds_of(group.families, 2))
        inside = []
        for half in (0, 1):
            bounds = conformal(ratio[fold != half])
            if bounds:
                inside += [bounds[0] <= value <= bounds[1] for value in ratio[fold == half]]
        print(f"{name:45s} {np.mean(inside):.1%} of {len(inside)}")


def noise(groups: dict[str, Group]) -> None:
    """The order of networks when the measurements were off by 1 %."""
    print("\n== order of predictions, measurements changed by a random 1 %: tau with the order before")
    for name, group in groups.items():
        before = _fitted(group, np.arange(len(group.names)), GENERAL)(None)
        jitter = np.exp(np.random.default_rng(0).normal(0, 0.01, len(group.names)))
        after = _fitted(group._replace(seconds=group.seconds * jitter), np.arange(len(group.names)), GENERAL)(None)
        print(f"{name:45s} tau {kendall(before, after):.4f}")


def jetson(data: Path) -> None:
    """Batch 1 on a small board: one network left out, then whole families."""
    print("\n== Jetson Nano, batch 1, float16: one network left out | whole families left out")
    kin = load_calibration(shipped("calibrations")["consumer-gpu.engine.inference.float16.nchw"])
    for group in jetson_groups(data, kin.efficiency):
        for name, groups in (("one", group.names), ("families", group.families)):
            predicted = _left_out(group, groups)
            line(f"{_key(group)}, {name} left out", group, predicted, "target 20 %, tau 0.9")
    line(f"{_key(group)}, sheet only", group, predict(kin, group.networks), "by what an RTX 4090 reaches")


def _left_out(group: Group, names: Sequence[str]) -> Floats:
    """Seconds of every network by a fit that saw none of its name."""
    predicted = np.empty(len(group.names))
    for name in dict.fromkeys(names):
        out = [index for index, own in enumerate(names) if own == name]
        kept = [index for index, own in enumerate(names) if own != name]
        predicted[out] = _fitted(group, kept, _general(group))(out)
    return predicted


# What each host launches, and its place in the data: the Jetson's DenseNets, and two spaces at batch 1.
_HOSTED = {
    "jetson-nano-cpu": "jetson-nano",
    "gold-6226 (RTX 2080 Ti)": "2080ti_1",
    "gold-6226 (GTX 1080 Ti)": "1080ti_1",
}


def hosts(data: Path) -> None:
    """What hosts take to launch an operator, each from the other two: by clock and width, by clock, and by neither."""
    print("\n== hosts: seconds per operator of networks that wait for nothing else, each from the other two")
    (eager, *_) = jetson_groups(data)
    dense = eager.part([place for place, name in enumerate(eager.names) if name.startswith("densenet1")][:2])
    found: dict[str, list[Floats]] = {"jetson-nano": [_per_kernel(dense)]}
    for space in ("nasbench201", "fbnet"):
        for column, group in space_groups(data, space, 40):
            found.setdefault(column, []).append(_per_kernel(group))
    own = {name: float(np.mean([np.median(part) for part in found[place]])) for name, place in _HOSTED.items()}
    for title, work in {
        "clock and width": lambda name: 1 / dispatch_of(named_host(name.split()[0]), "eager"),
        "clock": lambda name: _clock_of(named_host(name.split()[0])),
        "neither": lambda _: 1.0,
    }.items():
        slots = {name: seconds * work(name) for name, seconds in own.items()}
        errors = {
            name: np.exp(np.mean([np.log(value) for other, value in slots.items() if other != name])) / slots[name] - 1
            for name in own
        }
        shown = ", ".join(f"{name} {own[name] * 1e6:.0f} us {error:+.0%}" for name, error in errors.items())
        print(f"{title:16s} {shown}; mean {np.mean(np.abs(list(errors.values()))):.0%}", flush=True)


def _clock_of(host: Device) -> float:
    fastest = host.cores[0]
    return (fastest.boost or fastest.clock).value


def _per_kernel(group: Group) -> Floats:
    return group.seconds / np.array([network.count.sum() for network in group.networks])


def spaces(data: Path, limit: int = 160, trim: float = 0.1) -> None:
    """Ten architectures of a design space; the prior is what the other devices of the kind teach."""
    print(f"\n== design spaces, {FEW} measured of {limit}: mean of {DRAWS} draws; prior without the device itself")
    print(f"   MAPE without the {trim:.0%} fastest and slowest, as HELP reports it")
    columns = [(space, *item) for space in ("nasbench201", "fbnet") for item in space_groups(data, space, limit)]
    vectors = [fit_vector(group.networks, group.seconds, _general(group)) for _, _, group in columns]
    for space, column, group in columns:
        pairs = zip(columns, vectors, strict=True)
        kin = [efficiency_of(vector) for (_, _, other), vector in pairs if _is_kin(other, group)]
        prior = prior_from(kin, "kin", group.device.kind) if kin else _general(group)
        orders, errors = [], []
        for seed in range(DRAWS):
            known = np.random.default_rng(seed).choice(limit, FEW, replace=False)
            rest = np.setdiff1d(np.arange(limit), known)
            predicted, seconds = _fitted(group, known, prior)(rest), group.seconds[rest]
            low, high = np.quantile(seconds, [trim, 1 - trim])
            kept = (seconds >= low) & (seconds <= high)
            orders.append(spearman(predicted, seconds))
            errors.append(float(np.abs(predicted / seconds - 1)[kept].mean()))
        tenths = cross_predict(group.networks, group.seconds, _general(group), [str(i % 10) for i in range(limit)])
        print(
            f"{space} {column:25s} rho {np.mean(orders):.3f}, MAPE {np.mean(errors):.1%}"
            f"; ten-fold on all {limit}: rho {spearman(tenths, group.seconds):.3f}",
            flush=True,
        )


def outside(groups: dict[str, Group], data: Path, limit: int = 120) -> None:
    """Calls larger, and smaller, than any that was fitted: batches of GPUs, images of the processor, pixels of the rest.

    Networks fitted to one batch size of both design spaces, or to the quarter of the fewest or the most pixels.
    """
    print("\n== outside of the domain: as predicted | shares that stay as they are | general knowledge | the bound")
    columns = [item for space in ("nasbench201", "fbnet") for item in space_groups(data, space, limit)]
    small = _united([group for column, group in columns if column == "raspi4"])
    _off("Raspberry Pi 4, 32 x 32 in TFLite, ImageNet's in ncnn", small, classifiers(data, small))
    for name in ("1080ti", "2080ti"):
        own = [(int(column.rpartition("_")[2]), group) for column, group in columns if column.startswith(name)]
        for batch in sorted({batch for batch, _ in own}):
            fitted = _united([group for other, group in own if other == batch])
            for sign, word in ((1, "more"), (-1, "fewer")):
                asked = [group for other, group in own if (other - batch) * sign > 0]
                if asked:
                    _off(f"{name}, fitted to batches of {batch}, {word}", fitted, _united(asked))
    for name, group in groups.items():
        pixels = np.array(group.batches) * np.array(group.images) ** 2
        few, many = np.quantile(pixels, (0.25, 0.75))
        ends = [group.part(np.flatnonzero(part).tolist()) for part in (pixels <= few, pixels >= many)]
        _off(f"{name}, the most pixels", *ends)
        _off(f"{name}, the fewest", *reversed(ends))


def classifiers(data: Path, like: Group) -> Group:
    """Networks for ImageNet as ncnn runs them on all four cores of a Raspberry Pi 4; needs torch."""
    from tests.benchmarks._ncnn_networks import INPUTS, NETWORKS
    from tests.benchmarks._ncnn_rows import kernels_of, read_rows

    detect = ("blazeface", "ssd", "yolo", "nanodet")
    names = [name for name in NETWORKS if not any(word in name for word in detect)]
    rows = read_rows(data / "edge_ncnn.csv", names, ["Raspberry Pi 4"])
    rows = [row for row in rows if (row.dtype, row.threads) == ("float32", 4)]
    return like._replace(
        names=[row.network for row in rows],
        batches=[1] * len(rows),
        networks=[kernels_of(row.network, "float32").at(like.device) for row in rows],
        seconds=np.array([row.seconds for row in rows]),
        images=[INPUTS.get(row.network, 224) for row in rows],
    )


def _united(groups: Sequence[Group]) -> Group:
    return next(iter(merged(groups, groups[0].source)))


def _off(name: str, fitted: Group, asked: Group) -> None:
    """One row of `outside`: errors of networks by what others were fitted to."""
    own = efficiency_of(settled_vector(fitted.networks, fitted.seconds, _general(fitted)))
    general = general_prior(fitted.device.kind, fitted.workload.runtime).efficiency
    octaves = [fitted.domain.octaves(*call) for call in zip(asked.batches, asked.images, strict=True)]
    bound = np.array([network.roofline_s for network in asked.networks])
    cells = []
    for reached in (lambda o: beyond(own, general, o), lambda _: own, lambda _: general, None):
        predicted = bound
        if reached is not None:
            pairs = zip(asked.networks, octaves, strict=True)
            seconds = [Stack([network]).seconds(vector_of(reached(o)))[0] for network, o in pairs]
            predicted = np.maximum(seconds, bound)
        cells.append(f"{np.abs(predicted / asked.seconds - 1).mean():6.1%}")
    print(f"{name:55s} n {len(bound):4d}, {np.mean(octaves):+.1f} octaves: {' | '.join(cells)}", flush=True)


def kernels(data: Path) -> None:
    """Single kernels: fitted on the GPU itself, and by the other GPUs' shares."""
    print("\n== single kernels, float32: five-fold on the GPU itself | leave-one-GPU-out")
    print("   targets: conv 25 %, linear and bmm 15 %, the rest 12 %")
    by_device: dict[str, list[tuple[str, Group]]] = {}
    for operator, group in kernel_groups(data):
        by_device.setdefault(group.device.name, []).append((operator, group))
    vectors = {}
    for name, own in by_device.items():
        networks = [network for _, group in own for network in group.networks]
        vectors[name] = fit_vector(networks, np.concatenate([group.seconds for _, group in own]), GENERAL)
    for place, operator in enumerate(KERNELS):
        cells = []
        for name, own in by_device.items():
            _, group = own[place]
            fold = [str(number % 5) for number in range(len(group.names))]
            inside = cross_predict(group.networks, group.seconds, GENERAL, fold)
            others = [other for other in vectors if other != name]
            limited = [limited_classes(load_device(other), "float32") for other in others]
            kin = prior_from([efficiency_of(vectors[other]) for other in others], "", limited=limited).efficiency
            outside = Stack(group.networks).seconds(vector_of(within_power(kin, group.device, "float32")))
            errors = [np.abs(predicted / group.seconds - 1).mean() for predicted in (inside, outside)]
            cells.append(f"{name} {errors[0]:.1%} | {errors[1]:.1%}")
        print(f"{operator:10s} " + "   ".join(cells), flush=True)


_LIKE = {"convolutional": ("conv", "add", "gelu"), "transformers": ("linear", "bmm", "softmax", "ln", "add", "gelu")}


def sums(data: Path, count: int = 30, draws: int = 4000) -> None:
    """What one interval for the kernels of all operators holds: of single ones left out, and of sums of many.

    No network was measured there; one is a sum of kernels, drawn at random or among a fifth of them, of like duration.
    """
    print(
        f"\n== single kernels, 80 % interval of all: of each operator | of sums of {count} | of those of like duration"
    )
    for group in merged((group for _, group in kernel_groups(data)), "kernels"):
        prior = general_prior(group.device.kind, group.workload.runtime, 0.0)
        predicted = cross_predict(group.networks, group.seconds, prior, [str(i) for i in range(len(group.names))])
        low, high = conformal(group.seconds / predicted) or (0.0, np.inf)
        operators, chance = np.array(group.spaces), np.random.default_rng(0)

        def held(rows: Any, predicted: Floats = predicted, group: Group = group, ends: Any = (low, high)) -> str:
            ratio = group.seconds[rows].sum(-1) / predicted[rows].sum(-1)
            return f"{np.mean((ratio >= ends[0]) & (ratio <= ends[1])):.0%}"

        singles = [f"{name} {held(np.flatnonzero(operators == name)[:, None])}" for name in KERNELS]
        cells = [f"{low:.3f} to {high:.3f}: " + ", ".join(singles)]
        for name, kinds in _LIKE.items():
            own = np.flatnonzero(np.isin(operators, kinds))
            ordered, fifth = own[np.argsort(predicted[own])], len(own) // 5
            first = chance.integers(0, len(own) - fifth + 1, (draws, 1))
            near = ordered[first + chance.integers(0, fifth, (draws, count))]
            cells.append(f"{name} {held(chance.choice(own, (draws, count)))} | {held(near)}")
        print(f"{group.device.name:12s} " + "   ".join(cells), flush=True)


def truth(folder: Path) -> None:
    """What gpu_truth.py measured: networks with families left out whole, and single kernels by five folds."""
    print(f"\n== {truth_device(folder).title}: networks, leave-family-out; bound: the textbook's roofline")
    for name, group in truth_networks(folder):
        bound = np.array([network.roofline_s for network in group.networks])
        line(f"{name} bound", group, bound, "nothing fitted")
        if len(set(group.families)) > 1:
            line(name, group, cross_predict(group.networks, group.seconds, _general(group), group.families), "fitted")
    print("\n== single kernels, five folds")
    for name, group in truth_kernels(folder):
        bound = np.array([network.roofline_s for network in group.networks])
        line(f"{name} bound", group, bound, "nothing fitted")
        if len(group.names) >= 2 * FOLDS:
            fold = [str(number % FOLDS) for number in range(len(group.names))]
            line(name, group, cross_predict(group.networks, group.seconds, _general(group), fold), "fitted")


def line(name: str, group: Group, predicted: Floats, note: str) -> None:
    """One row: errors, and the order by time per image."""
    error, batch = np.abs(predicted / group.seconds - 1), np.array(group.batches)
    order = kendall(predicted / batch, group.seconds / batch)
    beaten = sum(p < 0.999999 * network.roofline_s for p, network in zip(predicted, group.networks, strict=True))
    print(
        f"{name:45s} n {len(error):4d}  MAPE {error.mean():.1%}  median {np.median(error):.1%}"
        f"  p95 {np.quantile(error, 0.95):.0%}  tau {order:.3f}  below the roofline {beaten}  ({note})",
        flush=True,
    )


def kendall(a: Floats, b: Floats) -> float:
    """Kendall's tau-b; nan where all are equal."""
    left, right = np.sign(a[:, None] - a[None]), np.sign(b[:, None] - b[None])
    pairs = float(np.sqrt((left != 0).sum() * (right != 0).sum()))
    return float((left * right).sum()) / pairs if pairs else float("nan")


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's rho; equal values share their mean rank."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def _prior_without(groups: dict[str, Group], group: Group) -> Prior:
    """What other devices of the kind teach, run eagerly in the same layout (compilers choose NHWC), else in another.

    So do the shipped priors answer for a layout that was measured on no other device. Of what products move under a
    compiler, which adds no bias in a pass of its own, eager calls teach nothing.
    """
    kin = [
        other
        for other in groups.values()
        if other.device.kind == group.device.kind
        and other.device.name != group.device.name
        and other.workload.runtime == "eager"
    ]
    layout = "nhwc" if group.workload.runtime == "compiled" else group.workload.layout
    kin = [other for other in kin if other.workload.layout == layout] or kin
    if not kin:
        return _general(group)
    general = _general(group)
    vectors = [fit_vector(other.networks, other.seconds, _general(other)) for other in kin]
    if group.workload.runtime != "eager":
        streamed = [NAMES.index(f"memory.{name}") for name in PRODUCTS]
        for vector in vectors:
            vector[streamed] = general.mean[streamed]
    source = "from " + ", ".join(_key(other) for other in kin)
    prior = prior_from([efficiency_of(vector) for vector in vectors], source, group.device.kind, group.workload.runtime)
    return replace(prior, efficiency=replace(prior.efficiency, dispatch_s=general.efficiency.dispatch_s))


def _is_kin(other: Group, group: Group) -> bool:
    """Whether it is another device of the same kind, run the same way."""
    return (
        other.device.kind == group.device.kind
        and other.device.name != group.device.name
        and other.workload.runtime == group.workload.runtime
    )


def _general(group: Group) -> Prior:
    return group.prior(dispatch_s(group.device, group.workload))


def _fitted(group: Group, known: Any, prior: Prior) -> Callable[[Any], Floats]:
    vector = settled_vector([group.networks[index] for index in known], group.seconds[known], prior)
    return lambda rest: Stack(group.networks if rest is None else [group.networks[index] for index in rest]).seconds(
        vector
    )


def _by(names: Sequence[str], values: Floats) -> list[tuple[str, float]]:
    found: dict[str, list[float]] = {}
    for name, value in zip(names, values.tolist(), strict=True):
        found.setdefault(name, []).append(value)
    means = [(name, float(np.mean(own))) for name, own in found.items() if len(own) > 2]
    return sorted(means, key=lambda item: -item[1])


def _key(group: Group) -> str:
    workload = group.workload
    return f"{group.device.name}.{workload.runtime}.{workload.dtype}.{workload.layout}"


if __name__ == "__main__":
    main()
