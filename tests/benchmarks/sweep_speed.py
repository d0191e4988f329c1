"""How fast a sweep is: against a counter in pycls's style, on one core and two, and from 10^4 candidates on.

    python -m tests.benchmarks.sweep_speed [--most 1e7]

Rates are per candidate that is scored: of those drawn three in four have another number of stages, and of the
scored some equal others and are not kept. A busy machine spoils the clock (`wall`) more than processor time (`cpu`,
workers and their start included).
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from oracle.query.many import score_many
from search.space import Chunk, Space, load_space
from search.sweep import sweep
from tests.benchmarks._timing import best

DEVICES = (
    "t4", "rtx-4090", "l4", "p4", "v100-pcie", "jetson-nano", "jetson-agx-orin", "pixel-4", "rtx-3090",
    "a100-pcie-40gb",
)  # fmt: skip
Costs = dict[str, int]


# -- a counter in pycls's style: one dict, updated layer by layer ------------------------------------------------


def conv(cx: Costs, w_in: int, w_out: int, k: int, stride: int = 1, groups: int = 1, bias: bool = False) -> Costs:
    """A convolution."""
    h, w, flops, params, acts = cx["h"], cx["w"], cx["flops"], cx["params"], cx["acts"]
    h, w = (h - 1) // stride + 1, (w - 1) // stride + 1
    flops += k * k * w_in * w_out * h * w // groups + (w_out * h * w if bias else 0)
    params += k * k * w_in * w_out // groups + (w_out if bias else 0)
    acts += w_out * h * w
    return {"h": h, "w": w, "flops": flops, "params": params, "acts": acts}


def norm(cx: Costs, w: int) -> Costs:
    """A batch norm: its scale and shift."""
    return {**cx, "params": cx["params"] + 2 * w}


def bottleneck(cx: Costs, w_in: int, w_out: int, stride: int, w_b: int, groups: int) -> Costs:
    """A residual bottleneck block."""
    if w_in != w_out or stride != 1:
        h, w = cx["h"], cx["w"]
        cx = norm(conv(cx, w_in, w_out, 1, stride), w_out)
        cx["h"], cx["w"] = h, w
    cx = norm(conv(cx, w_in, w_b, 1), w_b)
    cx = norm(conv(cx, w_b, w_b, 3, stride, groups), w_b)
    return norm(conv(cx, w_b, w_out, 1), w_out)


def regnet(depth: int, w0: int, wa: float, wm: float, group_w: int, image: int = 224, classes: int = 1000) -> Costs:
    """FLOPs (as pycls counts), parameters and activations of a RegNet of bottleneck ratio 1, from its parameters."""
    levels = [round(math.log((w0 + wa * j) / w0) / math.log(wm)) for j in range(depth)]
    widths = [round(w0 * wm**k / 8) * 8 for k in levels]
    cx = norm(conv({"h": image, "w": image, "flops": 0, "params": 0, "acts": 0}, 3, 32, 3, 2), 32)
    w_in = 32
    for previous, width in zip([0, *widths], widths, strict=False):
        group = min(group_w, width)
        w = max(group, round(width / group) * group)
        cx = bottleneck(cx, w_in, w, 2 if width != previous else 1, w, w // group)
        w_in = w
    cx["h"] = cx["w"] = 1
    return conv(cx, w_in, classes, 1, bias=True)


def parameters(chunk: Chunk) -> list[tuple[Any, ...]]:
    """What `regnet` takes, of each candidate of a chunk."""
    names = [f"REGNET.{name}" for name in ("DEPTH", "W0", "WA", "WM", "GROUP_W")]
    return list(zip(*(chunk.columns[name].tolist() for name in names), strict=True))


def pycls_complexity() -> Callable[[tuple[Any, ...]], Costs] | None:
    """The same from pycls itself, where it is there (`pip install --no-deps pycls==0.1.1`)."""
    try:
        from pycls.core.config import cfg
        from pycls.models.regnet import RegNet
    except ImportError:
        return None
    cfg.MODEL.NUM_CLASSES = 1000

    def complexity(row: tuple[Any, ...]) -> Costs:
        cfg.REGNET.DEPTH, cfg.REGNET.W0, cfg.REGNET.WA, cfg.REGNET.WM, cfg.REGNET.GROUP_W = row
        costs: Costs = RegNet.complexity({"h": 224, "w": 224, "flops": 0, "params": 0, "acts": 0})
        return costs

    return complexity


# -- measuring ---------------------------------------------------------------------------------------------------


def one_core(space: Space) -> None:
    """The closed form with sampling, side by side with the counter, in one process."""
    chunk = space.chunk(0)
    scores = score_many(chunk.population, DEVICES)
    sample = parameters(chunk)[:2_000]
    counted = [regnet(*row) for row in sample]
    for name, column in (
        ("flops", scores.pycls_flops),
        ("params", scores.columns()["params"]),
        ("acts", scores.pycls_acts),
    ):
        equal = np.array_equal(column[: len(sample)], [cx[name] for cx in counted])
        print(f"counter and closed form agree on {name}: {equal}")
    counter = best(lambda: [regnet(*row) for row in sample], 3) / len(sample)
    print(f"\n{'one core, per candidate':48s} {'us':>8s} {'per second':>12s} {'ratio':>7s}")
    pycls = pycls_complexity()
    if pycls is not None:
        same = all(pycls(row)["flops"] == cx["flops"] for row, cx in zip(sample, counted, strict=True))
        seconds = best(lambda: [pycls(row) for row in sample], 3) / len(sample)
        label = f"pycls's own complexity() (equal: {same})"
        print(f"{label:48s} {seconds * 1e6:8.2f} {1 / seconds:12,.0f} {counter / seconds:7.1f}")
    print(f"{'pycls-style counter: FLOPs, params, acts':48s} {counter * 1e6:8.2f} {1 / counter:12,.0f} {1:7.0f}")
    for devices in ((), DEVICES[:1], DEVICES):
        size = chunk.population.size
        seconds = best(lambda devices=devices: score_many(space.chunk(1).population, devices)) / size  # type: ignore[misc]
        label = f"closed form, sampling included, {len(devices)} devices"
        print(f"{label:48s} {seconds * 1e6:8.2f} {1 / seconds:12,.0f} {counter / seconds:7.0f}")


def whole(samples: int, devices: int, workers: int) -> None:
    """A sweep to files, in a process of its own so that its peak memory is its own."""
    with tempfile.TemporaryDirectory() as out:
        code = f"from sweep_speed import child; child({samples}, {devices}, {workers}, {out!r})"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def child(samples: int, devices: int, workers: int, out: str) -> None:
    """One sweep, the process being warm; prints a line."""
    sweep("regnetx", DEVICES[:devices], n=1, out=f"{out}/warm")
    start, work = time.perf_counter(), time.process_time()
    result = sweep("regnetx", DEVICES[:devices], out=f"{out}/sweep", samples=samples, workers=workers)
    wall, used = time.perf_counter() - start, time.process_time() - work
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    used += usage.ru_utime + usage.ru_stime
    scored = result.tally.drawn - result.tally.rejected["REGNET.NUM_STAGES"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(
        f"{result.tally.drawn:12,d} {scored:12,d} {result.count:12,d} {devices:8d} {workers:8d} {wall:8.1f} "
        f"{used:8.1f} {used / scored * 1e6:8.2f} {peak:8.0f} {usage.ru_maxrss / 1e3:10.0f} "
        f"{sum(file.stat().st_size for file in result.files) / 1e6:8.0f}"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=float, default=1e6, help="candidates scored in the largest sweep (default 1e6)")
    asked = parser.parse_args()
    space = load_space("regnetx")
    one_core(space)
    heads = "drawn|scored|kept|devices|workers|wall s|cpu s|us each|RSS MB|worker MB|file MB".split("|")
    widths = (12, 12, 12, 8, 8, 8, 8, 8, 8, 10, 8)
    print("\nsweeps to CSV, everything included")
    print(*(f"{head:>{width}s}" for head, width in zip(heads, widths, strict=True)))
    kept = space.chunk(0).population.size / space.chunk_size
    size = 1e4
    while size <= asked.most:
        whole(round(size / kept), 1, 1)
        size *= 10
    whole(round(1e6 / kept), 10, 2)


if __name__ == "__main__":
    main()
