"""`oracle-search completion`: a script by which a shell completes commands, flags and shipped names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from oracle.cli.completion import add_completion

_EXAMPLES = """\
examples:
  oracle-search completion bash        # into ~/.local/share/bash-completion/completions/oracle-search
  oracle-search completion zsh         # into _oracle-search, in a directory of $fpath"""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    from ._parser import parser

    add_completion(commands, parser, _names, _EXAMPLES)


def _names() -> Mapping[str, Sequence[str]]:
    from oracle._resources import shipped
    from oracle.devices import list_devices

    return {"SPACE": sorted(shipped("spaces")), "STUDY": sorted(shipped("studies")), "DEVICE": list_devices()}
