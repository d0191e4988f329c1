"""The parts that structural cells are made of: what one edge runs, and what a sum of two edges runs, as data.

Each is a table traced once with symbols. They ship with the package, one archive per kind of cell with a member per
workload that traces tell apart. Free of torch.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from oracle.closedform.structural.sizes import Size, polynomial
from oracle.closedform.structural.tables import table_of
from oracle.closedform.template import Format
from oracle.optable import OpTable
from oracle.spec import HALVES, Workload

SUM = "+"
"""The operation of a node: the sum of two tensors."""

Guard = tuple[str, Size, Size]

_FOLDER = Path(__file__).resolve().parents[1] / "shipped"


class PartKey(NamedTuple):
    """What a part is for.

    Attributes:
        operation: of an edge, or `SUM`.
        pinned: those of the cell's dimensions that are 0 or 1, with their value.
        input: format of the tensor that enters; of both for a sum.
        gradient: format of what enters from behind, None in inference; of a sum None too, for it hands that on.
    """

    operation: str
    pinned: tuple[tuple[str, int], ...]
    input: tuple[Format, ...]
    gradient: Format | None


@dataclass(frozen=True, eq=False)
class Part:
    """What one operation runs on an edge.

    Attributes:
        table: its operators and their memory, as if it were a cell of its own; sizes are `Poly`s.
        guards: relations that the trace relied on.
        output: dimensions of what leaves it.
        output_format, input_gradient: formats of what leaves it at both ends.
        pycls: MACs and activations as pycls counts them.
    """

    table: OpTable
    guards: tuple[Guard, ...]
    output: tuple[Size, ...]
    output_format: Format
    input_gradient: Format | None
    pycls: tuple[Size, Size]


Parts = Mapping[PartKey, Part]


def archive_of(kind: str) -> Path:
    """The file that holds the parts of a kind of cell."""
    return _FOLDER / f"{kind}.parts.zip"


def member_of(workload: Workload) -> str:
    """The name of a workload's parts in an archive; it names what of the workload traces tell apart."""
    workload = workload.unquantised
    stored = f"{workload.weights}-weights" if workload.weights in HALVES else "float32"
    names = [workload.autocast_dtype or stored, workload.mode, workload.layout]
    return "-".join([*names, *([workload.optimizer] if workload.training else [])]) + ".json"


@lru_cache(maxsize=32)
def load_parts(kind: str, member: str, archive: Path | None = None) -> Parts:
    """The parts of a kind under a workload; none where nothing ships for it.

    Args:
        kind: of the cell.
        member: what `member_of` says of the workload.
        archive: another file than the shipped one.
    """
    text = _member(archive or archive_of(kind), member.replace("bfloat16", "float16"))
    if "bfloat16" in member:  # the two half precisions differ by name only
        text = text.replace("float16", "bfloat16")
    try:
        return _parts_of(json.loads(text))
    except (ValueError, KeyError, TypeError, IndexError):
        return {}


def _member(archive: Path, name: str) -> str:
    """A member of an archive whose checksum is right; "" where there is none."""
    try:
        with zipfile.ZipFile(archive) as file:
            return file.read(name).decode()
    except Exception:  # noqa: BLE001 - zipfile, given what no one meant it to get, raises anything
        return ""


def _parts_of(data: Mapping[str, Any]) -> Parts:
    sizes = [polynomial({tuple(names): factor for factor, *names in terms}) for terms in data["sizes"]]

    def size(value: Any) -> Size:
        return sizes[int(value)] if isinstance(value, str) else value

    found = {}
    for one in data["parts"]:
        operation, pinned, inputs, gradient = one["key"]
        key = PartKey(operation, tuple(map(tuple, pinned)), tuple(map(_format, inputs)), gradient and _format(gradient))
        dims, output_format, input_gradient = one["output"]
        found[key] = Part(
            table_of(one, size),
            tuple((name, size(a), size(b)) for name, a, b in one["guards"]),
            tuple(map(size, dims)),
            _format(output_format),
            input_gradient and _format(input_gradient),
            (size(one["pycls"][0]), size(one["pycls"][1])),
        )
    return found


def _format(plain_format: Any) -> Format:
    return Format(plain_format[0], tuple(plain_format[1]))
