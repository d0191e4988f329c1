"""`oracle-search resume`: go on with a study that stopped, or that is to have more trials."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import natural

from ._studies import add_accept, add_study, add_workers

_EXAMPLES = """\
examples:
  oracle-search resume digits                # after a crash: what was running is tried again
  oracle-search resume digits --trials 500   # until it has 500 evaluated trials"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "resume",
        help="go on with a study",
        description="Go on with a study that stopped; nothing that it has evaluated is evaluated again.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    command.add_argument("--trials", type=natural, metavar="N", help="evaluated trials in the end (default: TRIALS)")
    add_accept(command)
    add_workers(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..study import find_study, join_study
    from ..study.results import open_results
    from ._helpers import helped
    from ._studies import helpers_of, summarise
    from ._watching import resume_command, watching

    name, storage = find_study(args.study, args.storage)
    words = {"trials": args.trials, "accept_changed_quality": args.accept_changed_quality}
    count = helpers_of(args, open_results(name, storage).plan) if args.workers > 1 else 0
    with (
        watching(resume_command(name, storage)) as watcher,
        helped(count, name, storage, watcher, **words) as watcher,
    ):
        results = join_study(name, storage, watcher=watcher, **words)
    return summarise(args, results)
