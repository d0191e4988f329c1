"""What a sweep writes: the candidates that drawing, scoring and judging one by one gives."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import oracle
from oracle.calibration import Calibration, save_calibration
from oracle.errors import DeviceError, OracleError
from oracle.roofline import Efficiency
from search.space import Space, space_of
from search.sweep import SweepResult, read_candidates, sweep

SPACE: dict[str, Any] = {
    "SAMPLERS": {
        "REGNET": {"TYPE": "regnet_sampler", "DEPTH": [6, 9], "W0": [16, 48], "WA": [8, 32], "GROUP_W": [8, 16]}
    },
    "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [0, 0]}},
    "BASE_CFG": {"MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10}, "TRAIN": {"IM_SIZE": 32}},
    "CHUNK_SIZE": 50,
    "NUM_SAMPLES": 400,
}
GRID: dict[str, Any] = {
    "SAMPLERS": {
        "ANYNET.DEPTHS": {
            "TYPE": "list_sampler",
            "LENGTH": 2,
            "ITEM_SAMPLER": {"TYPE": "grid_sampler", "VALUES": [1, 2, 3]},
        },
        "ANYNET.STEM_W": {"TYPE": "value_sampler", "VALUES": [8, 16]},
        "ANYNET.BLOCK_TYPE": {"TYPE": "value_sampler", "VALUES": ["vanilla_block", "res_basic_block"]},
    },
    "BASE_CFG": {
        "MODEL": {"TYPE": "anynet", "NUM_CLASSES": 10},
        "ANYNET": {"WIDTHS": [16, 32], "STRIDES": [2, 2]},
        "TRAIN": {"IM_SIZE": 32},
    },
    "CHUNK_SIZE": 7,
}


def regnets(**changes: Any) -> Space:
    return space_of({"SETUP": SPACE | changes}, "regnets")


def grid(**changes: Any) -> Space:
    return space_of({"SETUP": GRID | changes}, "grid")


def rows_of(result: SweepResult) -> list[dict[str, str]]:
    with result.files[0].open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def config_of(space: Space, row: dict[str, str]) -> Any:
    """The config of a line of the file, by its sampled keys alone."""
    overrides = [part for key, _ in space.samplers for part in (key, row[key])]
    return oracle.config.cfg_from_dict(space.base, overrides)


@pytest.mark.parametrize("space", [regnets(), grid()], ids=["regnets", "grid"])
def test_a_line_has_the_numbers_that_its_own_config_scores(tmp_path: Path, space: Space) -> None:
    result = sweep(space, ["t4", "pixel-4"], out=tmp_path / "out", batch_size=2)
    rows = rows_of(result)
    assert len(rows) == result.count
    for row in rows[:: max(1, len(rows) // 5)]:
        cost = oracle.score(config_of(space, row), ["t4", "pixel-4"], batch_size=2)
        for name in ("macs", "flops", "params", "activations", "traffic_bytes", "peak_memory_bytes"):
            assert int(row[name]) == getattr(cost, name)
        assert float(row["intensity_flop_per_byte"]) == cost.intensity
        for device, latency in cost.latency_ms.items():
            assert float(row[f"latency_ms@{device}"]) == pytest.approx(latency, rel=1e-12)


def test_every_network_of_the_stream_is_there_once(tmp_path: Path) -> None:
    space = regnets()
    result = sweep(space, out=tmp_path / "out")
    specs: dict[Any, int] = {}
    for index in range(space.chunks):
        chunk = space.chunk(index)
        for position, row in enumerate(chunk.rows.tolist()):
            specs.setdefault(chunk.population.spec(position), row)
    assert [int(row["row"]) for row in rows_of(result)] == sorted(specs.values())
    drawn = sum(space.chunk(index).tally.drawn for index in range(space.chunks))
    assert result.tally.drawn == drawn == 400
    assert result.count == result.tally.feasible == len(specs) < drawn
    assert result.count + sum(result.tally.rejected.values()) == drawn


def test_limits_are_obeyed_and_the_others_accounted_for(tmp_path: Path) -> None:
    everyone = rows_of(sweep(regnets(), ["t4"], out=tmp_path / "all"))
    macs = sorted(int(row["macs"]) for row in everyone)
    latency = sorted(float(row["latency_ms@t4"]) for row in everyone)
    low, high = macs[len(macs) // 10], latency[len(latency) // 2]
    limits = {"PARAMS": [0, 10**9], "LATENCY_MS": {"t4": [0, high]}, "FLOPS": [low, 0]}
    space = regnets(CONSTRAINTS={"CX": limits, "REGNET": {"NUM_STAGES": [0, 0]}})
    result = sweep(space, out=tmp_path / "limited")
    assert result.devices == ("t4",)
    kept = [row for row in everyone if float(row["latency_ms@t4"]) <= high and int(row["macs"]) >= low]
    # FLOPS counts bias additions besides: candidates at the very edge may differ
    ours = [row["row"] for row in rows_of(result)]
    assert set(ours) >= {row["row"] for row in kept}
    assert all(float(row["latency_ms@t4"]) <= high for row in rows_of(result))
    assert set(result.tally.rejected) >= {"CX.LATENCY_MS.t4", "CX.FLOPS"}


def test_as_many_as_wanted_and_no_more(tmp_path: Path) -> None:
    whole = sweep(regnets(), out=tmp_path / "whole")
    some = sweep(regnets(), n=60, out=tmp_path / "some")
    assert some.count == 60 < whole.count
    assert rows_of(some) == rows_of(whole)[:60]
    assert some.tally.drawn < whole.tally.drawn
    assert some.tally.feasible + sum(some.tally.rejected.values()) == some.tally.drawn
    # how many are feasible is about the candidates that were drawn, not about how many were wanted
    among = sum(int(row["row"]) < some.tally.drawn for row in rows_of(whole))
    assert some.tally.feasible == among > some.count


def test_a_device_without_a_peak_is_refused_before_there_is_a_directory(tmp_path: Path) -> None:
    for device, complaint in (("edge-tpu", "calibrate-only"), ("epyc-7763", "no matrix peak for dtype=.bfloat16.")):
        with pytest.raises(DeviceError, match=complaint):
            sweep(regnets(), [device], out=tmp_path / "out", dtype="bfloat16")
        assert not (tmp_path / "out").exists()


def test_num_configs_says_it_too_and_samples_ends_the_stream(tmp_path: Path) -> None:
    assert sweep(regnets(NUM_CONFIGS=5), out=tmp_path / "a").count == 5
    assert sweep(regnets(), out=tmp_path / "b", samples=100).tally.drawn == 100


def test_nothing_feasible_is_explained(tmp_path: Path) -> None:
    space = regnets(CONSTRAINTS={"CX": {"PARAMS": [0, 10]}, "REGNET": {"NUM_STAGES": [0, 0]}})
    result = sweep(space, out=tmp_path / "out")
    assert result.count == 0
    assert "CX.PARAMS rejects" in result.tally.explain()
    assert "nearest is" in result.tally.explain()
    assert rows_of(result) == []
    assert read_candidates(tmp_path / "out").columns(["macs"])["macs"].shape == (0,)


def test_the_manifest_says_what_was_swept(tmp_path: Path) -> None:
    space = grid()
    result = sweep(space, ["t4"], out=tmp_path / "out", dtype="float16", batch_size=8)
    said = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert space_of(said["identity"]["space"], "again") == space
    assert said["identity"]["workload"]["dtype"] == "float16"
    bandwidth = oracle.load_device("t4").bandwidth
    assert bandwidth is not None
    assert said["identity"]["devices"]["t4"]["bandwidth"]["value"] == bandwidth.value
    assert said["identity"]["versions"]["torch"]
    assert (said["complete"], said["candidates"], sum(said["counts"])) == (True, result.count, result.count)
    assert said["tally"]["drawn"] == space.length
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "candidates.csv", "manifest.json"]


def test_the_spaces_own_workload_and_devices_serve(tmp_path: Path) -> None:
    base = {**SPACE["BASE_CFG"], "COST": {"BATCH_SIZE": 4, "DEVICES": ["l4"]}}
    result = sweep(regnets(BASE_CFG=base, NUM_SAMPLES=50), out=tmp_path / "out")
    assert (result.workload.batch_size, result.devices) == (4, ("l4",))
    assert sweep(regnets(BASE_CFG=base, NUM_SAMPLES=50), out=tmp_path / "b", batch_size=2).workload.batch_size == 2


def test_progress_ends_at_its_total(tmp_path: Path) -> None:
    said: list[tuple[int, int]] = []
    sweep(regnets(), out=tmp_path / "all", progress=lambda done, total: said.append((done, total)))
    assert said == [(50 * chunk, 400) for chunk in range(1, 9)]
    said.clear()
    sweep(regnets(), n=20, out=tmp_path / "some", progress=lambda done, total: said.append((done, total)))
    assert said[-1] == (20, 20)


def test_parquet_holds_what_the_csv_holds(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    for name, space in (("regnets", regnets()), ("grid", grid())):
        result = sweep(space, ["t4"], out=tmp_path / name, formats=("parquet", "csv"))
        assert [file.suffix for file in result.files] == [".csv", ".parquet"]
        table = parquet.read_table(result.files[1])
        text, columns = read_candidates(result.files[0]), read_candidates(result.files[1])
        assert text.names == columns.names == tuple(table.column_names)
        assert table.num_rows == result.count
        everyone = range(result.count)
        assert text.rows(everyone) == columns.rows(everyone)
        assert str(table.schema.field("macs").type) == "int64"
        numbers = ["macs", "latency_ms@t4"]
        assert all((text.columns(numbers)[name] == columns.columns(numbers)[name]).all() for name in numbers)
    assert str(table.schema.field("ANYNET.DEPTHS").type).startswith("list")


def test_a_row_that_was_cut_is_named(tmp_path: Path) -> None:
    file = sweep(regnets(), out=tmp_path / "out").files[0]
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:4], lines[4][:9]]))
    with pytest.raises(OracleError, match=r"cannot be read: row 3 has \d columns, the header \d+"):
        read_candidates(file).rows([3])


def test_parquet_without_candidates_keeps_its_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    space = grid(CONSTRAINTS={"CX": {"PARAMS": [0, 10]}})
    result = sweep(space, out=tmp_path / "out", formats=("parquet",))
    table = parquet.read_table(result.files[0])
    assert (table.num_rows, "ANYNET.DEPTHS" in table.column_names) == (0, True)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(oracle.MissingDependencyError, match=r"pip install 'nas-cost-oracle\[parquet\]'"):
        sweep(grid(), out=tmp_path / "out", formats=("parquet",))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"n": -1}, "n=-1: expected at least 0"),
        ({"samples": 0}, "samples=0: expected at least 1"),
        ({"workers": 0}, "workers=0: expected at least 1"),
        ({"formats": ("json",)}, "formats='json': expected csv or parquet"),
        ({"formats": ()}, "expected csv or parquet"),
        ({"batch": 3}, "batch=3: no field of a workload; did you mean batch_size?"),
        ({"dtype": "fp16"}, "dtype='fp16': expected one of"),
        ({"devices": ["t5"]}, "device='t5' is unknown"),
        ({"space": "regnet"}, "no file and no shipped config called 'regnet'"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path: Path, arguments: dict[str, Any], complaint: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(OracleError) as caught:
        sweep(**{"space": grid(), "out": out, **arguments})
    assert complaint in str(caught.value)
    assert not out.exists()


def test_a_sweep_by_a_calibration(tmp_path: Path) -> None:
    """Latencies are those of `score` by the same model, with one worker and with two, and the manifest says whose."""
    words: dict[str, Any] = {"model": "calibrated", "dtype": "float16"}
    one = sweep(regnets(), ["rtx-4090"], n=60, out=tmp_path / "one", **words)
    two = sweep(regnets(), ["rtx-4090"], n=60, out=tmp_path / "two", workers=2, **words)
    assert one.files[0].read_bytes() == two.files[0].read_bytes()
    found = rows_of(one)
    assert {"latency_ms@rtx-4090", "latency_low_ms@rtx-4090", "latency_high_ms@rtx-4090"} <= set(found[0])
    plain = sweep(regnets(), ["rtx-4090"], n=60, out=tmp_path / "plain", dtype="float16", model="roofline")
    bound = {row["row"]: float(row["latency_ms@rtx-4090"]) for row in rows_of(plain)}
    assert all(float(row["latency_ms@rtx-4090"]) > bound[row["row"]] for row in found)
    assert all(float(row["roofline_ms@rtx-4090"]) == bound[row["row"]] for row in found)
    assert rows_of(sweep(regnets(), ["rtx-4090"], n=60, out=tmp_path / "best", dtype="float16")) == found
    identity = json.loads((tmp_path / "one" / "manifest.json").read_text(encoding="utf-8"))["identity"]
    assert identity["model"]["name"] == "calibrated"
    assert "RUNTIME: eager" in identity["model"]["calibrations"]["rtx-4090"]
    with pytest.raises(OracleError, match="holds another sweep"):
        sweep(regnets(), ["rtx-4090"], n=60, out=tmp_path / "one", dtype="float16")


def test_a_sweep_by_ones_own_calibration(tmp_path: Path) -> None:
    mine = Calibration("t4", "eager", "inference", "float32", "nchw", Efficiency(call_s=1.0))
    save_calibration(mine, tmp_path / "my.yaml")
    words: dict[str, Any] = {"model": "calibrated", "calibrations": [tmp_path / "my.yaml"]}
    found = sweep(regnets(), ["t4"], n=20, out=tmp_path / "out", **words)
    assert all(float(row["latency_ms@t4"]) > 1000 for row in rows_of(found))
