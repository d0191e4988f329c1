"""What a GPU really takes: products, attention, convolutions and thirty networks, measured within a budget of time.

    python -m tests.benchmarks.gpu_truth OUT [--budget 600] [--name h100-sxm] [--device cuda] [--dtype float16]
    python -m tests.benchmarks.gpu_truth OUT --device cpu --quick          # a few of each, in seconds: a rehearsal

Ctrl-C keeps what is measured, and the same command goes on where it ended; so it does when the budget is spent. Kinds of
measurements take turns, so that a part of the time gives a part of each, and none starts that may not end in time. In
ten minutes all but some of what is compiled is to be had on a large GPU: compiling takes a processor seconds for every
network and batch size. OUT then holds

    machine.json                   machine, driver, clocks, power limit, versions, and what was asked for
    NAME.yaml                      the device, by `oracle probe`
    networks.csv                   eager, compiled and training at batches 1, 8 and 64
    graphs/networks.csv            inference replayed from CUDA graphs
    half/networks.csv              weights stored in half precision, no autocast
    gpu_kernels/gemm.csv           products, and beside it attention_*.csv and convolution.csv
    profiles.csv                   kernels of the networks by torch.profiler
    clocks.csv                     clocks, power and temperature every half minute, by nvidia-smi
    log.csv                        what was measured in how many seconds, and what was left out and why

which are read by

    oracle calibrate -d OUT/NAME.yaml --measurements OUT --runtime eager --mode inference -o my.yaml
    oracle validate -d OUT/NAME.yaml --measurements OUT --runtime eager --mode inference --calibration my.yaml
    python -m tests.benchmarks.validate OUT

Single kernels are medians of CUDA graphs that hold several calls back to back on the same tensors (`--cache cold`:
one call, after one that sweeps the L2), between events, so that no launch from the host is in them. Networks are timed as
`oracle measure` does.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import math
import random
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TextIO

import torch

import oracle
from oracle.devices import Device, list_devices
from oracle.errors import OracleError
from oracle.measure import (
    Measurement,
    device_yaml,
    measure,
    measure_kernels,
    probe,
    read_measurements,
    write_measurements,
)
from oracle.measure.graphs import captured
from oracle.measure.machine import gpu_facts
from oracle.measure.steps import first_line, free_bytes, tf32_allowed
from oracle.measure.stopwatch import CACHES, Place
from oracle.measure.timers import Step
from oracle.spec import Workload
from tests.benchmarks._machine import machine_facts
from tests.benchmarks._truth import Attention, Convolution, Product, attentions, convolutions, products

NETWORKS = (
    *("RegNetX-200MF", "RegNetX-400MF", "RegNetX-800MF", "RegNetX-1.6GF", "RegNetX-3.2GF", "RegNetX-8.0GF"),
    *("RegNetX-16GF", "RegNetY-200MF", "RegNetY-400MF", "RegNetY-800MF", "RegNetY-1.6GF", "RegNetY-4.0GF"),
    *("RegNetY-8.0GF", "ResNet-50", "ResNet-101", "ResNeXt-50-32x4d", "ResNeXt-101-32x4d", "EfficientNet-B0"),
    *("EfficientNet-B1", "EfficientNet-B2", "EfficientNet-B4", "FBNet-C", "FBNet-K5-E6", "OFA-D2-E3-K3"),
    *("OFA-D4-E6-K7", "ViT-S-16", "ViT-B-16", "ViT-L-16", "R-56", "NB201-ResNet"),
)
BATCHES = (8, 1, 64)  # in the order in which they are measured
_HALVES = ("float16", "bfloat16")
_KERNEL_S = 0.03  # of blocks, per kernel
_SLOW_S = 0.2  # a call that takes longer is timed once
_GRAPH_S = 5e-4  # that a graph of a small kernel's calls should take
_MOST_CALLS = 20
_WATCH_S = 30.0
_CALLS = 12  # that a measurement takes at least: the first, to warm up, to see how long it takes, and blocks
_SLOWNESS = 4.0  # networks take up to about so many times what the roofs allow, beside what does not grow with them
_SHARE = 0.8  # of the free memory that a kernel's tensors may take

Kernel = Product | Attention | Convolution


def tidy() -> None:
    """Give back what is no longer used: compiled networks, and memory after a failure."""
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


class OutOfTime(Exception):  # noqa: N818 - nothing is wrong
    """The budget is spent in the middle of a unit."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of work that is done whole or not at all.

    Attributes:
        key: what the log calls it; the same in every run.
        run: measures, and returns what to show; OracleError and RuntimeError say that it cannot be measured here.
        least_s: what its calls take at the roofs; 0 if not known.
    """

    key: str
    run: Callable[[], str]
    least_s: float = 0.0

    @property
    def calls_s(self) -> float:
        """What its calls may take."""
        return _SLOWNESS * self.least_s


@dataclass(slots=True)
class Stage:
    """Units of a kind, in the order they are done in.

    Attributes:
        name: for the log.
        weight: its share of the time, while others have units left.
        guess_s: what a unit may take beside its calls, before there was one.
        units: those left.
        spent_s: by the units done.
        beside_s: the most that one of them took beside its calls.
    """

    name: str
    weight: float
    guess_s: float
    units: list[Unit]
    spent_s: float = 0.0
    beside_s: float | None = None

    @property
    def turn(self) -> float:
        """The stage where it is least goes next."""
        return self.spent_s / self.weight

    def next_in(self, left_s: float) -> Unit | None:
        """The first unit that may end in so many seconds, as far as those before it tell."""
        beside_s = self.guess_s if self.beside_s is None else self.beside_s
        return next((unit for unit in self.units if beside_s + unit.calls_s <= left_s), None)

    def end(self, unit: Unit, seconds: float) -> None:
        """Count a unit as done."""
        self.units.remove(unit)
        self.spent_s += seconds
        self.beside_s = max(self.beside_s or 0.0, seconds - unit.calls_s)


class Log:
    """A table of units done; rows are written as soon as they are there.

    Args:
        path: of the CSV file, which an earlier run may have begun.
    """

    COLUMNS = ("stage", "key", "seconds", "left_out")

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done = {(row["stage"], row["key"]) for row in rows_of(path)}

    def add(self, stage: str, key: str, seconds: float, left_out: str = "") -> None:
        """A unit that was measured, or could not be."""
        self.done.add((stage, key))
        append(self._path, dict(zip(self.COLUMNS, (stage, key, f"{seconds:.3f}", left_out), strict=True)))


def rows_of(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none where there is no file."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def append(path: Path, *rows: dict[str, Any]) -> None:
    """Rows at the end of a CSV file, whole lines at once; with a header where it is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def work_through(
    stages: Sequence[Stage],
    log: Log,
    budget_s: float,
    say: Callable[[str], None],
    now: Callable[[], float] = time.perf_counter,
    start: float | None = None,
) -> int:
    """Do the units of stages by turns until all are done or the next of none fits the budget; returns how many are left.

    Args:
        stages: with all their units; those that the log knows are left out.
        budget_s: from the start on.
        say: told a line per unit.
        now: seconds.
        start: when the clock began to count; now if None.
    """
    start = now() if start is None else start
    for stage in stages:
        stage.units = [unit for unit in stage.units if (stage.name, unit.key) not in log.done]
    total = sum(len(stage.units) for stage in stages)
    for count in range(1, total + 1):
        begun, left_out = now(), ""
        fitting = [(stage, unit) for stage in stages if (unit := stage.next_in(budget_s - (begun - start)))]
        if not fitting:
            break
        stage, unit = min(fitting, key=lambda pair: pair[0].turn)
        try:
            shown = unit.run()
        except OutOfTime:
            break
        except (OracleError, RuntimeError, NotImplementedError) as error:
            shown = left_out = first_line(error)
            tidy()
        seconds = now() - begun
        stage.end(unit, seconds)
        log.add(stage.name, unit.key, seconds, left_out)
        say(f"[{count}/{total}] {now() - start:.0f} of {budget_s:.0f} s  {stage.name}  {unit.key}: {shown}")
    return sum(len(stage.units) for stage in stages)


def kernel_ms(step: Step, place: Place, capture: Callable[[Step, int], Step] | None) -> float:
    """Milliseconds per call, median over short blocks; of a slow kernel one call's.

    Args:
        step: the call.
        place: times it.
        capture: makes one call of several; None where there are no graphs.
    """
    first_s = place.seconds(step)
    if first_s > _SLOW_S:
        return first_s * 1e3
    calls = 1
    if capture is not None:
        if place.cache == "warm":
            calls = min(_MOST_CALLS, max(1, round(_GRAPH_S / max(first_s, 1e-9))))
        step = capture(step, calls)
    return median(place.samples(step, _KERNEL_S)) / calls * 1e3


@dataclass(frozen=True, slots=True)
class Bench:
    """Where things are measured, and where what is measured goes.

    Attributes:
        out: the folder.
        name: of the device in all tables.
        place: device, clock and cache.
        repeats: blocks per network.
        roofs: of the device, to tell what will take too long.
        deadline: of `time.perf_counter`, at which networks are broken off.
    """

    out: Path
    name: str
    place: Place
    repeats: int
    roofs: Device
    deadline: float = math.inf

    @property
    def on_cuda(self) -> bool:
        """Whether there are graphs and events."""
        return self.place.device.startswith("cuda")

    def kernel(self, kernel: Kernel) -> Unit:
        """A kernel to be measured."""

        def run() -> str:
            need, free = 4 * kernel.elements, free_bytes(self.place.device)
            if free is not None and need > _SHARE * free:
                raise OracleError(f"needs {need / 2**30:.3g} GiB, {free / 2**30:.3g} are free")
            milliseconds = self._kernel_ms(kernel)
            row = {"device": self.name, **kernel.row(), "latency_ms": f"{milliseconds:.6g}"}
            append(self.out / "gpu_kernels" / f"{kernel.table}.csv", row)
            return f"{milliseconds:.4g} ms, {kernel.flops / milliseconds * 1e-9:.3g} TFLOP/s"

        try:
            least_s = _CALLS * kernel.flops / self.roofs.peak_flops("matrix", kernel.dtype)
        except OracleError:  # such as a dtype that the probe found no product of
            least_s = 0.0
        return Unit(" ".join(map(str, (kernel.table, *kernel.row().values()))), run, least_s)

    def _kernel_ms(self, kernel: Kernel) -> float:
        with self.place.threaded(), tf32_allowed(kernel.dtype == "tf32"), torch.inference_mode():
            return kernel_ms(kernel.step(self.place.device), self.place, captured if self.on_cuda else None)

    def network(self, network: str, file: str, batch: int, words: dict[str, Any], graph: bool) -> Unit:
        """A network to be measured; one that is broken off counts where it has blocks enough."""
        path = self.out / file

        def tick(_done: int, _total: int) -> None:
            if time.perf_counter() > self.deadline:
                raise OutOfTime

        def run() -> str:
            kept: list[Measurement | None] = []
            try:
                found = measure(
                    network,
                    device=self.place.device,
                    name=self.name,
                    repeats=self.repeats,
                    block_s=0.02,
                    threads=self.place.threads,
                    clock=self.place.clock,
                    cache=self.place.cache,
                    graph=graph,
                    batch_size=batch,
                    progress=tick,
                    on_stop=kept.extend,
                    **words,
                )
            except OutOfTime:
                found = [item for item in kept if item is not None]
                if not found:
                    raise
            known: list[Measurement] = read_measurements(path) if path.exists() else []
            path.parent.mkdir(parents=True, exist_ok=True)
            write_measurements(path, [*known, *found])
            if words.get("runtime") == "compiled":
                tidy()
            return f"{found[0].latency_ms:.4g} ms"

        key = " ".join(map(str, (network, batch, *words.values())))
        return Unit(key, run, _CALLS * self._bound_s(network, batch, words))

    def _bound_s(self, network: str, batch: int, words: dict[str, Any]) -> float:
        """What a call takes at the roofs; 0 where they are not known."""
        try:
            cost = oracle.score(network, [self.roofs], batch_size=batch, model="roofline", **words)
        except OracleError:
            return 0.0
        return cost.latency_ms[self.roofs.name] * 1e-3

    def profile(self, network: str, batch: int, words: dict[str, Any]) -> Unit:
        """The kernels of a network, by torch.profiler."""

        def run() -> str:
            kernels = measure_kernels(
                network, device=self.place.device, threads=self.place.threads, repeats=2, batch_size=batch, **words
            )
            said = {"network": network, "device": self.name, **Workload().with_(batch_size=batch, **words).to_dict()}
            append(
                self.out / "profiles.csv",
                *(
                    {
                        **said,
                        "kernel": kernel.name,
                        "operator": kernel.operator,
                        "launches": kernel.launches,
                        "time_ms": f"{kernel.time_s * 1e3:.6g}",
                    }
                    for kernel in kernels
                ),
            )
            return f"{sum(kernel.time_s for kernel in kernels) * 1e3:.4g} ms in {len(kernels)} kernels"

        return Unit(" ".join(map(str, (network, batch, *words.values()))), run)


def stages_of(bench: Bench, dtype: str, layout: str, quick: bool) -> list[Stage]:
    """All there is to do."""
    kernel_dtypes = ("bfloat16", "float16", "float32", "tf32") if bench.on_cuda else ("float32",)
    float8 = ("float8",) if bench.on_cuda else ()
    single: dict[str, Iterable[Kernel]] = {
        "products": products((*kernel_dtypes, *float8)),
        "attention": attentions(kernel_dtypes[:1]),
        "convolutions": convolutions(kernel_dtypes[1:3] if bench.on_cuda else kernel_dtypes),
    }
    found = [
        Stage(name, 1.0, 0.5, [bench.kernel(kernel) for kernel in (_small(name) if quick else _mixed(kernels))])
        for name, kernels in single.items()
    ]
    names = ("R-56", "NB201-AllSkip") if quick else _mixed(NETWORKS)
    batches = (1, 2) if quick else BATCHES
    words = {"dtype": dtype, "layout": layout}

    def networks(stage: str, weight: float, guess_s: float, file: str = "networks.csv", **more: Any) -> Stage:
        """A stage of networks, all at one batch size before any at the next."""
        graph = bool(more.pop("graph", False))
        own = {**words, **more}
        units = [bench.network(name, file, batch, own, graph) for batch in batches for name in names]
        return Stage(stage, weight, guess_s, units)

    found += [networks("eager", 2.0, 3.0), networks("training", 2.0, 4.0, mode="training")]
    found.append(Stage("profiles", 0.5, 5.0, [bench.profile(name, 2 if quick else 8, words) for name in names]))
    if bench.on_cuda:
        found.append(networks("graphs", 1.0, 3.0, "graphs/networks.csv", graph=True))
    if dtype in _HALVES and "weights" in Workload.__dataclass_fields__:
        found.append(networks("half", 1.0, 3.0, "half/networks.csv", weights=dtype))
    if not quick:
        found.append(networks("compiled", 6.0, 40.0, runtime="compiled"))
    return found


def _small(name: str) -> list[Kernel]:
    """Kernels that a processor has done in no time."""
    small: dict[str, list[Kernel]] = {
        "products": [Product("float32", 32, 64, 128), Product("float32", 33, 65, 127)],
        "attention": [
            Attention("prefill", "float32", 1, 32, 4, 2, 16),
            Attention("decode", "float32", 2, 1, 4, 2, 16, 31),
            Attention("encoder", "float32", 1, 17, 2, 2, 16),
        ],
        "convolutions": [
            Convolution("float32", "nchw", 1, 8, 16, 3, 2, 1, 16),
            Convolution("float32", "nhwc", 1, 16, 16, 3, 1, 16, 16),
            Convolution("float32", "nchw", 2, 16, 16, 3, 1, 4, 16),
        ],
    }
    return small[name]


def _mixed(items: Iterable[Any]) -> list[Any]:
    """The same order in every run, and a fair sample from the first on."""
    found = list(items)
    random.Random(0).shuffle(found)
    return found


def slug(title: str) -> str:
    """A device's name from its title: `NVIDIA H100 80GB HBM3` is `h100-80gb-hbm3`."""
    words = re.sub(r"\(r\)|\(tm\)|\b(nvidia|geforce|cpu|processor)\b|@.*", " ", title.lower())
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-") or "device"


def asked_before(out: Path, asked: dict[str, Any]) -> None:
    """Write machine.json, or complain where the folder is of something else.

    Raises:
        OracleError: an earlier run measured another device, or otherwise.
    """
    path = out / "machine.json"
    if not path.exists():
        facts = {"asked": asked, **machine_facts(asked["device"])}
        path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        return
    before = json.loads(path.read_text(encoding="utf-8"))["asked"]
    for name, value in asked.items():
        if before.get(name) != value:
            raise OracleError(f"{out} holds measurements with {name}={before.get(name)!r}, and this is {value!r}")


def liner(stream: TextIO) -> Callable[[str], None]:
    """What says how far it is: a line of a terminal that changes, or lines."""
    if not stream.isatty():
        return lambda text: print(text, file=stream, flush=True)
    return lambda text: print(f"\r\x1b[K{text[:150]}", end="", file=stream, flush=True)


def watching(say: Callable[[str], None], path: Path, device: str) -> Callable[[str], None]:
    """The same, which now and then also writes down what nvidia-smi says under load."""
    start = last = time.perf_counter()

    def said(text: str) -> None:
        nonlocal last
        say(text)
        if device.startswith("cuda") and time.perf_counter() - last > _WATCH_S:
            last = time.perf_counter()
            facts = gpu_facts(str(getattr(torch.cuda.get_device_properties(device), "uuid", "")))
            if facts:
                append(path, {"seconds": f"{last - start:.0f}", **facts})

    return said


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("out", type=Path)
    made.add_argument("--device", default="cuda", help="cuda (default), cuda:N or cpu")
    made.add_argument("--name", help="of the device, such as a shipped one's (default: made of its title)")
    made.add_argument("--budget", type=float, default=600.0, metavar="S", help="seconds (default: 600)")
    made.add_argument("--dtype", help="of networks (default: float16 on CUDA, else float32)")
    made.add_argument("--layout", default="nchw", choices=("nchw", "nhwc"))
    made.add_argument("--cache", default="warm", choices=CACHES)
    made.add_argument("--threads", type=int)
    made.add_argument("--quick", action="store_true", help="a few small ones of each kind, nothing compiled")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure until all is done, the budget is spent, or somebody interrupts."""
    args, start = parser().parse_args(arguments), time.perf_counter()
    say = watching(liner(sys.stdout), args.out / "clocks.csv", args.device)
    try:
        # One thread is enough for a rehearsal, and waits for no other on a busy host.
        place = Place.of(args.device, args.threads or (1 if args.quick else None), cache=args.cache)
        name = args.name or slug(place.title)
        dtype = args.dtype or ("float16" if args.device.startswith("cuda") else "float32")
        args.out.mkdir(parents=True, exist_ok=True)
        asked = {"device": args.device, "name": name, "dtype": dtype, "layout": args.layout, "cache": args.cache}
        asked_before(args.out, {**asked, "title": place.title, "quick": args.quick})
        log, probed = Log(args.out / "log.csv"), args.out / f"{name}.yaml"
        print(f"{place.title} as {name}: {len(log.done)} units known, budget {args.budget:.0f} s")
        if not probed.exists():
            seconds = 0.5 if args.quick else min(12.0, 0.05 * args.budget)
            roofs = probe(args.device, name=name, threads=place.threads, seconds=max(0.5, seconds))
            probed.write_text(device_yaml(roofs), encoding="utf-8")
        bench = Bench(args.out, name, place, 3 if args.quick else 5, oracle.load_device(probed), start + args.budget)
        stages = stages_of(bench, dtype, args.layout, args.quick)
        all_units = sum(len(stage.units) for stage in stages)
        left = work_through(stages, log, args.budget, say, start=start)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {args.out} keeps what was measured; the same command goes on")
        return 130
    except OracleError as error:
        print(f"gpu_truth: error: {error}", file=sys.stderr)
        return 2
    device = name if name in list_devices() else probed  # of a shipped device the sheet is known
    print(
        f"\n{left} of {all_units} units left after {time.perf_counter() - start:.0f} s"
        + (": run it again" if left else "")
    )
    print(f"oracle calibrate -d {device} --measurements {args.out} --runtime eager --mode inference -o my.yaml")
    return 0


if __name__ == "__main__":
    sys.exit(main())
