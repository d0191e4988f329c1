"""A trace is data: what it names is called only if it can do nothing but compute tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.cli import main
from oracle.errors import OracleError
from oracle.imports.counted import counted_operators
from oracle.imports.kineto import read_trace
from oracle.imports.replay import OperatorCall, replay
from tests.mutations import mutated_json


def event(name: str, dims: Any, types: Any, values: Any, index: int = 0) -> dict[str, Any]:
    args = {"Input Dims": dims, "Input type": types, "Concrete Inputs": values, "External id": index}
    return {"ph": "X", "cat": "cpu_op", "name": name, "pid": 1, "tid": 1, "ts": index * 10, "dur": 5, "args": args}


def trace_file(folder: Path, *events: Any) -> Path:
    path = folder / "trace.json"
    path.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "types", "values"),
    [
        ("aten::save", ["Scalar", "Scalar"], ["text", "{mark}"]),
        ("aten::from_file", ["Scalar", "Scalar", "Scalar", "", "", "", ""], ["{mark}", "True", "64", "", "", "", ""]),
        ("aten::load", ["Scalar"], ["{mark}"]),
        ("aten::open", ["Scalar", "Scalar"], ["{mark}", "w"]),
        ("aten::__class__", ["Scalar"], ["{mark}"]),
        ("aten::name", ["Scalar"], ["{mark}"]),
    ],
)
def test_an_operator_that_writes_is_a_row_and_no_call(
    tmp_path: Path, name: str, types: list[str], values: list[str]
) -> None:
    mark = tmp_path / "mark"
    said = [value.format(mark=mark) for value in values]
    (row,) = counted_operators(read_trace(trace_file(tmp_path, event(name, [[]] * len(types), types, said))))
    assert (row.name, row.flops) == (name, None)
    assert not mark.exists()


def test_no_operator_of_a_trace_touches_the_seed_or_threads() -> None:
    before = torch.initial_seed(), torch.random.get_rng_state(), torch.get_num_threads()
    assert replay(OperatorCall("aten::manual_seed", ((),), ("Scalar",), (), ("7",))) is None
    assert replay(OperatorCall("aten::set_num_threads", ((),), ("Scalar",), (), ("7",))) is None
    replay(
        OperatorCall(
            "aten::randn", ((), (), (), (), ()), ("ScalarList", "", "", "", ""), (), ("[4, 4]", "", "", "", "")
        )
    )
    assert (before[0], before[2]) == (torch.initial_seed(), torch.get_num_threads())
    assert torch.equal(before[1], torch.random.get_rng_state())


def test_what_a_trace_makes_from_nothing_takes_no_memory() -> None:
    huge = OperatorCall(
        "aten::ones", ((),) * 5, ("ScalarList", "", "", "", ""), (), ("[1000000000000]", "", "", "", "")
    )
    (kernel,) = replay(huge) or ()
    assert kernel.write_bytes == 4 * 10**12
    many = OperatorCall("aten::unbind", ((10**12,), ()), ("float", "Scalar"), (), ("", "0"))
    assert replay(many) is None  # a tensor for each


def test_an_operator_without_a_formula_is_unknown() -> None:
    call = OperatorCall("aten::linalg_matrix_exp", ((8, 8),), ("float",))
    assert replay(call) is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": ["aten::mm"]}, "name=.*expected a text"),
        ({"pid": {}}, "pid={}: expected a number or a text"),
        ({"tid": [1]}, "tid="),
        ({"ts": 10**400}, "ts=.*expected microseconds"),
        ({"dur": "Infinity"}, "dur="),
        ({"dur": []}, "dur="),
        ({"args": {"External id": float("inf")}}, "External id.*expected an integer"),
        ({"args": {"External id": []}}, "External id"),
        ({"args": {"Input Dims": {"a": 1}, "Input type": ["float"]}}, ""),
        ({"args": {"Input Dims": [[[[[[1]]]]]], "Input type": ["float"]}}, ""),
        ({"args": {"Input Dims": [[2, 3]], "Input type": 7}}, ""),
        ({"args": {"Input Dims": [[2, 3]], "Input type": [None, {}]}}, ""),
        ({"args": {"Input Dims": [[2, 3]], "Input type": ["float", "float"]}}, ""),
        ({"args": {"Input Dims": [["a"], None], "Input type": ["float", "float"]}}, ""),
        ({"args": {"Input Dims": [[10**30, 3], [3, 4]], "Input type": ["float", "float"]}}, ""),
        (
            {"args": {"Input Dims": [[2, 3], [3, 4]], "Input type": ["float", "float"], "Concrete Inputs": "xy"}},
            "flops",
        ),
    ],
)
def test_a_value_of_a_wrong_kind_is_one_line_or_a_row(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = trace_file(tmp_path, {**event("aten::mm", [[2, 3], [3, 4]], ["float", "float"], ["", ""]), **change})
    if complaint and complaint != "flops":
        with pytest.raises(OracleError, match=complaint):
            read_trace(path)
        return
    (row,) = counted_operators(read_trace(path))
    assert row.flops == (48.0 if complaint else None)


def test_a_gzip_that_swells_and_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip
    import os

    path = tmp_path / "t.json.gz"
    monkeypatch.setattr("oracle.imports.kineto._LARGEST", 2**20)
    path.write_bytes(gzip.compress(bytes(2**21)))
    with pytest.raises(OracleError, match="unpacks to more than 1 MiB"):
        read_trace(path)
    path.write_bytes(b"\x1f\x8b\x08\x00damaged in the middle")
    with pytest.raises(OracleError, match="cannot be read"):
        read_trace(path)
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(OracleError, match="a pipe or a device"):
        read_trace(tmp_path / "pipe.json")
    with pytest.raises(OracleError, match="a pipe or a device"):
        read_trace("/dev/zero")


def test_launches_without_ids_find_their_operators_among_many(tmp_path: Path) -> None:
    """They are looked up by time: this took 25 s for 20,000."""
    operators = [event(f"aten::op{i}", [], [], [], i) for i in range(6_000)]
    for item in operators:
        item["args"] = {}
    launches = [
        {**item, "cat": "cuda_runtime", "name": "cudaLaunchKernel", "ts": item["ts"] + 1, "args": {"correlation": i}}
        for i, item in enumerate(operators)
    ]
    kernels = [{**item, "cat": "kernel", "name": f"k{i}", "tid": 7} for i, item in enumerate(launches)]
    found = read_trace(trace_file(tmp_path, *operators, *launches, *kernels))
    assert [kernel.operator for kernel in found.kernels] == [item["name"] for item in operators]


FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "trace.json").read_text(encoding="utf-8"))


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_a_trace_made_wrong_is_a_result_or_one_line(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.json"
    path.write_text(json.dumps(mutated_json(FIXTURE, seed)), encoding="utf-8")
    try:
        counted_operators(read_trace(path))
    except OracleError as error:
        assert "\n" not in str(error)  # noqa: PT017 - no error is right, too


def test_the_command_line_shows_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = tmp_path / "mark"
    path = trace_file(tmp_path, event("aten::save", [[], []], ["Scalar", "Scalar"], ["text", str(mark)]))
    assert main(["import", str(path), "--format", "csv"]) == 0
    assert "aten::save" in capsys.readouterr().out
    assert not mark.exists()
