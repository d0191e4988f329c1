"""Pages of sweeps, and of anybody's file of candidates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oracle.calibration import Calibration
from oracle.devices import load_device
from oracle.errors import OracleError
from oracle.roofline import Efficiency
from search.pareto import fronts_of
from search.pareto.objectives import objectives_of
from search.report import sweep_page
from search.report.about import about_candidates
from search.report.manifests import manifest_beside
from search.report.sweeps import sweep_population
from search.sweep import read_candidates, sweep


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "out"
    sweep("anynet-grid", ["t4", "pixel-4"], n=30, out=out, dtype="float32")
    return out


def test_devices_come_back_from_a_manifest(tmp_path: Path) -> None:
    names = ["t4", "raspberry-pi-4"]  # one with matrix units, one with cores
    sweep("anynet-grid", names, n=2, out=tmp_path / "out")
    manifest = manifest_beside(tmp_path / "out" / "candidates.csv")
    assert manifest is not None
    assert manifest.devices == tuple(load_device(name) for name in names)
    assert manifest.devices[1].cores


def test_a_sweep_tells_what_it_was(swept: Path) -> None:
    page = sweep_page(read_candidates(swept), command="oracle-search report out")
    assert page.title == "30 candidates of anynet-grid on NVIDIA T4 and Google Pixel 4 CPU (Snapdragon 855)"
    assert page.subtitle == "Per call of 1 image: float32, inference, eager, nchw."
    assert [device.name for device in page.devices] == ["t4", "pixel-4"]
    assert dict(page.run.versions).keys() >= {"nas-cost-oracle", "torch", "formulas", "numpy"}
    tally = json.loads((swept / "manifest.json").read_text())["tally"]
    said = f"{tally['drawn']:,} drawn, {tally['feasible']:,} feasible, 30 of them kept, as many as were wanted"
    assert any(said in note for note in page.run.notes)
    assert any(note.startswith("Latency is the prediction, what a stopwatch should show") for note in page.run.notes)
    for device in ("t4", "pixel-4"):
        assert any(note.startswith(f"Times on {device}: ") for note in page.run.notes)
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
    extra = page.population.extra
    bounds = [f"roofline_ms@{device}" for device in ("t4", "pixel-4")]
    assert {name for name in extra if not name.startswith("latency_")} == {
        "intensity_flop_per_byte",
        "sram_bytes",
        "flash_bytes",
        *bounds,
    }
    rows = read_candidates(swept).rows(range(30))
    assert page.population.latency_ms["t4"] == [row["latency_ms@t4"] for row in rows]
    assert page.population.values["macs"].column == [row["macs"] for row in rows]
    assert extra["roofline_ms@t4"] == [row["roofline_ms@t4"] for row in rows]
    assert all(row["roofline_ms@t4"] < row["latency_ms@t4"] for row in rows)


def test_members_of_fronts_say_what_they_are_tied_with(swept: Path) -> None:
    population = sweep_page(read_candidates(swept)).population
    assert population is not None
    manifest = manifest_beside(swept / "candidates.csv")
    assert manifest is not None
    fronts = fronts_of(read_candidates(swept), ["min latency_ms", "max macs"], trust=manifest.trust)
    listed = {found["device"]: found["candidates"] for found in fronts.to_dict()["fronts"]}
    for device in ("t4", "pixel-4"):
        value = population.values["macs"]
        names = [[population.names[row] for row in others] for others in value.tied[device]]
        assert [population.names[row] for row in value.fronts[device]] == [
            f"row {row['row']}" for row in listed[device]
        ]
        assert names == [[f"row {other}" for other in row["tied_with"]] for row in listed[device]]
        assert any(names)
        notes = [
            note for note in sweep_page(read_candidates(swept)).run.notes if "macs and latency on " + device in note
        ]
        assert f"{sum(map(bool, names))} of {len(names)} have such" in notes[0]
    assert sweep_population(read_candidates(swept)).values["macs"].tied == {}


def test_devices_are_those_that_were_swept(swept: Path) -> None:
    figures = {figure.key: figure for figure in sweep_page(read_candidates(swept)).devices[0].figures}
    assert figures["BANDWIDTH_GBPS"].value == 320
    assert figures["BANDWIDTH_GBPS"].source.startswith("TechPowerUp")


def test_a_calibrated_sweep_tells_how_far_to_trust_it(tmp_path: Path) -> None:
    words = {"dtype": "float16", "model": "calibrated"}
    within = sweep("anynet-grid", ["rtx-4090"], n=5, out=tmp_path / "within", batch_size=256, **words)
    (said,) = (note for note in _notes(tmp_path / "within") if note.startswith("Times on rtx-4090: calibrated"))
    assert f"mean error {100 * (within.trust['rtx-4090'].expected_error or 0):.1f} %; 80 % of cases from -" in said
    outside = sweep("anynet-grid", ["rtx-4090"], n=5, out=tmp_path / "outside", batch_size=1, **words)
    assert outside.trust["rtx-4090"].expected_error is None
    (said,) = (note for note in _notes(tmp_path / "outside") if note.startswith("Times on rtx-4090: calibrated"))
    assert "this is 1); error not measured; 80 % of cases from -" in said


def _notes(out: Path) -> tuple[str, ...]:
    return sweep_page(read_candidates(out)).run.notes


def test_devices_without_any_measurement_are_said_to_be_bounds(tmp_path: Path) -> None:
    sweep("anynet-grid", ["pixel-4"], n=5, out=tmp_path, runtime="compiled")
    (said,) = (note for note in _notes(tmp_path) if note.startswith("Times on pixel-4: "))
    assert said.startswith("Times on pixel-4: lower bound: nothing was measured on pixel-4 or another mobile-cpu under")


@pytest.mark.parametrize("named", [True, False])
def test_manifests_that_name_no_model_are_of_bounds(swept: Path, tmp_path: Path, named: bool) -> None:
    """Sweeps of old knew bounds alone, and those of bounds say nothing of a model to this day."""
    out = tmp_path / "out"
    if named:
        sweep("anynet-grid", ["t4"], n=5, out=out, model="roofline")
        assert "model" not in json.loads((out / "manifest.json").read_text())["identity"]
    else:
        content = json.loads((swept / "manifest.json").read_text())
        del content["identity"]["model"]
        out.mkdir()
        (out / "candidates.csv").write_bytes((swept / "candidates.csv").read_bytes())
        (out / "manifest.json").write_text(json.dumps(content))
    manifest = manifest_beside(out / "candidates.csv")
    assert manifest is not None
    assert (manifest.model, manifest.trust, manifest.own) == ("roofline", {}, ())
    assert _notes(out)[-1].startswith("Times: textbook roofline, a lower bound")
    assert about_candidates("out", manifest).footing(["t4"]).startswith("Times: textbook roofline, a lower bound")


def test_a_manifest_knows_whose_calibration_does_not_ship(tmp_path: Path) -> None:
    mine = Calibration("t4", "eager", "inference", "float32", "nchw", Efficiency(call_s=1e-3))
    sweep("anynet-grid", ["t4", "pixel-4"], n=5, out=tmp_path, calibrations=[mine])
    manifest = manifest_beside(tmp_path / "candidates.csv")
    assert manifest is not None
    assert (manifest.model, manifest.own) == ("best", ("t4",))


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
