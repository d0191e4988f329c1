"""`oracle-search rerank`: a study's networks on another device, without evaluating anything."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._output import deliver
from search.cli._studies import add_study

__all__ = ["add"]

_EXAMPLES = """\
examples:
  oracle-search rerank digits --device jetson-nano
  oracle-search rerank digits --device my/device.yaml --format csv -o there.csv"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "rerank",
        help="a study's networks on another device, without evaluating anything",
        description="The evaluated networks by their latency on another device, and which of them no other beats\n"
        "there. Qualities are those of the study.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    command.add_argument("-d", "--device", required=True, metavar="DEVICE", help="name or path of a device file")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.query.devices import find_devices
    from search.cli._studies import opened
    from search.cli._study_tables import rerank_tables

    results = opened(args)
    (device,) = find_devices([args.device])
    ranked = results.rerank(device)
    rows = [
        {
            "trial": row.record.number,
            f"latency_ms@{device.name}": row.latency_ms,
            "on_front": row.on_front,
            **{o.name: value for o, value in zip(results.plan.objectives, row.record.values, strict=True)},
        }
        for row in ranked
    ]
    deliver(
        args,
        table=lambda: rerank_tables(results, ranked, device.name),
        data=lambda: {"study": results.plan.name, "device": device.name, "networks": rows},
        rows=lambda: rows,
    )
    return 0
