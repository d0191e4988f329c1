"""`oracle-search worker`: join a running study, from this machine or another."""

from __future__ import annotations

import argparse
from typing import Any

from ._studies import add_accept, add_study

_EXAMPLES = """\
examples:
  oracle-search worker digits                                  # the journal digits.journal in this directory
  oracle-search worker digits --storage postgresql://user@host/db

The worker takes everything from the storage and ends when the study has its trials. Workers that die are
noticed, and what they were at is tried again."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "worker",
        help="join a running study",
        description="Work on a study beside its other workers, until it has its trials.",
        epilog=_EXAMPLES,
    )
    add_study(command)
    add_accept(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..study import find_study, join_study
    from ._studies import summarise
    from ._watching import resume_command, watching

    name, storage = find_study(args.study, args.storage)
    with watching(resume_command(name, storage)) as watcher:
        results = join_study(name, storage, watcher=watcher, accept_changed_quality=args.accept_changed_quality)
    return summarise(args, results)
