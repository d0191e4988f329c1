"""`oracle-search spaces`: the design spaces that ship with the oracle, or what one of them holds."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_output
from oracle.cli._output import deliver

_EXAMPLES = """\
examples:
  oracle-search spaces
  oracle-search spaces regnetx
  oracle-search spaces my/space.yaml            # checks a space file of your own"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "spaces",
        help="list design spaces, or show one with its samplers and limits",
        description="The shipped design spaces; or what each key of one may be, and what a member may cost.",
        epilog=_EXAMPLES,
    )
    command.add_argument("space", nargs="?", metavar="SPACE", help="name, or path of a space file")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle._resources import shipped

    from ..report.tables import space_tables, spaces_tables
    from ..space import load_space

    spaces = [load_space(name) for name in ([args.space] if args.space else sorted(shipped("spaces")))]
    deliver(
        args,
        table=lambda: space_tables(spaces[0]) if args.space else spaces_tables(spaces),
        data=lambda: {"spaces": [{**_row(space), "SETUP": space.setup} for space in spaces]},
        rows=lambda: [_row(space) for space in spaces],
    )
    return 0


def _row(space: Any) -> dict[str, Any]:
    return {
        "space": space.name,
        "type": space.base.MODEL.TYPE,
        "keys": len(space.samplers),
        "combinations": space.size,
        "enumerated": space.enumerated,
        "candidates": space.length,
        "chunks": space.chunks,
        "limits": len(space.limits),
    }
