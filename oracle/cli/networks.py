"""`oracle networks`: what ships with the oracle."""

from __future__ import annotations

import argparse
from typing import Any

from oracle.cli._flags import add_output
from oracle.cli._output import deliver
from oracle.errors import OracleError

_EXAMPLES = """\
examples:
  oracle networks
  oracle networks regnet                        # part of a name or of its directory
  oracle networks 'RegNet?-4*'"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    command = commands.add_parser(
        "networks",
        help="list networks",
        description="The shipped networks. A name or directory of this list stands for them as a NET.",
        epilog=_EXAMPLES,
    )
    command.add_argument("pattern", nargs="?", default="", metavar="PATTERN", help="only those that match, in any case")
    add_output(command)
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.report.table.networks import networks_tables

    rows = [_row(name, directory) for name, directory in _matching(args.pattern)]
    deliver(
        args,
        table=lambda: networks_tables(rows),
        data=lambda: {"networks": rows},
        rows=lambda: rows,
    )
    return 0


def _matching(pattern: str) -> list[tuple[str, str]]:
    """Name and directory of the networks that match, by directory and name."""
    from fnmatch import fnmatchcase

    from oracle._resources import closest, shipped

    every = [(name, path.parent.name) for name, path in shipped("networks").items()]
    wanted = pattern.lower() if any(c in pattern for c in "*?[") else f"*{pattern.lower()}*"
    found = [pair for pair in every if any(fnmatchcase(word.lower(), wanted) for word in pair)]
    if not found:
        near = closest(pattern, [name for name, _ in every]) or "; `oracle networks` lists all"
        raise OracleError(f"no shipped network matches {pattern!r}{near}")
    return sorted(found, key=lambda pair: pair[::-1])


def _row(name: str, directory: str) -> dict[str, Any]:
    from oracle.config import load_cfg
    from oracle.families import to_spec

    cfg = load_cfg(name)
    net = to_spec(cfg)
    return {
        "network": name,
        "directory": directory,
        "type": cfg.MODEL.TYPE,
        "input": "x".join(map(str, net.input_shape)),
        "classes": None if cfg.MODEL.TYPE == "decoder" else cfg.MODEL.NUM_CLASSES,
        "cells": len(net.cells),
    }
