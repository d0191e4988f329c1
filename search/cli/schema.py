"""`oracle-search schema`: the JSON Schema of design spaces and studies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oracle.cli.schema import add_schema

_EXAMPLES = """\
examples:
  oracle-search schema space -o space.schema.json
  oracle-search schema study

`oracle schema` has those of networks, devices and calibrations."""


def add(commands: Any) -> None:
    """Add the command to argparse's subparsers."""
    add_schema(commands, _schemas, ("space", "study"), _EXAMPLES)


def _schemas() -> Mapping[str, Callable[[], Any]]:
    from ..schemas import space_schema, study_schema

    return {"space": space_schema, "study": study_schema}
