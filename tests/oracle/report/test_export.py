from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from oracle.errors import OracleError
from oracle.report.export import check_writable, finite, to_csv, to_json, write_text
from oracle.report.marks import MARKS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.dictionaries(st.text(), SCALARS | st.lists(SCALARS) | st.dictionaries(st.text(), SCALARS)))
def test_json_is_what_every_reader_accepts(data: dict[str, Any]) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(to_json(data), parse_constant=refuse)
    assert set(found) == {"oracle", *data}
    for key, value in data.items():
        if key != "oracle" and isinstance(value, float):
            assert found[key] == (value if math.isfinite(value) else None)


def test_dataclasses_are_dicts_however_deep() -> None:
    mark = MARKS[0]
    assert finite({"marks": (mark, {"of": mark}), "worst": math.inf}) == {
        "marks": [
            {**asdict(mark), "classes": list(mark.classes)},
            {"of": {**asdict(mark), "classes": list(mark.classes)}},
        ],
        "worst": None,
    }


def test_json_names_the_version_first() -> None:
    assert to_json({"a": 1}) == f'{{\n  "oracle": "{oracle.__version__}",\n  "a": 1\n}}\n'


def test_csv_reads_back() -> None:
    rows = [
        {"name": 'with "quotes", commas\nand lines', "time_ms": 0.1, "fits": True},
        {"name": "b", "time_ms": math.nan, "fits": None},
    ]
    text = to_csv(rows)
    assert "\r" not in text
    assert list(csv.DictReader(io.StringIO(text))) == [
        {"name": 'with "quotes", commas\nand lines', "time_ms": "0.1", "fits": "True"},
        {"name": "b", "time_ms": "", "fits": ""},
    ]
    assert to_csv([]) == "\n"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_csv_keeps_every_digit(value: float) -> None:
    assert float(to_csv([{"x": value}]).splitlines()[1]) == value


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_text(tmp_path / "new", "größe\n")
    assert (tmp_path / "new").read_bytes() == "größe\n".encode()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "usual"]


def test_an_old_file_keeps_its_rights(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x", encoding="utf-8")
    (tmp_path / "old").chmod(0o640)
    write_text(str(tmp_path / "old"), "y")
    assert (tmp_path / "old").read_text(encoding="utf-8") == "y"
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o640


def test_a_reader_of_the_old_file_sees_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    with path.open(encoding="utf-8") as reader:
        write_text(path, "new")
        assert reader.read() == "old"
    assert path.read_text(encoding="utf-8") == "new"


def test_a_write_that_fails_half_way_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")

    def failing(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OracleError, match=r"output='.*file' cannot be written: No space left on device"):
        write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/such/file", "No such file or directory"),
        ("file/below", "it is below a file"),
        (".", "it is a directory"),
        ("x" * 300, "File name too long"),
        ("a\0b", "null"),
    ],
)
def test_what_cannot_be_written_is_an_error_for_people(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    for call in (check_writable, lambda path: write_text(path, "x")):
        with pytest.raises(OracleError, match=f"cannot be written: .*{reason}"):
            call(tmp_path / name)


def test_what_can_be_written_is_not_touched_by_asking(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old", encoding="utf-8")
    for name in ("old", "new", os.devnull):
        check_writable(tmp_path / name)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_what_is_no_regular_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_text_from_elsewhere_is_no_formula_and_numbers_stay() -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv([{"name": "=1+1", "kernel": "a\x1b[2J", "time_ms": -0.5, "n": "-0.5"}])))
    assert row == {"name": "'=1+1", "kernel": "a [2J", "time_ms": "-0.5", "n": "-0.5"}
