"""`oracle-search front`: what no other network of a study beats."""

from __future__ import annotations

import argparse
from typing import Any

from search.cli._studies import add_study

__all__ = ["add"]

_EXAMPLES = """\
examples:
  oracle-search front digits
  oracle-search front digits --format csv -o front.csv
  oracle-search front digits --configs out/front   # a YAML for each, for `oracle score` and pycls"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "front",
        help="the feasible trials of a study that no other beats",
        description="The Pareto front of a study, with its costs on every device.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    command.add_argument("--configs", metavar="DIR", help="write the config of each as trial-N.yaml")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pathlib import Path

    from oracle.report.export import write_text
    from search.cli._studies import opened, records_out

    results = opened(args)
    front = results.front()
    if args.configs:
        directory = Path(args.configs)
        directory.mkdir(parents=True, exist_ok=True)
        for record in front:
            write_text(directory / f"trial-{record.number}.yaml", results.config(record))
    records_out(args, results, front, f"{len(front)} on the front")
    return 0
