"""`oracle-search best`: the best feasible network of a study."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.errors import OracleError

from ._studies import add_plain, add_study

_EXAMPLES = """\
examples:
  oracle-search best digits
  oracle-search best digits --objective latency_ms@t4
  oracle-search best digits --yaml best.yaml && oracle score best.yaml -d t4
  oracle-search best digits --yaml train.yaml --plain    # for pycls"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "best",
        help="the best feasible trial of a study",
        description="The best feasible trial: networks that break a constraint are never best.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    command.add_argument("--objective", default="", metavar="NAME", help="the one that decides (default: the first)")
    command.add_argument(
        "--yaml",
        metavar="FILE",
        help="write the network's config with the study's workload, for `oracle score`; - prints it",
    )
    add_plain(command, "--yaml")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ._studies import opened, records_out

    if args.plain and not args.yaml:
        raise OracleError("--plain is about --yaml, which was not given")
    results = opened(args)
    record = results.best(args.objective)
    if args.yaml == "-":
        from oracle.report.console import write

        write(results.config(record, plain=args.plain))
        return 0
    if args.yaml:
        from oracle.report.export import write_text

        write_text(args.yaml, results.config(record, plain=args.plain))
    records_out(args, results, [record], "Best feasible")
    return 0
