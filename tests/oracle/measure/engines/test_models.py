from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from oracle.errors import OracleError
from oracle.measure.engines.models import Models, images_of, module_of, quietly
from tests.oracle.measure.engines.agreement import network


def test_files_are_made_once_and_whole(tmp_path: Path) -> None:
    net, made = network("vit"), []

    def make(path: Path) -> None:
        made.append(path)
        path.with_suffix(".bin").write_text("weights")
        path.write_text("graph")

    models = Models(tmp_path)
    path = models.made(net, 2, "x.param", make)
    assert models.made(net, 2, "x.param", make) == path
    assert len(made) == 1
    assert path.read_text() == "graph"
    assert path.with_suffix(".bin").read_text() == "weights"
    assert path.name.startswith("ViT-S-16-")
    assert path.name.endswith("-b2.x.param")
    assert models.made(network("regnet"), 2, "x.param", make) != path
    assert models.made(net, 1, "x.param", make) != path

    def fail(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("no")

    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="no"):
        models.made(net, 3, "x.param", fail)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_of_ones_own_stays_and_another_does_not(tmp_path: Path) -> None:
    with Models.of(tmp_path / "deep" / "models") as kept:
        assert kept.folder.is_dir()
    assert kept.folder.is_dir()
    with Models.of(None) as lent:
        assert lent.folder.is_dir()
    assert not lent.folder.exists()
    (tmp_path / "file").touch()
    with pytest.raises(OracleError, match=r"models='.*file': expected a folder"), Models.of(tmp_path / "file"):
        pass


def test_activations_have_the_size_of_a_trained_networks() -> None:
    net = network("regnet")
    found: list[float] = []
    module = module_of(net)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.register_forward_hook(lambda _, __, output: found.append(float(output.std())))
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        module(images_of(net, 2))
    assert not module.training
    assert found
    assert all(0.5 < size < 1.5 for size in found)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.equal(images_of(net, 2), images_of(net, 2))
    first, second = (module_of(net).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_nothing_is_said_meanwhile(capfd: pytest.CaptureFixture[str]) -> None:
    with quietly():
        os.write(1, b"from a compiler")
        os.write(2, b"and its warnings")
        sys.stdout.write("from python\n")
    sys.stdout.write("and after\n")
    assert tuple(capfd.readouterr()) == ("and after\n", "")
