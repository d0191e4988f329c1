"""`oracle import`: what a profiler or an inference engine measured, on the roofline and as measurements."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle._resources import find_config
from oracle.cli._flags import add_model, add_output, add_workload, model_of, natural, workload_of
from oracle.cli._messages import warn
from oracle.cli._output import deliver
from oracle.cli._sources import devices_of
from oracle.errors import OracleError

if TYPE_CHECKING:
    from oracle.devices import Device
    from oracle.imports.engines import Report, Timing
    from oracle.imports.kernels import Imported

_EXAMPLES = """\
examples:
  oracle import profile.csv                          # ncu --csv: kernels at the roofs the file knows
  oracle import profile.csv --device t4 --format csv -o kernels.csv
  oracle import trace.json -d t4 --network ResNet-50 -b 64 --dtype float16
  oracle import trace.json -d t4 --network ResNet-50 -b 64 --dtype float16 --measurements m.csv
  oracle import trace.json -d t4 --network ResNet-50 -b 64 --dtype float16 --fit my.yaml
  oracle import times.json -d jetson-nano --network ResNet-50 --dtype float16 --measurements m.csv
  oracle import benchncnn.txt -d rpi4 --network resnet50=ResNet-50 --measurements m.csv
  oracle import benchmark_average_counters_report.csv -d host.yaml --network ResNet-50

Known by their content: trtexec --exportProfile and --exportTimes; profiles of ONNX Runtime; reports of
OpenVINO's benchmark_app; what TFLite's benchmark_model and benchncnn print; a table network,latency_ms.
A counter that is missing stays missing and is a dash, never a zero. Traces must have been recorded with
record_shapes=True for operators to be counted and matched to the network's."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "import",
        help="what a profiler or an inference engine measured: on the roofline, as measurements",
        description="Read `ncu --csv`, a Chrome trace of torch.profiler, or a report of an inference engine: time,\n"
        "FLOP/s and bandwidth that each kernel achieved, and the share of its roof. With --network, operators\n"
        "and layers are matched to the network's, beside their prediction, as measurements to calibrate with.",
        epilog=_EXAMPLES,
    )
    command.add_argument("file", metavar="FILE", help="ncu --csv output, .json(.gz) trace, or report")
    command.add_argument("-d", "--device", metavar="DEVICE", help="whose roofs count: name, or path of a device file "
                         "(default: what the file itself knows of the board)")  # fmt: skip
    command.add_argument("--network", metavar="[NAME=]NET", action="append", default=[],
                         help="what ran: shipped name or YAML file; NAME is what a report calls it")  # fmt: skip
    command.add_argument("--top", type=natural, default=20, metavar="N", help="show the N slowest (default: 20)")
    command.add_argument("--locale", choices=("en", "de", "fr", "ch"), help="how an ncu file writes numbers")
    group = command.add_argument_group("for calibration (with --network and --device)")
    group.add_argument("--measurements", metavar="OUT", help="write the time of a call as CSV for `oracle calibrate`")
    group.add_argument("--fit", metavar="OUT", help="write a calibration (YAML) fitted to the matched operators")
    add_model(command)
    add_workload(command, overrides=False, counting=False)
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.imports.engines import read_report
    from oracle.imports.kineto import read_trace
    from oracle.imports.ncu import read_ncu

    args.networks = _named(args.network)
    args.network = args.networks.get("", "")
    report = None if args.file.lower().endswith(".gz") else read_report(args.file)
    if report is not None:
        return _report(args, report)
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


def _named(texts: list[str]) -> dict[str, str]:
    """Networks by what a report calls them; "" for the one that needs no name."""
    found: dict[str, str] = {}
    for text in texts:
        name, mark, network = text.partition("=")
        key = name if mark else ""
        if key in found or (mark and not (name and network)):
            raise OracleError(f"--network {text!r}: expected NET once, or NAME=NET for each of several")
        found[key] = network if mark else text
    return found


def _report(args: argparse.Namespace, report: Report) -> int:
    """What an engine says of itself: its layers, or its runs."""
    from oracle.imports.kernels import Imported, MeasuredKernel
    from oracle.query.importing import measurements_of

    if args.fit:
        raise OracleError(
            "--fit needs a trace of torch.profiler; write --measurements and give them to oracle calibrate"
        )
    (device,) = devices_of([args.device]) if args.device else (None,)
    if args.measurements:
        from oracle.measure import write_measurements

        if device is None:
            raise OracleError("--measurements needs --device: what the report's networks ran on")
        found = measurements_of(report, device, args.networks, workload_of(args))
        write_measurements(args.measurements, found)
        names = dict.fromkeys(item.network for item in found)
        unknown = [name for name in names if not (find_config("networks", name) or Path(name).exists() or ":" in name)]
        if unknown:
            warn(f"no network here is called {', '.join(unknown)}: --network NAME=NET says what each is priced as")
    if report.layers and args.network:
        return _layers(args, report, device)
    if report.layers:
        missing = tuple((name, "an engine counts none") for name in ("flops", "dram_bytes", "l2_bytes", "l1_bytes"))
        kernels = [MeasuredKernel(x.name, x.source, x.seconds, operator=x.kind, missing=missing) for x in report.layers]
        return _kernels(args, Imported(tuple(kernels), notes=(*report.notes, "say --network to match layers")), device)
    return _timings(args, report)


def _layers(args: argparse.Namespace, report: Report, device: Device | None) -> int:
    from oracle.counting.networks import count_net
    from oracle.imports.layers import profile_of_layers
    from oracle.query import resolve
    from oracle.query.models import image_size_of, latency_models
    from oracle.report.profiled_rows import operator_rows
    from oracle.report.table.profiles import profile_tables
    from oracle.report.texts import Text

    words = {name: value for name, value in workload_of(args).items() if value is not None}
    stated = dict(report.timings[0].words) if report.timings else {}
    net, workload, _ = resolve(args.network, **{"engine": report.engine or None, **stated, **words})
    efficiency = None
    if device is not None:
        models = latency_models([device], workload, **model_of(args), image_size=image_size_of(net.input_shape))
        efficiency = models.places[device.name].efficiency
    profile = profile_of_layers(net.name, workload, report.layers, count_net(net, workload), device, efficiency)
    deliver(
        args,
        table=lambda: [*profile_tables([profile], args.top), *map(Text, report.notes)],
        data=lambda: {"network": net.name, "operators": operator_rows(profile), "notes": list(report.notes)},
        rows=lambda: operator_rows(profile),
    )
    return 0


def _timings(args: argparse.Namespace, report: Report) -> int:
    from oracle.report.grid import Column, Grid
    from oracle.report.texts import Text

    def row(timing: Timing) -> dict[str, Any]:
        stated = dict(timing.words)
        words = {name: stated.get(name) for name in ("batch_size", "dtype", "threads")}
        return {
            "network": timing.network or args.network or None,
            "engine": stated.get("engine") or report.engine or None,
            **words,
            "latency_ms": timing.latency_ms,
            "min_ms": timing.min_ms,
            "repeats": timing.repeats or None,
            "source": timing.source,
        }

    rows = [row(timing) for timing in report.timings]

    def tables() -> list[Any]:
        shown = rows[: args.top]
        grid = Grid(
            (
                Column("Network", [str(item["network"] or "-") for item in shown]),
                Column("Engine", [str(item["engine"] or "-") for item in shown]),
                Column("Threads", [str(item["threads"] or "-") for item in shown], number=True),
                Column("Latency", [f"{item['latency_ms']:.4g}" for item in shown], "ms", number=True),
            ),
            f"{len(shown)} of {len(rows)} networks measured",
        )
        return [grid, *map(Text, report.notes)]

    deliver(args, table=tables, data=lambda: {"networks": rows, "notes": list(report.notes)}, rows=lambda: rows)
    return 0


def _kernels(args: argparse.Namespace, imported: Imported, device: Device | None) -> int:
    from oracle.imports.counted import counted_operators
    from oracle.imports.roofs import on_roofline
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
