"""`oracle-search export`: a study as a file."""

from __future__ import annotations

import argparse
from typing import Any

from ._studies import add_study

_EXAMPLES = """\
examples:
  oracle-search export digits -o trials.csv
  oracle-search export digits -o study.json   # with the plan: space, devices, objectives, constraints"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "export",
        help="write all trials of a study as CSV or JSON",
        description="Every trial with its config, all scores on all devices, constraint values and quality.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.cli._output import deliver

    from ..report.study_tables import trial_tables
    from ._studies import opened

    results = opened(args)
    deliver(
        args,
        table=lambda: trial_tables(results, results.trials),
        data=lambda: {"study": results.plan.name, "plan": results.plan.values, "trials": results.rows()},
        rows=results.rows,
    )
    return 0
