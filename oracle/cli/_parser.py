"""The parser of all commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

from oracle._resources import closest
from oracle.errors import OracleError

COMMANDS = {
    "score": "oracle.cli.score",
    "ops": "oracle.cli.ops",
    "rank": "oracle.cli.rank",
    "report": "oracle.cli.report",
    "roofline": "oracle.cli.roofline",
    "plot": "oracle.cli.plot",
    "fit": "oracle.cli.fit",
    "serving": "oracle.cli.serving",
    "knobs": "oracle.cli.knobs",
    "devices": "oracle.cli.devices",
    "networks": "oracle.cli.networks",
    "probe": "oracle.cli.probe",
    "measure": "oracle.cli.measure",
    "import": "oracle.cli.import_",
    "calibrate": "oracle.cli.calibrate",
    "validate": "oracle.cli.validate",
    "serve": "oracle.cli.serve",
    "schema": "oracle.cli.schema",
    "completion": "oracle.cli.completion",
}
"""Command -> the module that adds it to a parser, in the order of the help."""
TRACEBACK = "--traceback"
_VERSION = "--version"
_DASHES = "-\u2013\u2014"  # and what word processors make of one and of two

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
  oracle serve --port 8000

k, M, G and T are powers of ten: 1 GB = 10**9 bytes. One MAC is two FLOPs.
`oracle COMMAND --help` shows more."""


class Parser(argparse.ArgumentParser):
    """One line for an error, as for all other errors of a user."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but a command complains itself of what it does not know, and names what it has."""
        if args is not None and " " in self.prog:
            self._check_flags(args)
        found, rest = super().parse_known_args(args, namespace)
        if rest and " " in self.prog:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest

    def _check_flags(self, args: Sequence[str]) -> None:
        """Complain of a flag that there is not, before anything is missing; of one behind a single dash, too."""
        known = self._option_string_actions
        for at, word in enumerate(args):
            if word == "--":
                return
            name = word.partition("=")[0]
            meant = f"--{name.lstrip(_DASHES)}"
            if name not in known and (name.startswith("--") or (name[:1] in [*_DASHES] and meant in known)):
                near = closest(meant, [flag for flag in known if len(flag) > 2], 1)
                value = [text for text in args[at + 1 : at + 2] if not text.startswith("-")]
                self.error(f"unrecognized arguments: {' '.join([word, *value])}{near}")

    def error(self, message: str) -> NoReturn:
        raise OracleError(f"{message}; see `{self.prog} --help`")


class Version(argparse.Action):
    """`--version`, which looks the version up only when requested."""

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


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """A parser whose result has `run`, a function of the parsed arguments that returns the exit code.

    Args:
        arguments: what will be parsed: of the command that they name alone the flags are set up. All are, where they
            name none.
    """
    main = Parser(prog="oracle", description=_DESCRIPTION, epilog=_EXAMPLES)
    add_commands(main, COMMANDS, arguments)
    return main


def add_commands(main: argparse.ArgumentParser, commands: Mapping[str, str], arguments: Sequence[str]) -> None:
    """The flags of a program, and its commands, or the one that some arguments name."""
    main.add_argument(_VERSION, action=Version, nargs=0, help="show the version and exit")
    main.add_argument(TRACEBACK, action="store_true", help="show where a defect of the oracle arose")
    added = main.add_subparsers(title="commands", metavar="COMMAND", required=True)
    first = next((word for word in arguments if word != TRACEBACK), "")
    needed = [commands[first]] if first in commands else [] if first == _VERSION else commands.values()
    for module in needed:
        import_module(module).add(added)
