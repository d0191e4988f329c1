from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from oracle import score_many
from oracle._resources import shipped
from oracle.errors import ConfigError
from search.study import load_study, study_of
from search.study.files import default_study

GOOD: dict[str, Any] = {"SPACE": "regnetx", "OBJECTIVES": ["maximise macs"], "CONSTRAINTS": ["params <= 6e6"]}


@pytest.mark.parametrize("name", sorted(shipped("studies")))
def test_shipped_studies_load_and_say_the_same_when_stored(name: str) -> None:
    plan = load_study(name)
    again = study_of(json.loads(json.dumps(plan.values)))
    assert plan.name == again.name == name
    assert (again.objectives, again.bounds, again.workload) == (plan.objectives, plan.bounds, plan.workload)
    assert again.space == plan.space
    assert again.values == plan.values


def test_the_study_of_a_microcontroller_keeps_weights_out_of_its_sram() -> None:
    """Of the first 150 cells none needs 320 kB for tensors or 1 MB for weights; only 80 for the sum of both."""
    plan = load_study("mcu-memory")
    scores = score_many(plan.space.chunk(0).population.part(0, 150), **plan.workload.to_dict())
    fits = [bound.excess(bound.column(scores)) == 0 for bound in plan.bounds]
    assert [bound.name for bound in plan.bounds] == ["sram_bytes", "flash_bytes"]
    assert all(column.all() for column in fits)
    assert (scores.peak_memory_bytes <= 320e3).sum() == 80


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"TRAILS": 5}, "TRAILS", "did you mean TRIALS"),
        ({"SPACE": "regnetz"}, "SPACE", "regnetz"),
        ({"SPACE": {"SETUP": {"SAMPLERS": {"REGNET.WM": 5}}}}, "SPACE.SETUP.SAMPLERS.REGNET.WM", "expected a mapping"),
        ({"OBJECTIVES": ["maximise accuracy"]}, "OBJECTIVES[0]", "unknown score 'accuracy'"),
        ({"CONSTRAINTS": ["params <= 1", "params >= 2"]}, "CONSTRAINTS[1]", "nothing can obey"),
        ({"SAMPLER": "cma"}, "SAMPLER.TYPE", "expected one of pool"),
        ({"SAMPLER": {"TYPE": "tpe", "STARTUPS": 3}}, "SAMPLER.STARTUPS", "STARTUP"),
        ({"SAMPLER": "grid"}, "SAMPLER.TYPE", "ranges of numbers"),
        ({"TRIALS": 0}, "TRIALS", "at least 1"),
        ({"TRIALS": "many"}, "TRIALS", "expected an integer"),
        ({"TIMEOUT": -1}, "TIMEOUT", "number of seconds"),
        ({"QUALITY": "train"}, "QUALITY.TYPE", "no objective is quality"),
        ({"OBJECTIVES": "maximise quality"}, "QUALITY.TYPE", "an objective is quality"),
        ({"QUALITY": {"TYPE": "table", "FILE": "no.csv"}}, "QUALITY.FILE", "no such file"),
        ({"QUALITY": {"TYPE": "proxies", "PROXY": "synflo"}}, "QUALITY.PROXY", "synflow"),
        ({"DEVICES": ["t5"]}, "DEVICES[0]", "t5"),
        ({"DEVICES": ["t4", "pixel-2"], "COST": {"DTYPE": "float16"}}, "DEVICES[1]", "'pixel-2' has no matrix peak"),
        ({"OBJECTIVES": ["min latency_ms@p4"], "COST": {"DTYPE": "tf32"}}, "OBJECTIVES[0]", "or COST.DTYPE"),
        ({"CONSTRAINTS": ["latency_ms@pixel-2 <= 1"], "COST": {"DTYPE": "float16"}}, "CONSTRAINTS", "pixel-2"),
        ({"COST": {"DTYPE": "int8"}}, "COST", "engine"),
        ({"COST": {"DTIPE": "int8"}}, "COST.DTIPE", "DTYPE"),
        ({"NAME": "a/b"}, "NAME", "letters"),
        ({"MODEL": "fitted"}, "MODEL", "expected one of best, roofline, calibrated"),
        ({"MODEL": "calibrated", "DEVICES": ["eyeriss"]}, "MODEL", "no calibration of device='eyeriss'"),
        ({"CALIBRATIONS": ["no.yaml"]}, "CALIBRATIONS[0]", "no.yaml"),
    ],
)
def test_a_bad_study_file_names_the_key(tmp_path: Path, changes: dict[str, Any], key: str, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(GOOD | changes))
    with pytest.raises(ConfigError) as error:
        load_study(path)
    assert error.value.key == key
    assert str(error.value).startswith(f"{path}: {key}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_absent_has_its_default_and_names_come_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"SAMPLER": "nsga2"}))
    plan = load_study(path)
    assert plan.name == "mine"
    assert plan.trials == default_study().TRIALS
    assert plan.sampler == dict(default_study().SAMPLER) | {"TYPE": "nsga2"}


def test_spaces_devices_and_limits_beside_the_file(tmp_path: Path) -> None:
    inner = {"SETUP": yaml.safe_load((shipped("spaces")["regnetx"]).read_text())["SETUP"]}
    inner["SETUP"]["CONSTRAINTS"]["CX"] = {"PARAMS": [0, 5e6]}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(inner))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(GOOD | {"SPACE": "space.yaml"}))
    (bound,) = load_study(tmp_path / "study.yaml").bounds
    assert (bound.name, bound.high) == ("params", 5e6)
