"""`oracle score`: what networks cost on devices."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_output, add_scoring, batch_sizes_of
from oracle.cli._output import deliver
from oracle.cli._scoring import curves_of, score_all

_EXAMPLES = """\
examples:
  oracle score ResNet-50                        # counts alone, no device needed
  oracle score ResNet-50 -d rtx-4090 -d t4 --dtype float16 --batch 64 --runtime engine
  oracle score my/net.yaml --set TRAIN.IM_SIZE 288 --mode training --optimizer adamw
  oracle score ResNet-50 -d rtx-4090 -b 64 --dtype float16 --model roofline
  oracle score ResNet-50 -d rtx-4090 --transfer rtx-3090=m.csv
  oracle score ResNet-50 -d t4 -d l4 --dtype float16 --batch 1,8,64       # a curve over batch sizes
  oracle score ResNet-50 -d t4 --dtype float16 --max-latency-ms 20     # the best batch of 1 to 1024
  oracle score torchvision:resnet50 timm:convnext_tiny -d t4 -b 8
  oracle score 'nets.mine:make(width=32)' --input 1x3x96x96 -d jetson-nano
  oracle score bert.onnx --input 1x128:int64 --input 1x128:int64
  oracle score regnetx --convention fvcore --format csv -o regnetx.csv

All numbers are per call, that is per batch. If one network fails, nothing is printed and the exit
code is 2; --keep-going prints the others."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "score",
        help="MACs, FLOPs, bytes, memory; latency and bound per device",
        description="What networks cost: MACs, FLOPs, parameters, activations, memory traffic, peak memory,\n"
        "and on every device the latency and what bounds it.",
        epilog=_EXAMPLES,
    )
    add_scoring(command, batches=True)
    command.add_argument(
        "--max-latency-ms",
        type=float,
        metavar="MS",
        help="per call: names the batch size of most images per second that keeps it and fits the memory "
        "(of those of --batch; default: 1, 2, 4, ... 1024)",
    )
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    return _score(args) if batch_sizes_of(args) is None and args.max_latency_ms is None else _curves(args)


def _curves(args: argparse.Namespace) -> int:
    curves, code = curves_of(args, args.max_latency_ms)
    from oracle.report.rows import curve_rows
    from oracle.report.table.curves import curve_tables

    deliver(
        args,
        table=lambda: curve_tables(curves),
        data=lambda: {"curves": [curve.to_dict() for curve in curves]},
        rows=lambda: [row for curve in curves for row in curve_rows(curve)],
    )
    return code


def _score(args: argparse.Namespace) -> int:
    costs, code = score_all(args)
    from oracle.report.rows import cost_rows
    from oracle.report.table.costs import cost_tables

    deliver(
        args,
        table=lambda: cost_tables(costs),
        data=lambda: {"networks": [cost.to_dict() for cost in costs]},
        rows=lambda: [row for cost in costs for row in cost_rows(cost)],
    )
    return code
