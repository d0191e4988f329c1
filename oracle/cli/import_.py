"""`oracle import`: kernels that a profiler measured, on the roofline."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from oracle.cli._flags import add_output, add_workload, natural, workload_of
from oracle.cli._output import deliver
from oracle.cli._sources import devices_of
from oracle.errors import OracleError

if TYPE_CHECKING:
    from oracle.devices import Device
    from oracle.imports import Imported

__all__ = ["add"]

_EXAMPLES = """\
examples:
  oracle import profile.csv                          # ncu --csv: kernels at the roofs the file knows
  oracle import profile.csv --device t4 --format csv -o kernels.csv
  oracle import trace.json -d t4 --network ResNet-50 -b 64 --dtype float16
  oracle import trace.json -d t4 --network ResNet-50 -b 64 --dtype float16 --measurements m.csv
  oracle import trace.json -d t4 --network ResNet-50 -b 64 --dtype float16 --fit my.yaml

A counter that is missing stays missing and is a dash, never a zero. Traces must have been recorded with
record_shapes=True for operators to be counted and matched to the network's."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "import",
        help="kernels measured by Nsight Compute or torch.profiler, on the roofline",
        description="Read `ncu --csv` or a Chrome trace of torch.profiler: time, FLOP/s and bandwidth that each\n"
        "kernel achieved, and the share of its roof. With --network, operators are matched to the\n"
        "network's, beside their prediction, as measurements to calibrate with.",
        epilog=_EXAMPLES,
    )
    command.add_argument("file", metavar="FILE", help="ncu --csv output, or .json(.gz) trace")
    command.add_argument("-d", "--device", metavar="DEVICE", help="whose roofs count: name, or path of a device file "
                         "(default: what the file itself knows of the board)")  # fmt: skip
    command.add_argument("--network", metavar="NET", help="what a trace ran: shipped name, or YAML file")
    command.add_argument("--top", type=natural, default=20, metavar="N", help="show the N slowest (default: 20)")
    command.add_argument("--locale", choices=("en", "de", "fr", "ch"), help="how an ncu file writes numbers")
    group = command.add_argument_group("for calibration (with --network and --device)")
    group.add_argument("--measurements", metavar="OUT", help="write the time of a call as CSV for `oracle calibrate`")
    group.add_argument("--fit", metavar="OUT", help="write a calibration (YAML) fitted to the matched operators")
    add_workload(command, overrides=False, counting=False)
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.imports import read_ncu, read_trace

    is_trace = args.file.lower().endswith((".json", ".json.gz"))
    if not args.network and (args.measurements or args.fit):
        raise OracleError("--measurements and --fit need --network: which network the trace ran")
    if args.network and not is_trace:
        raise OracleError(f"{args.file}: --network needs a trace (.json) of torch.profiler: ncu knows no shapes")
    imported = read_trace(args.file) if is_trace else read_ncu(args.file, args.locale)
    device = devices_of([args.device])[0] if args.device else imported.device
    if args.network:
        return _network(args, imported, device)
    return _kernels(args, imported, device)


def _kernels(args: argparse.Namespace, imported: Imported, device: Device | None) -> int:
    from oracle.imports import counted_operators, on_roofline
    from oracle.report.profiled_rows import kernel_rows
    from oracle.report.table.profiles import measured_kernel_tables

    # A trace's kernels count nothing: its operators do, by their shapes.
    counted = counted_operators(imported) if imported.operators else imported.kernels
    found = on_roofline(counted, device)
    notes = [*imported.notes, f"Roofs: {device.title}." if device else "No roofs: say --device."]
    deliver(
        args,
        table=lambda: measured_kernel_tables(found, notes, args.top),
        data=lambda: {"kernels": kernel_rows(found), "notes": notes},
        rows=lambda: kernel_rows(found),
    )
    return 0


def _network(args: argparse.Namespace, imported: Imported, device: Device | None) -> int:
    from oracle.counting.networks import count_net
    from oracle.imports.calls import network_calls, typical_call
    from oracle.imports.profiles import profile_of
    from oracle.query import resolve
    from oracle.query.importing import fit_operators, measurement_of
    from oracle.report.export import write_text
    from oracle.report.profiled_rows import operator_rows
    from oracle.report.table.profiles import profile_tables

    net, workload, _ = resolve(args.network, **workload_of(args))
    count = count_net(net, workload)
    parts = network_calls(imported.operators, count.kernels, workload)
    profile = profile_of(net.name, workload, typical_call(parts), count, device)
    if (args.measurements or args.fit) and device is None:
        raise OracleError("--measurements and --fit need --device: what the trace ran on")
    if args.measurements and device is not None:
        from oracle.measure import write_measurements

        write_measurements(args.measurements, [measurement_of(args.network, workload, parts, device)])
    if args.fit and device is not None:
        from oracle.calibration.files import to_yaml

        write_text(args.fit, to_yaml(fit_operators(parts, count, workload, device, args.file)))
    deliver(
        args,
        table=lambda: profile_tables([profile], args.top),
        data=lambda: {"network": net.name, "calls": len(parts), "operators": operator_rows(profile)},
        rows=lambda: operator_rows(profile),
    )
    return 0
