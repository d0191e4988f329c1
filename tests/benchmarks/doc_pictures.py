"""The pictures of the documentation, each from what the oracle computes.

    python -m tests.benchmarks.doc_pictures [NAME ...]

Needs matplotlib (`pip install 'nas-cost-oracle[plot]'`). `python -m tests.benchmarks.page_picture` makes docs/images/page.png.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oracle
from oracle.cli import main as command
from oracle.counting.networks import count_table, trace_whole
from oracle.report.marks import SERIES_COLORS
from oracle.report.plot import write_figure
from oracle.report.plot.style import MUTED, PALE, footing, grid_of, styled
from oracle.spec import RUNTIMES, Workload

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
BLUE, *OTHERS = SERIES_COLORS


@styled
def runtimes() -> Any:
    """Kernels, traffic and latency of one network, by who runs it."""
    device = "rtx-4090"
    words: dict[str, Any] = {"batch_size": 64, "dtype": "float16"}
    costs = [oracle.score("ResNet-50", [device], runtime=runtime, **words) for runtime in RUNTIMES]
    rows = {
        "Kernels": [len(cost.kernels(device)) for cost in costs],
        "Traffic, GB": [cost.traffic_bytes / 1e9 for cost in costs],
        "Latency, ms": [cost.latency_ms[device] for cost in costs],
    }
    figure, panels = grid_of(3, 7.2, 1.5)
    for axes, (title, values) in zip(panels, rows.items(), strict=True):
        bars = axes.barh(RUNTIMES, values, color=BLUE, height=0.6)
        axes.bar_label(bars, [f"{value:.3g}" for value in values], padding=3, fontsize=7)
        axes.invert_yaxis()
        axes.set_title(title)
        axes.set_xlim(0, max(values) * 1.2)
    footing(figure, "ResNet-50, 64 images, float16, RTX 4090")
    return figure


@styled
def intervals() -> Any:
    """Predictions with their intervals, and the lower bounds, of a family of networks."""
    device = "rtx-3090"
    names = [name for name in oracle.list_networks() if name.startswith(("RegNetX", "ResNet-", "ViT", "Efficient"))]
    costs = [oracle.score(name, [device], batch_size=256, dtype="float16") for name in names]
    costs = sorted((cost for cost in costs if cost.times[device].interval_ms), key=lambda cost: cost.latency_ms[device])
    figure, (axes,) = grid_of(1, 7.2, 3.6, most=1)
    for row, cost in enumerate(costs):
        low, high = cost.times[device].interval_ms or (0.0, 0.0)
        axes.plot([low, high], [row, row], color=BLUE, linewidth=4, alpha=0.35, solid_capstyle="butt")
        axes.plot(cost.latency_ms[device], row, "o", color=BLUE, markersize=4)
        axes.plot(cost.roofline_ms[device], row, "|", color=MUTED, markersize=8)
    axes.set_yticks(range(len(costs)), [cost.name for cost in costs])
    axes.set_xscale("log")
    axes.set_xlabel("ms per call")
    axes.grid(axis="x")
    footing(figure, "Bar: the lower bound. Dot and band: the prediction, and where four of five measurements are "
            "expected. 256 images, float16, RTX 3090")  # fmt: skip
    return figure


@styled
def conventions() -> Any:
    """MACs of networks by convention, relative to the oracle's own."""
    names = ("ResNet-50", "EfficientNet-B0", "ViT-B-16")
    tools = ("oracle", "torch", "pycls", "fvcore", "thop", "ptflops")
    figure, panels = grid_of(3, 7.2, 1.9)
    for axes, name in zip(panels, names, strict=True):
        macs = [oracle.score(name, convention=tool).macs or 0 for tool in tools]
        off = [100 * (count / macs[0] - 1) for count in macs]
        bars = axes.barh(tools, off, color=[PALE, *[BLUE] * 5], height=0.6)
        axes.bar_label(bars, [f"{value:+.1f} %" for value in off], padding=3, fontsize=7)
        axes.axvline(0, color=MUTED, linewidth=0.6)
        axes.invert_yaxis()
        axes.set_title(name)
        spread = max(map(abs, off)) * 1.9
        axes.set_xlim(-spread, spread)
    footing(figure, "MACs for one image, relative to those of convolutions, linear layers and attention")
    return figure


@styled
def trace() -> Any:
    """The operators of a block as a trace records them, and what each costs."""
    net = oracle.to_spec(oracle.load_cfg("ResNet-50"))
    workload = Workload(batch_size=64, dtype="float16")
    counted = count_table(trace_whole(net, workload), workload)
    device = oracle.load_device("rtx-4090")
    kernels = oracle.score(net, [device], batch_size=64, dtype="float16").kernels(device.name)
    assert len(kernels) == len(counted.kernels)
    shown = kernels[:24]
    figure, (axes,) = grid_of(1, 7.2, 3.4, most=1)
    colors = {"conv": BLUE, "norm": OTHERS[0], "activation": OTHERS[1], "copy": PALE, "pool": OTHERS[2]}
    for row, kernel in enumerate(shown):
        axes.barh(row, kernel.time_ms * 1e3, color=colors.get(kernel.op_class, MUTED), height=0.7)
    labels = [f"{kernel.module or kernel.name}  ({kernel.op_class})" for kernel in shown]
    axes.set_yticks(range(len(shown)), labels, fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel("µs")
    axes.grid(axis="x")
    footing(
        figure, f"The first {len(shown)} of {len(kernels)} operators of ResNet-50, 64 images, float16, RTX 4090, eager"
    )
    return figure


@styled
def closed_forms() -> Any:
    """A closed form over a width, and fresh traces at some widths."""
    widths = list(range(16, 129, 8))
    changes = [{"REGNET.W0": width, "REGNET.GROUP_W": 8} for width in widths]
    nets = [oracle.to_spec(oracle.load_cfg("RegNetX-400MF", change)) for change in changes]
    scores = oracle.score_many(nets, batch_size=1)
    at = range(0, len(widths), 3)
    figure, panels = grid_of(2, 7.2, 2.2, most=2)
    for axes, (field, title, scale) in zip(
        panels, (("macs", "GMACs", 1e9), ("traffic_bytes", "Traffic, MB", 1e6)), strict=True
    ):
        axes.plot(widths, getattr(scores, field) / scale, color=BLUE, label="closed form")
        tables = [count_table(trace_whole(nets[row], Workload()), Workload()).kernels for row in at]
        sums = [sum(kernel.macs for kernel in table) for table in tables] if field == "macs" else [
            sum(kernel.read_bytes + kernel.write_bytes for kernel in table) for table in tables
        ]  # fmt: skip
        assert sums == [int(getattr(scores, field)[row]) for row in at]
        axes.plot([widths[row] for row in at], [value / scale for value in sums], "o", color=OTHERS[0], label="trace")
        axes.set_title(title)
        axes.set_xlabel("REGNET.W0")
        axes.set_ylim(0)
    panels[0].legend()
    footing(figure, "RegNetX-400MF with another first width: equal to the last integer")
    return figure


def roofline() -> None:
    words = "roofline ResNet-50 -d rtx-4090 -d t4 --batch 64 --dtype float16 -o".split()
    if command([*words, str(IMAGES / "roofline.svg")]):
        sys.exit(2)


FIGURES: dict[str, Callable[[], Any]] = {
    "runtimes": runtimes,
    "intervals": intervals,
    "conventions": conventions,
    "trace": trace,
    "closed-forms": closed_forms,
}


def main(names: list[str]) -> None:
    for name in names or [*FIGURES, "roofline"]:
        if name == "roofline":
            roofline()
        else:
            write_figure(IMAGES / f"{name}.svg", FIGURES[name]())
            print(IMAGES / f"{name}.svg")


if __name__ == "__main__":
    main(sys.argv[1:])
