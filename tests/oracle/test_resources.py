from __future__ import annotations

from pathlib import Path

import pytest

import oracle._resources as resources
from oracle.errors import ConfigError


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The module pretends to be installed at <tmp>/oracle/_resources.py."""
    (tmp_path / "oracle").mkdir()
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "oracle" / "_resources.py"))
    return tmp_path


def test_a_wheel_has_its_configs_inside(elsewhere: Path) -> None:
    (elsewhere / "oracle" / "configs" / "networks" / "deep").mkdir(parents=True)
    (elsewhere / "oracle" / "configs" / "networks" / "deep" / "Tiny-1.5GF.yaml").touch()
    (elsewhere / "configs").mkdir()  # somebody else's package of that name

    assert resources.shipped_dir() == elsewhere / "oracle" / "configs"
    assert list(resources.shipped("networks")) == ["Tiny-1.5GF"]


def test_a_checkout_has_its_configs_beside_the_package(elsewhere: Path) -> None:
    (elsewhere / "configs").mkdir()
    (elsewhere / "pyproject.toml").touch()

    assert resources.shipped_dir() == elsewhere / "configs"


def test_without_configs_the_installation_is_broken(elsewhere: Path) -> None:
    (elsewhere / "configs").mkdir()  # no checkout, hence not ours

    with pytest.raises(ConfigError, match="reinstall"):
        resources.shipped_dir()


def test_a_kind_without_configs_is_empty(elsewhere: Path) -> None:
    (elsewhere / "oracle" / "configs").mkdir()

    assert resources.shipped("spaces") == {}


@pytest.mark.parametrize("name", ["ResNet-50", "resnet-50", "RESNET-50", "resnet50", "resnet_50", "Resnet 50"])
def test_names_are_found_as_people_type_them(name: str) -> None:
    path = resources.find_config("networks", name)

    assert path is not None
    assert path.name == "ResNet-50.yaml"


def test_an_unknown_name_is_not_found() -> None:
    assert resources.find_config("networks", "ResNet-51") is None
    assert resources.find_config("networks", "RegNetX-1.6GF") != resources.find_config("networks", "RegNetX-16GF")


@pytest.mark.parametrize("kind", ["devices", "networks", "serving", "spaces", "studies"])
def test_no_two_names_are_typed_alike(kind: str) -> None:
    for name, path in resources.shipped(kind).items():
        assert resources.find_config(kind, name.replace("-", "").upper()) == path


def test_closest_names_the_likely_ones_only() -> None:
    assert resources.closest("resnet50", ["ResNet-50", "ViT-B-16"]) == "; did you mean ResNet-50?"
    assert resources.closest("zzz", ["ResNet-50"]) == ""


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("--modle", "--model"),
        ("--hsot", "--host"),
        ("--dpp", "--dp"),
        ("--outputt", "--output"),
    ],
)
def test_closest_undoes_a_slip_of_the_fingers_first(word: str, name: str) -> None:
    there = ["--mode", "--model", "--sort", "--host", "--dp", "--pp", "--output-tokens", "--output", "--on"]
    assert resources.closest(word, there, 1) == f"; did you mean {name}?"


@pytest.mark.parametrize(
    ("word", "names"),
    [("i9", "i9-10940x, mi9"), ("rtx40", "rtx-4090"), ("4090", "rtx-4090"), ("i9-10940", "i9-10940x"), ("-", "")],
)
def test_closest_names_what_begins_with_the_word_first(word: str, names: str) -> None:
    there = ["mi9", "mi-9t", "hi3519", "i9-10940x", "rtx-4090", "rtx-3090"]
    said = resources.closest(word, there)
    assert said.startswith(f"; did you mean {names}" if names else "")


def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled as soon as they are written, so that what is kept of them shows."""
    monkeypatch.setattr(resources, "_SETTLED_NS", 0)


def test_a_new_file_is_found_at_once(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled(monkeypatch)
    folder = elsewhere / "oracle" / "configs" / "networks" / "deep"
    folder.mkdir(parents=True)
    assert resources.find_config("networks", "new") is None

    (folder / "New.yaml").touch()
    assert resources.find_config("networks", "new") == folder / "New.yaml"
    (folder / "New.yaml").rename(folder / "Newer.yaml")
    assert list(resources.shipped("networks")) == ["Newer"]
    (folder / "Newer.yaml").unlink()
    assert resources.shipped("networks") == {}


def test_the_index_is_nobodys_to_change() -> None:
    resources.shipped("networks").clear()

    assert "ResNet-50" in resources.shipped("networks")


def test_a_stamp_is_given_once_every_change_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    assert resources.stamp_of(path) is None
    path.touch()
    assert resources.stamp_of(path) is None  # who writes once more within the tick of a clock leaves no trace

    settled(monkeypatch)
    before = resources.stamp_of(path)
    assert before is not None
    assert before == resources.stamp_of(str(path))
    path.write_text("more")
    assert resources.stamp_of(path) != before
