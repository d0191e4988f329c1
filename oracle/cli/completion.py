"""`oracle completion`: a script by which a shell completes commands, flags and shipped names."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oracle.errors import MissingDependencyError

SHELLS = ("bash", "zsh", "tcsh")
_EXAMPLES = """\
examples:
  oracle completion bash        # into ~/.local/share/bash-completion/completions/oracle
  oracle completion zsh         # into _oracle, in a directory of $fpath

The names of shipped networks and devices stand in the script: write it anew after an update."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    from oracle.cli._parser import parser

    add_completion(commands, parser, _names, _EXAMPLES)


def add_completion(
    commands: Any,
    parser: Callable[[], argparse.ArgumentParser],
    names: Callable[[], Mapping[str, Sequence[str]]],
    examples: str,
) -> None:
    """A command `completion` for one program.

    Args:
        commands: argparse's subparsers.
        parser: makes the parser of all commands.
        names: metavar of an argument -> names that it takes besides files; called when the command runs.
        examples: for the help.
    """
    command = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="A script by which a shell completes commands, flags, shipped names and files.",
        epilog=examples,
    )
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
    command.set_defaults(run=_run, parser=parser, names=names)


def _run(args: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError:
        raise MissingDependencyError(
            "completion of a shell needs shtab: pip install 'nas-cost-oracle[completion]'"
        ) from None
    from oracle.report.console import write

    parser, names = args.parser(), args.names()
    functions = {metavar: f"_{parser.prog.replace('-', '_')}_{metavar.lower()}" for metavar in names}
    for action in _actions(parser):
        if action.metavar in functions and action.choices is None:
            action.complete = {"bash": functions[action.metavar], "zsh": functions[action.metavar]}  # type: ignore[attr-defined]
        elif action.metavar == "FILE":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    preamble: Any = {
        word: "\n".join(_function(word, functions[key], names[key]) for key in names) for word in SHELLS[:2]
    }
    write(shtab.complete(parser, shell=args.shell, preamble=preamble) + "\n")
    return 0


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a parser and of its subparsers."""
    found = []
    for action in parser._actions:  # noqa: SLF001 - argparse tells of them in no other way
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            found += [inner for command in action.choices.values() for inner in _actions(command)]
    return found


def _function(shell: str, name: str, words: Sequence[str]) -> str:
    """A function of a shell that offers some words, and files."""
    if shell == "bash":
        return f'{name}() {{ compgen -W \'{" ".join(words)}\' -- "$1"; compgen -f -- "$1"; }}'
    return f"{name}() {{ _alternative 'names:name:({' '.join(words)})' 'files:file:_files'; }}"


def _names() -> Mapping[str, Sequence[str]]:
    from oracle.config import list_networks
    from oracle.devices import list_devices

    networks, devices = list_networks(), list_devices()
    return {"NET": networks, "NETWORK": networks, "DEVICE": devices}
