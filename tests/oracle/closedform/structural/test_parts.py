from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from oracle.closedform.structural.parts import Parts, archive_of, load_parts, member_of
from oracle.families.nasbench201 import CELL
from oracle.spec import Workload
from tests.benchmarks.templates.plain import plain_parts
from tests.benchmarks.templates.structures import make_parts, traced_workloads
from tests.nightly import unless
from tests.programs import imported


def text_of(parts: Parts) -> str:
    return json.dumps(plain_parts(parts))


# One of each dtype, mode, layout and way to keep weights; bfloat16 loads what float16 has made.
_ALWAYS = [
    Workload(mode="training"),
    Workload(dtype="float16", layout="nhwc"),
    Workload(dtype="bfloat16", weights="bfloat16"),
]
_AT_NIGHT = [*traced_workloads(), Workload(dtype="bfloat16")]


@pytest.mark.parametrize(
    "asked",
    unless(_ALWAYS.__contains__, dict.fromkeys([*_ALWAYS, *_AT_NIGHT])),
    ids=lambda asked: f"{asked.dtype}-{member_of(asked)}",
)
def test_the_shipped_parts_are_those_that_traces_make_now(asked: Workload) -> None:
    shipped = load_parts(CELL, member_of(asked))
    made = make_parts(CELL, asked)

    assert shipped.keys() == made.keys()
    assert text_of(shipped) == text_of(made)


def test_there_is_a_member_for_all_that_traces_tell_apart() -> None:
    with zipfile.ZipFile(archive_of(CELL)) as file:
        assert file.namelist() == [member_of(workload) for workload in traced_workloads()]
    assert member_of(Workload(dtype="tf32", batch_size=8)) == member_of(Workload())
    assert member_of(Workload(dtype="int8", runtime="engine")) == member_of(Workload())


def test_what_is_damaged_is_not_there(tmp_path: Path) -> None:
    archive, member = tmp_path / "parts.zip", member_of(Workload())
    assert load_parts(CELL, member, archive) == {}
    whole = archive_of(CELL).read_bytes()
    for position, bad in enumerate((whole[:200], b"x" * 50, whole[:90] + b"\0\0\0\0" + whole[94:])):
        damaged = tmp_path / f"{position}.zip"
        damaged.write_bytes(bad)
        assert load_parts(CELL, member, damaged) == {}
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(member, '{"sizes": [], "parts": [{"key": [1]}]}')
    assert load_parts(CELL, member, archive) == {}


def test_parts_load_and_compose_without_torch() -> None:
    code = """
from oracle.closedform.structural.desk import desk_of
from oracle.closedform.structural.stock import StockKey
from oracle.closedform.template import Format
from oracle.families.graphs import structure_of
from oracle.spec import Workload
desk = desk_of(StockKey("nasbench201_cell", Workload(), (), Format.image("float32", 4, "nchw"), None))
(cell,), _ = desk.cells(["|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|"])
assert cell is not None
"""
    assert imported(code, {"torch", "sympy"}) == set()
