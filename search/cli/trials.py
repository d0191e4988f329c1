"""`oracle-search trials`: every trial of a study."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._output import deliver

from ._studies import add_study

_EXAMPLES = """\
examples:
  oracle-search trials digits
  oracle-search trials digits --outcome evaluated"""

_OUTCOMES = ("evaluated", "pruned", "failed", "rejected", "reused", "busy", "lost")


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "trials",
        help="every trial of a study, and what became of it",
        description="Every trial: evaluated, pruned or failed; rejected by which constraint; reused from which trial.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    command.add_argument("--outcome", choices=_OUTCOMES, help="only these")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..report.study_tables import trial_tables
    from ._studies import opened

    results = opened(args)
    chosen = [trial for trial in results.trials if args.outcome in (None, trial.outcome)]
    rows = [row for row in results.rows() if args.outcome in (None, row["outcome"])]
    deliver(
        args,
        table=lambda: trial_tables(results, chosen),
        data=lambda: {"study": results.plan.name, "trials": rows},
        rows=lambda: rows,
    )
    return 0
