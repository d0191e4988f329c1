"""The parser of all commands."""

from __future__ import annotations

import argparse
from importlib import import_module

from oracle.cli._parser import TRACEBACK, Parser, Version

__all__ = ["PROGRAM", "parser"]

PROGRAM = "oracle-search"

# One module per command, in the order of the help: each has `add(subparsers)` and imports argparse only.
COMMANDS = (
    "search.cli.spaces",
    "search.cli.sweep",
    "search.cli.pareto",
    "search.cli.report",
    "search.cli.plot",
    "search.cli.run",
    "search.cli.worker",
    "search.cli.resume",
    "search.cli.best",
    "search.cli.trials",
    "search.cli.rerank",
    "search.cli.export",
)

_DESCRIPTION = """\
Which network should I take?

Sweep a design space and score every candidate on every device, without training any of them;
find the candidates that no other beats, and how far devices agree about them."""

_EXAMPLES = """\
examples:
  oracle-search spaces
  oracle-search sweep regnetx -d t4 -d pixel-4 --n 1000 --out out/regnetx --workers 2
  oracle-search pareto out/regnetx --objective 'min latency_ms' --objective 'max macs'
  oracle-search report out/regnetx -o sweep.html

`oracle-search COMMAND --help` tells more."""


def parser() -> argparse.ArgumentParser:
    """A parser whose result has `run`, a function of the parsed arguments that returns the exit code."""
    main = Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EXAMPLES)
    main.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    main.add_argument(TRACEBACK, action="store_true", help="show where a defect arose")
    commands = main.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(name).add(commands)
    return main
