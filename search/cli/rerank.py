"""`oracle-search rerank`: a study's networks on other devices, without evaluating anything."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oracle.cli._output import deliver

from ._studies import add_study

if TYPE_CHECKING:
    from ..study import Results
    from ..study.results import Ranked

_EXAMPLES = """\
examples:
  oracle-search rerank digits --device jetson-nano
  oracle-search rerank digits -d jetson-nano -d pixel-4    # one ranking per device
  oracle-search rerank digits --device my/device.yaml --format csv -o there.csv"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "rerank",
        help="a study's networks on other devices, without evaluating anything",
        description="The evaluated networks by their latency on each requested device, and which of them no other\n"
        "beats there. Qualities are those of the study.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    command.add_argument(
        "-d",
        "--device",
        action="append",
        required=True,
        metavar="DEVICE",
        help="name or path of a device file; may be repeated, for a ranking on each",
    )
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.cli._sources import devices_of

    from ..report.study_tables import rerank_tables
    from ._studies import opened

    results = opened(args)
    ranked = [(device, results.rerank(device)) for device in devices_of(args.device)]
    networks = {device.name: _rows(results, found) for device, found in ranked}
    deliver(
        args,
        table=lambda: [part for device, found in ranked for part in rerank_tables(results, found, device)],
        data=lambda: {
            "study": results.plan.name,
            "rankings": [{"device": name, "networks": rows} for name, rows in networks.items()],
        },
        rows=lambda: [{"device": name, **row} for name, rows in networks.items() for row in rows],
    )
    return 0


def _rows(results: Results, ranked: Sequence[Ranked]) -> list[dict[str, Any]]:
    """The fastest first, with the objectives of the study."""
    return [
        {
            "trial": row.record.number,
            "latency_ms": row.latency_ms,
            "on_front": row.on_front,
            **{o.name: row.record.value(i) for i, o in enumerate(results.plan.objectives)},
        }
        for row in ranked
    ]
