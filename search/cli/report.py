"""`oracle-search report`: one HTML page about a sweep or a study."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._output import add_page, deliver_page

from ._sources import add_pictured, candidates_of, command_of, is_candidates, pictured_results

_EXAMPLES = """\
examples:
  oracle-search report out/regnetx -o sweep.html
  oracle-search report trials.csv --objective 'max accuracy' -o trials.html
  oracle-search report digits -o digits.html

The page holds all it needs: it opens without a network, in any browser, and prints. Of more than
10,000 candidates it shows those on a front, and others drawn at random."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "report",
        help="one HTML page: fronts per device, rank flips, knobs of the best, a study's progress",
        description="One self-contained HTML page about the candidates of a sweep or the trials of a study: latency\n"
        "against what it buys on every device, ranks, what the best have in common, and of a study how\n"
        "its front grew and what its limits turned away.",
        epilog=_EXAMPLES,
    )
    add_pictured(command)
    add_page(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if is_candidates(args.source):
        from ..pareto import objectives_of
        from ..report import sweep_page

        page = sweep_page(candidates_of(args), objectives_of(args.objective), command_of(args))
    else:
        from ..report import study_page

        page = study_page(pictured_results(args), command_of(args))
    deliver_page(args.output, page)
    return 0
