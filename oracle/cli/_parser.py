"""The parser of all commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from oracle.cli import (
    calibrate,
    devices,
    fit,
    import_,
    knobs,
    measure,
    networks,
    ops,
    plot,
    probe,
    rank,
    report,
    roofline,
    score,
    validate,
)
from oracle.errors import OracleError

__all__ = ["COMMANDS", "TRACEBACK", "Parser", "Version", "parser"]

COMMANDS = (
    score,
    ops,
    rank,
    report,
    roofline,
    plot,
    fit,
    knobs,
    devices,
    networks,
    probe,
    measure,
    import_,
    calibrate,
    validate,
)
"""In the order of the help."""
TRACEBACK = "--traceback"

_DESCRIPTION = """\
What does a network cost on a device, before it is trained or deployed?

From a config alone: MACs, FLOPs, parameters, memory traffic, peak memory, and roofline latency
with what bounds it. No weights, no data, no target device."""

_EXAMPLES = """\
examples:
  oracle score RegNetX-400MF ResNet-50 --device rtx-4090 --batch 64 --dtype float16
  oracle ops ResNet-50 --device t4 --by class
  oracle rank configs/networks/regnetx --device rtx-4090 --device jetson-agx-orin
  oracle report ResNet-50 --device t4 --batch 64 -o page.html
  oracle roofline ResNet-50 --device t4 --batch 64 -o fig.svg
  oracle fit ResNet-50 --device t4
  oracle knobs RegNetX-400MF --device t4
  oracle devices jetson-agx-orin
  oracle networks 'regnet*'
  oracle probe -o host.yaml
  oracle measure regnetx --device-file host.yaml -o m.csv
  oracle calibrate --device host.yaml --measurements m.csv -o my.yaml

k, M, G and T are powers of ten: 1 GB = 10**9 bytes. One MAC is two FLOPs.
`oracle COMMAND --help` tells more."""


class Parser(argparse.ArgumentParser):
    """One line for an error, as for all other errors of a user."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise OracleError(f"{message}; see `{self.prog} --help`")


class Version(argparse.Action):
    """`--version`, which looks the version up only when asked."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 - argparse's signature
        values: str | Sequence[Any] | None,  # noqa: ARG002
        option_string: str | None = None,  # noqa: ARG002
    ) -> NoReturn:
        import oracle

        sys.stdout.write(f"{parser.prog} {oracle.__version__}\n")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """A parser whose result has `run`, a function of the parsed arguments that returns the exit code."""
    main = Parser(prog="oracle", description=_DESCRIPTION, epilog=_EXAMPLES)
    main.add_argument("--version", action=Version, nargs=0, help="show the version and exit")
    main.add_argument(TRACEBACK, action="store_true", help="show where a defect of the oracle arose")
    commands = main.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return main
