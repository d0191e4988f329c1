"""`oracle schema`: the JSON Schema of a kind of file, by which editors complete and check it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from oracle.cli._output import check_file

_EXAMPLES = """\
examples:
  oracle schema network -o network.schema.json
  oracle schema device

The first line of a file that an editor shall check, with the YAML language server of VS Code, Vim, Emacs and others:
  # yaml-language-server: $schema=network.schema.json"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    add_schema(commands, _schemas, ("network", "device", "calibration"), _EXAMPLES)


def add_schema(
    commands: Any, schemas: Callable[[], Mapping[str, Callable[[], Any]]], kinds: tuple[str, ...], examples: str
) -> None:
    """A command `schema` for some kinds of files.

    Args:
        commands: argparse's subparsers.
        schemas: kind -> what makes its schema; called when the command runs.
        kinds: the same kinds.
        examples: for the help.
    """
    command = commands.add_parser(
        "schema",
        help="print the JSON Schema of a kind of file",
        description="The JSON Schema (draft 7) of a kind of file: its keys, their types, defaults and meaning.",
        epilog=examples,
    )
    command.add_argument("kind", choices=kinds, metavar="KIND", help=f"one of {', '.join(kinds)}")
    command.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    command.set_defaults(run=_run, check=_check, schemas=schemas)


def _check(args: argparse.Namespace) -> None:
    check_file(args.output, ("json", ""))


def _run(args: argparse.Namespace) -> int:
    from oracle.report.console import write
    from oracle.report.export import write_text
    from oracle.schemas import text_of

    text = text_of(args.schemas()[args.kind]())
    if args.output in (None, "-"):
        write(text)
    else:
        write_text(args.output, text)
    return 0


def _schemas() -> Mapping[str, Callable[[], Any]]:
    from oracle.schemas import calibration_schema, device_schema, network_schema

    return {"network": network_schema, "device": device_schema, "calibration": calibration_schema}
