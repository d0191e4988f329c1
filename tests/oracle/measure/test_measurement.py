from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import OracleError
from oracle.measure import Measurement, measurements_csv, read_measurements, write_measurements
from oracle.spec import Workload
from tests.mutations import mutated_text
from tests.nightly import examples

ONE = Measurement(
    "ResNet-50",
    "my, board",
    Workload(8, "bfloat16", "training", "compiled", "nhwc", "adamw", threads=4),
    12.5,
    iqr_ms=0.25,
    min_ms=12.25,
    repeats=10,
    affinity="0-3,8",
    clock="wall",
    torch="2.13.0+cpu",
    date="2026-01-31",
    family="resnet",
)
HEADER = "network,device,batch_size,dtype,runtime,layout,mode,latency_ms"


def test_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    bare = Measurement("net", "dev", Workload(), 0.0125)
    write_measurements(path, [ONE, bare])
    assert read_measurements(path) == [ONE, bare]
    assert [file.name for file in tmp_path.iterdir()] == ["m.csv"]
    assert ONE.spread == pytest.approx(0.02)
    assert bare.spread is None


def test_what_is_not_known_is_empty() -> None:
    line = measurements_csv([Measurement("net", "dev", Workload(), 1.0)]).splitlines()[1]
    assert line == "net,dev,1,float32,eager,nchw,inference,1,,,,,,,wall,,,"


def test_a_swept_cache_and_a_graph_have_columns_where_there_are_any(tmp_path: Path) -> None:
    rows = [
        replace(ONE, cache="cold"),
        replace(ONE, workload=ONE.workload.with_(cuda_graphs=True), clock="events"),
        ONE,
    ]
    write_measurements(tmp_path / "networks.csv", rows)
    assert read_measurements(tmp_path) == rows  # a folder stands for this file of it
    header, *lines = measurements_csv(rows).splitlines()
    assert header.endswith(",family,cache,graph")
    assert [line.split(",")[-2:] for line in lines] == [["cold", ""], ["", "yes"], ["", ""]]


def test_weights_are_a_column_where_they_are_not_the_usual_ones(tmp_path: Path) -> None:
    half = Measurement("net", "dev", Workload(dtype="float16", weights="float16"), 1.0)
    assert "weights" not in measurements_csv([ONE])
    write_measurements(tmp_path / "m.csv", [ONE, half])
    assert read_measurements(tmp_path / "m.csv") == [ONE, half]


def test_an_engine_is_a_column_where_there_is_one(tmp_path: Path) -> None:
    words = Workload(dtype="int8", runtime="engine", engine="ncnn", threads=4)
    quick = Measurement("net", "dev", words, 1.0, release="ncnn 1.0, pnnx 2")
    assert "engine" not in measurements_csv([ONE]).splitlines()[0]
    write_measurements(tmp_path / "m.csv", [ONE, quick])
    assert read_measurements(tmp_path / "m.csv") == [ONE, quick]
    line = measurements_csv([quick]).splitlines()[1]
    assert line == 'net,dev,1,int8,engine,nchw,inference,1,,,,,4,,wall,,,,ncnn,"ncnn 1.0, pnnx 2"'


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match=r"output=.*cannot be written"):
        write_measurements(tmp_path / "nowhere" / "m.csv", [ONE])
    (tmp_path / "m.csv").mkdir()
    with pytest.raises(OracleError, match=r"output=.*cannot be written"):
        write_measurements(tmp_path / "m.csv", [ONE])
    assert [file.name for file in tmp_path.iterdir()] == ["m.csv"]


def test_columns_in_any_order_blank_lines_and_a_bom(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        "\ufefflatency_ms, mode,layout,runtime,dtype,batch_size,device,network\n\n"
        "2.5,inference,nchw,eager,float16,4,t4,a\n",
        encoding="utf-8",
    )
    assert read_measurements(path) == [Measurement("a", "t4", Workload(4, "float16"), 2.5)]


@pytest.mark.parametrize(
    ("header", "row", "complaint"),
    [
        (HEADER, "a,b,1,float32,eager,nchw,inference,fast", "m.csv:2: latency_ms='fast': expected"),
        (HEADER, "a,b,1,float32,eager,nchw,inference,0", "m.csv:2: latency_ms='0': expected a positive"),
        (HEADER, "a,b,1,float32,eager,nchw,inference,nan", "m.csv:2: latency_ms='nan'"),
        (HEADER, "a,b,1.5,float32,eager,nchw,inference,1", "m.csv:2: batch_size='1.5': expected an integer"),
        (HEADER, "a,b,1,fp32,eager,nchw,inference,1", "m.csv:2: dtype='fp32': expected one of float32"),
        (HEADER, "a,b,1,,eager,nchw,inference,1", "m.csv:2: dtype='': expected a word"),
        (HEADER, ",b,1,float32,eager,nchw,inference,1", "m.csv:2: network='': expected a word"),
        (HEADER, "a,b,1,float32,eager,nchw,inference", "m.csv:2: expected 8 fields, found 7"),
        (HEADER, 'a,"b,1,float32', "broken CSV"),
        (HEADER + ",threads", "a,b,1,float32,eager,nchw,inference,1,0", "m.csv:2: threads='0'"),
        (HEADER + ",date", "a,b,1,float32,eager,nchw,inference,1,today", "m.csv:2: date='today'"),
        (HEADER + ",clock", "a,b,1,float32,eager,nchw,inference,1,sun", "m.csv:2: clock='sun'"),
        (HEADER + ",cache", "a,b,1,float32,eager,nchw,inference,1,hot", "m.csv:2: cache='hot': expected warm or cold"),
        (HEADER + ",graph", "a,b,1,float32,eager,nchw,inference,1,1", "m.csv:2: graph='1': expected yes or no"),
        (HEADER + ",batchsize", "", "m.csv:1: column 'batchsize' is unknown; did you mean batch_size?"),
        (HEADER + ",mode", "", "m.csv:1: column 'mode' stands twice"),
        (HEADER.replace("layout,", ""), "", "m.csv:1: column 'layout' is missing"),
        ("", "", "m.csv:1: column 'network' is missing"),
    ],
)  # fmt: skip
def test_errors_name_line_and_column(tmp_path: Path, header: str, row: str, complaint: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")
    with pytest.raises(OracleError) as caught:
        read_measurements(path)
    assert complaint in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(OracleError, match="cannot be read"):
        read_measurements(tmp_path / "m.csv")
    with pytest.raises(OracleError, match=r"cannot be read: a directory without networks\.csv; expected a CSV file"):
        read_measurements(tmp_path)


@pytest.mark.parametrize(("latency", "clock"), [(0.0, "wall"), (float("inf"), "wall"), (1.0, "moon")])
def test_impossible_measurements(latency: float, clock: str) -> None:
    with pytest.raises(OracleError, match="expected"):
        Measurement("a", "b", Workload(), latency, clock=clock)


def test_a_pipe_is_no_table(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.csv")
    with pytest.raises(OracleError, match="a pipe or a device"):
        read_measurements(tmp_path / "m.csv")


@examples(200)
@given(seed=st.integers(0, 2**32))
def test_a_table_made_wrong_is_a_result_or_one_line(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.csv"
    path.write_text(mutated_text(measurements_csv([ONE, ONE]), seed), encoding="utf-8", newline="")
    try:
        read_measurements(path)
    except OracleError as error:
        assert "\n" not in str(error)  # noqa: PT017 - no error is right, too


def test_names_that_a_spreadsheet_takes_for_formulas_come_back(tmp_path: Path) -> None:
    odd = replace(ONE, network="=cmd|' /C calc'!A0", device="@board")
    write_measurements(tmp_path / "m.csv", [odd])
    assert "'=cmd" in (tmp_path / "m.csv").read_text(encoding="utf-8")
    assert read_measurements(tmp_path / "m.csv") == [odd]
