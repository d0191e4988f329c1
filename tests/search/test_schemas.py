"""JSON Schemas of all kinds of files: every shipped file obeys, and what loaders refuse is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from oracle.config.descriptions import KEYS, SECTIONS
from oracle.config.schema import DEFAULTS
from oracle.config.strict_yaml import parse_yaml
from oracle.errors import OracleError
from oracle.schemas import text_of
from search.space import load_space, space_of
from search.study import load_study, study_of
from tests.benchmarks.make_schemas import CONFIGS, SCHEMAS, files, modeline, schema_file

_ADVICE = "python -m tests.benchmarks.make_schemas writes it anew"


def content(file: Path) -> Any:
    return parse_yaml(file.read_text(encoding="utf-8"))


def mistakes(folder: str, value: Any) -> list[str]:
    """Dotted keys that the schema of a kind of file refuses, "" for the file as a whole."""
    errors = Draft7Validator(SCHEMAS[folder][1]()).iter_errors(value)
    return sorted({".".join(map(str, error.absolute_path)) for error in errors})


@pytest.mark.parametrize("folder", SCHEMAS)
def test_every_shipped_file_obeys_its_schema_and_names_it(folder: str) -> None:
    schema = json.loads(schema_file(folder).read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    assert len(files(folder)) > 3
    for file in files(folder):
        assert [error.message for error in validator.iter_errors(content(file))] == [], file
        assert file.read_text(encoding="utf-8").startswith(modeline(file, folder)), f"{file}: {_ADVICE}"


@pytest.mark.parametrize("folder", SCHEMAS)
def test_the_shipped_schema_is_that_of_the_code(folder: str) -> None:
    file = schema_file(folder)
    assert file.read_text(encoding="utf-8") == text_of(SCHEMAS[folder][1]()), f"{file}: {_ADVICE}"


def test_every_key_of_a_network_is_described() -> None:
    assert {f"{section}.{name}" for section, keys in DEFAULTS.items() for name in keys} == set(KEYS)
    assert set(DEFAULTS) == set(SECTIONS)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"MODEL": {"TYPE": "regnat"}}, "MODEL.TYPE"),
        ({"MODEL": {"TYP": "regnet"}}, "MODEL"),
        ({"REGNETS": {}}, ""),
        ({"REGNET": {"DEPTH": 1.5}}, "REGNET.DEPTH"),
        ({"REGNET": {"DEPTH": -1}}, "REGNET.DEPTH"),
        ({"REGNET": {"SE_ON": "yes"}}, "REGNET.SE_ON"),
        ({"EN": {"KERNELS": 3}}, "EN.KERNELS"),
        ({"EN": {"KERNELS": [3, "five"]}}, "EN.KERNELS.1"),
        ({"COST": {"DTYPE": "fp16"}}, "COST.DTYPE"),
    ],
)
def test_what_a_network_cannot_say(values: Any, key: str) -> None:
    assert mistakes("networks", values) == [key]


def test_what_a_network_can_say_of_training() -> None:
    values = {"_BASE_": ["RegNetX-400MF"], "TRAIN": {"BATCH_SIZE": 8}, "NUM_GPUS": 8, "DATA_LOADER": {"ANY": [1]}}
    assert mistakes("networks", values) == []


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"KIND": "npu"}, [""]),
        ({"TITLE": "A", "KIND": "toaster"}, ["KIND"]),
        ({"TITLE": "A", "KIND": "npu", "BANDWIDTH_GBPS": -1}, ["BANDWIDTH_GBPS"]),
        ({"TITLE": "A", "KIND": "npu", "BANDWIDTH_GBPS": [1, ""]}, ["BANDWIDTH_GBPS"]),
        ({"TITLE": "A", "KIND": "npu", "BANDWIDTH": 1}, [""]),
        ({"TITLE": "A", "KIND": "npu", "MATRIX": {"FP16": 1}}, ["MATRIX"]),
        ({"TITLE": "A", "KIND": "mobile-cpu", "CORES": [{"KIND": "cortex-a76", "COUNT": 4}]}, ["CORES.0"]),
    ],
)
def test_what_a_device_cannot_say(values: Any, keys: list[str]) -> None:
    assert mistakes("devices", values) == keys


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"COMPUTE": {"conv": 1.5}}, "COMPUTE.conv"),
        ({"MEMORY": {"konv": 0.5}}, "MEMORY"),
        ({"INTERVAL": [1.0]}, "INTERVAL"),
        ({"RUNTIME": "torch"}, "RUNTIME"),
        ({"LAUNCH_US": {"conv": -1}}, "LAUNCH_US"),
    ],
)
def test_what_a_calibration_cannot_say(changes: Any, key: str) -> None:
    whole = content(files("calibrations")[0])
    assert mistakes("calibrations", whole | changes) == [key]


@pytest.mark.parametrize(
    ("setup", "key"),
    [
        ({"SAMPLERS": {}}, "SETUP.SAMPLERS"),
        ({"SAMPLERS": {"REGNET.DEPTH": {"TYPE": "dice"}}}, "SETUP.SAMPLERS.REGNET.DEPTH"),
        ({"SAMPLERS": {"REGNET.DEPTH": {"TYPE": "int_sampler", "RANG": [1, 2]}}}, "SETUP.SAMPLERS.REGNET.DEPTH"),
        ({"CONSTRAINTS": {"CX": {"MACS": [1]}}}, "SETUP.CONSTRAINTS.CX.MACS"),
        ({"CONSTRAINTS": {"CX": {"MAC": [0, 1]}}}, "SETUP.CONSTRAINTS.CX"),
        ({"CHUNK": 5}, "SETUP"),
        ({"NUM_SAMPLES": 1.5}, "SETUP.NUM_SAMPLES"),
    ],
)
def test_what_a_space_cannot_say(setup: Any, key: str) -> None:
    values = {"SETUP": content(CONFIGS / "spaces" / "regnetx.yaml")["SETUP"] | setup}
    assert mistakes("spaces", values) == [key]
    with pytest.raises(OracleError):
        space_of(values)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"SAMPLER": "tpx"}, "SAMPLER"),
        ({"SAMPLER": {"TYPE": "tpe", "START": 1}}, "SAMPLER"),
        ({"QUALITY": {"TYPE": "train", "EPOCH": 1}}, "QUALITY"),
        ({"COST": {"DTYPE": "fp16"}}, "COST.DTYPE"),
        ({"TRIAL": 5}, ""),
        ({"SPACE": {"SETUP": {}, "SETDOWN": {}}}, "SPACE"),
    ],
)
def test_what_a_study_cannot_say(changes: Any, key: str) -> None:
    values = content(CONFIGS / "studies" / "digits.yaml") | changes
    assert mistakes("studies", values) == [key]
    with pytest.raises(OracleError):
        study_of(values)


def test_short_forms_of_a_study_obey() -> None:
    values = {"SPACE": "regnetx", "OBJECTIVES": "minimise params", "SAMPLER": "random", "QUALITY": "none"}
    assert mistakes("studies", values) == []
    assert study_of(values).sampler["TYPE"] == "random"


def test_the_first_line_changes_nothing(tmp_path: Path) -> None:
    for folder, load in (("spaces", load_space), ("studies", load_study)):
        file = files(folder)[0]
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8").partition("\n")[2], encoding="utf-8")
        assert getattr(load(tmp_path / file.name), "setup", None) == getattr(load(file), "setup", None)
