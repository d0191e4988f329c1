"""`oracle plot`: the other figures of the page, for papers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_scoring
from oracle.cli._output import add_figure, deliver_figure
from oracle.cli._scoring import Scored, model_words, rescored, scored
from oracle.errors import OracleError

if TYPE_CHECKING:
    from oracle.query import Cost
    from oracle.report.facts import Population
    from oracle.report.splits import Split

_EXAMPLES = """\
examples:
  oracle plot ResNet-50 -d rtx-4090 -d t4 --batch 64 --dtype float16 --figure runtimes -o fig.svg
  oracle plot ResNet-50 -d t4 --batch 32 --mode training --figure memory -o fig.pdf
  oracle plot regnetx regnety -d t4 -d pixel-4 --figure front -o fig.png
  oracle plot regnetx effnet -d t4 -d jetson-nano --figure flips -o fig.svg --width 3.5

Of one network: stages, kinds (of operators), runtimes, phases, memory. Of several: front (latency
against MACs per device), flips (ranks on two devices). Rooflines: `oracle roofline`."""

_ONE = ("stages", "kinds", "runtimes", "phases", "memory")
_SEVERAL = ("front", "flips")


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "plot",
        help="where time and memory go, fronts and rank flips, as SVG, PNG or PDF",
        description="Where the time of a network goes, or how several compare, as a figure for papers;\n"
        "needs matplotlib: pip install 'nas-cost-oracle[plot]'.",
        epilog=_EXAMPLES,
    )
    command.add_argument("--figure", choices=(*_ONE, *_SEVERAL), default="stages", help="default: stages")
    add_scoring(command)
    add_figure(command, "plot.svg")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    found, code = scored(args)
    if args.figure in _ONE and len(found) != 1:
        raise OracleError(f"--figure {args.figure} takes one network, here are {len(found)}")
    if args.figure in _SEVERAL and len(found) < 2:
        raise OracleError(f"--figure {args.figure} compares networks, here is one")
    if not found[0].cost.times:
        raise OracleError("plot needs a device; say --device NAME (`oracle devices` lists them)")
    deliver_figure(args, (lambda: _one(args, found[0])) if args.figure in _ONE else lambda: _several(args, found))
    return code


def _one(args: argparse.Namespace, item: Scored) -> Any:
    from oracle.report.captions import workload_caption
    from oracle.report.facts import training_facts
    from oracle.report.plot import memory_figure, split_figure
    from oracle.report.splits import by_kind, by_phase, by_stage, whole

    titles = item.cost.name, workload_caption(item.cost.workload, item.cost.tokens)
    if args.figure == "memory":
        return memory_figure(training_facts(item.cost, ()).memory, *titles, args.width)
    if args.figure == "runtimes":
        costs = _runtimes(args, item)
        splits = {device.title: [whole(cost, device.name) for cost in costs] for device in item.candidate.devices}
        return split_figure(splits, *titles, args.width)
    split: Callable[[Cost, str], Sequence[Split]] = {"stages": by_stage, "kinds": by_kind, "phases": by_phase}[
        args.figure
    ]
    found = {device.title: split(item.cost, device.name) for device in item.candidate.devices}
    return split_figure(found, *titles, args.width)


def _runtimes(args: argparse.Namespace, item: Scored) -> list[Cost]:
    """The network under every runtime.

    Raises:
        OracleError: one that cannot run it: a figure without it would not say so.
    """
    model = model_words(args)
    own = item.cost.workload.runtime
    runtimes = item.cost.workload.runtimes
    return [
        item.cost if runtime == own else rescored(args, model, item.candidate, runtime=runtime) for runtime in runtimes
    ]


def _several(args: argparse.Namespace, found: Sequence[Scored]) -> Any:
    from oracle.report.captions import time_caption, workload_caption
    from oracle.report.facts import population_of
    from oracle.report.plot import flips_figure, front_figure

    if len({tuple(item.cost.times) for item in found}) > 1:
        raise OracleError("the networks' COST.DEVICES differ; say --device to compare them on the same ones")
    population: Population = population_of([item.cost for item in found])
    if args.figure == "flips":
        return flips_figure(population, width=args.width)
    titles: Mapping[str, str] = {device.name: device.title for device in found[0].candidate.devices}
    costs = [item.cost for item in found]
    workloads = " ".join(dict.fromkeys(workload_caption(cost.workload, cost.tokens) for cost in costs))
    times = time_caption(time for cost in costs for time in cost.times.values())
    return front_figure(population, titles, width=args.width, about=(workloads, times))
