"""`oracle ops`: where the cost of one network goes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_devices, add_inputs, add_model, add_output, add_workload, natural
from oracle.cli._output import deliver
from oracle.cli._scoring import score_all
from oracle.cli._sources import expand, only
from oracle.errors import OracleError
from oracle.report.breakdown import GROUPINGS, ORDERS, breakdown, ordered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracle.query import Cost, KernelCost
    from oracle.report.breakdown import Group

_EXAMPLES = """\
examples:
  oracle ops ResNet-50 --device t4 --by class   # which class of operator takes the time
  oracle ops ResNet-50 --device t4 --depth 1    # which block
  oracle ops ViT-B-16 --device t4 --runtime compiled --top 10
  oracle ops RegNetX-400MF                      # counts alone, no device needed

A kernel is named after its main operator; `convolution +2` runs two more in its epilogue. It is
memory-bound where its intensity (FLOP/byte) is below the device's ridge point, else compute-bound."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "ops",
        help="every kernel of a network: FLOPs, bytes, intensity, time, bound, share",
        description="Where the cost of a network goes, kernel by kernel or in groups: FLOPs, traffic,\n"
        "arithmetic intensity, and on a device the time, its share, what bounds it and the rate achieved.",
        epilog=_EXAMPLES,
    )
    command.add_argument("networks", nargs=1, metavar="NET", help="name of a shipped network, YAML file, or any "
                         "other network: see `oracle score --help`")  # fmt: skip
    add_inputs(command)
    add_devices(command)
    group = command.add_argument_group("lines")
    group.add_argument("--by", choices=tuple(GROUPINGS), help="sum kernels by this")
    group.add_argument("--depth", type=natural, metavar="N", help="module paths up to N names deep (means --by module)")
    group.add_argument(
        "--sort",
        choices=tuple(ORDERS),
        help="largest first, or in order of execution (default: order; with --top, time)",
    )
    group.add_argument("--top", type=natural, metavar="N", help="the first N lines, and the sum of the others")
    add_model(command)
    add_workload(command)
    add_output(command)
    command.set_defaults(run=_run, keep_going=False)


def _run(args: argparse.Namespace) -> int:
    if args.depth and args.by not in (None, "module"):
        raise OracleError(f"--depth {args.depth} is about module paths, which --by {args.by} does not show")
    only(expand(args.networks), "ops", args.networks[0])
    (cost,), code = score_all(args)
    lines = {device: _lines(cost.kernels(device), args, timed=True) for device in cost.times}
    if not lines:
        lines[""] = _lines(cost.kernels(), args, timed=False)
    _deliver(args, cost, lines)
    return code


def _lines(
    kernels: Sequence[KernelCost], args: argparse.Namespace, *, timed: bool
) -> Sequence[KernelCost] | Sequence[Group]:
    """What to show: kernels, or groups of them, in the requested order."""
    by = args.by or ("module" if args.depth else None)
    order = args.sort or (("time" if timed else "flops") if args.top else "order")
    if order == "time" and not timed:
        raise OracleError("--sort time needs a device; say --device NAME")
    return ordered(breakdown(kernels, by, args.depth), order) if by else ordered(kernels, order)


def _deliver(args: argparse.Namespace, cost: Cost, lines: dict[str, Sequence[KernelCost] | Sequence[Group]]) -> None:
    from oracle.report.rows import kernel_rows
    from oracle.report.table.kernels import kernel_tables

    by = args.by or ("module" if args.depth else "")
    rows = {device: kernel_rows(some[: args.top], device or None) for device, some in lines.items()}
    if by == "phase":
        peaks = {phase.name: phase.peak_memory_bytes for phase in cost.phases()}
        rows = {
            device: [{**row, "peak_memory_bytes": peaks[row["name"]]} for row in some] for device, some in rows.items()
        }
    deliver(
        args,
        table=lambda: [
            item for device, some in lines.items() for item in kernel_tables(cost, device, some, by, args.top)
        ],
        data=lambda: {
            "network": cost.to_dict(),
            "by": by or "kernel",
            "lines": [row for some in rows.values() for row in some],
        },
        rows=lambda: [row for some in rows.values() for row in some],
    )
