"""Pages of sweeps, and of anybody's file of candidates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.errors import OracleError
from search.pareto.objectives import objectives_of
from search.report import sweep_page
from search.report.sweeps import sweep_population
from search.sweep import read_candidates, sweep


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "out"
    sweep("anynet-grid", ["t4", "pixel-4"], n=30, out=out, dtype="float32")
    return out


def test_a_sweep_tells_what_it_was(swept: Path) -> None:
    page = sweep_page(read_candidates(swept), command="oracle-search report out")
    assert page.title == "30 candidates of anynet-grid on NVIDIA T4 and Google Pixel 4 CPU (Snapdragon 855)"
    assert page.subtitle == "Per call of 1 image: float32, inference, eager, nchw."
    assert [device.name for device in page.devices] == ["t4", "pixel-4"]
    assert dict(page.run.versions).keys() >= {"nas-cost-oracle", "torch", "formulas", "numpy"}
    tally = json.loads((swept / "manifest.json").read_text())["tally"]
    said = f"{tally['drawn']:,} drawn, {tally['feasible']:,} feasible, 30 of them kept, as many as were wanted"
    assert any(said in note for note in page.run.notes)
    assert any("textbook roofline" in note for note in page.run.notes)
    assert page.population is not None
    assert page.population.knobs.keys() == {f"ANYNET.{key}[{i}]" for key in ("WIDTHS", "DEPTHS") for i in range(4)}
    assert list(page.population.values) == [
        "macs",
        "flops",
        "params",
        "activations",
        "traffic_bytes",
        "peak_memory_bytes",
    ]
    assert list(page.population.extra) == ["intensity_flop_per_byte"]
    rows = read_candidates(swept).rows(range(30))
    assert page.population.latency_ms["t4"] == [row["latency_ms@t4"] for row in rows]
    assert page.population.values["macs"].column == [row["macs"] for row in rows]


def test_devices_are_those_that_were_swept(swept: Path) -> None:
    figures = {figure.key: figure for figure in sweep_page(read_candidates(swept)).devices[0].figures}
    assert figures["BANDWIDTH_GBPS"].value == 320
    assert figures["BANDWIDTH_GBPS"].source.startswith("TechPowerUp")


def test_a_calibrated_sweep_tells_how_far_to_trust_it(tmp_path: Path) -> None:
    sweep("anynet-grid", ["rtx-4090"], n=5, out=tmp_path / "out", dtype="float16", model="calibrated")
    notes = sweep_page(read_candidates(tmp_path / "out")).run.notes
    assert any("mean error" in note for note in notes)


def test_a_notebook_shows_what_became_of_the_candidates(tmp_path: Path) -> None:
    html = sweep("anynet-grid", ["t4"], n=5, out=tmp_path / "out")._repr_html_()
    assert "feasible" in html
    assert "5 candidates" in html


def test_a_manifest_that_is_none_is_named(swept: Path, tmp_path: Path) -> None:
    (tmp_path / "candidates.csv").write_bytes((swept / "candidates.csv").read_bytes())
    (tmp_path / "manifest.json").write_text('{"identity": {}}')
    with pytest.raises(OracleError, match=r"manifest\.json: cannot be read"):
        sweep_page(read_candidates(tmp_path))


def test_a_file_of_ones_own_needs_no_manifest(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("network,latency_ms@t4,accuracy,macs,note\na,2.0,0.9,100,x\nb,1.0,0.8,200,y\nc,3.0,0.7,300,z\n")
    page = sweep_page(read_candidates(file))
    assert page.title == "3 candidates of own.csv on t4"
    assert page.population is not None
    assert page.population.names == ["a", "b", "c"]
    assert list(page.population.values) == ["accuracy", "macs"]
    assert page.population.values["accuracy"].fronts == {"t4": [1, 0]}
    assert page.population.extra == {"note": ["x", "y", "z"]}


def test_objectives_say_what_latency_is_weighed_against(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("latency_ms@t4,loss\n2.0,0.9\n1.0,0.8\n")
    found = sweep_population(read_candidates(file), objectives_of(["min loss"]))
    assert found.values["loss"].fronts == {"t4": [1]}
    with pytest.raises(OracleError, match="no column 'los'"):
        sweep_population(read_candidates(file), objectives_of(["min los"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "there is nothing to draw"),
        ("latency_ms@t4,macs\n", "holds no candidates"),
        ("latency_ms@t4,macs\n0.0,1\n", "positive"),
    ],
)
def test_what_cannot_be_drawn(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "own.csv"
    file.write_text(text)
    with pytest.raises(OracleError, match=said):
        sweep_page(read_candidates(file))
