"""The parser of all commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from oracle.cli._parser import Parser, add_commands

PROGRAM = "oracle-search"

COMMANDS = {
    "spaces": f"{__package__}.spaces",
    "sweep": f"{__package__}.sweep",
    "pareto": f"{__package__}.pareto",
    "report": f"{__package__}.report",
    "plot": f"{__package__}.plot",
    "run": f"{__package__}.run",
    "worker": f"{__package__}.worker",
    "resume": f"{__package__}.resume",
    "best": f"{__package__}.best",
    "trials": f"{__package__}.trials",
    "rerank": f"{__package__}.rerank",
    "export": f"{__package__}.export",
    "schema": f"{__package__}.schema",
    "completion": f"{__package__}.completion",
}
"""Command -> the module that adds it to a parser and imports argparse only, in the order of the help."""

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

`oracle-search COMMAND --help` shows more."""


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """A parser whose result has `run`, a function of the parsed arguments that returns the exit code.

    Args:
        arguments: as in `oracle.cli._parser.parser`.
    """
    main = Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EXAMPLES)
    add_commands(main, COMMANDS, arguments)
    return main
