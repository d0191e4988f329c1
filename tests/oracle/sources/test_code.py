"""Networks from the user's own code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from oracle.errors import OracleError
from oracle.query import profile, score
from oracle.sources import Source, inputs_of, open_source


def opened(reference: str, *inputs: str) -> Source:
    return open_source(reference, inputs_of(inputs))


def test_a_callable_with_arguments(nets: str, capsys: pytest.CaptureFixture[str]) -> None:
    cost = score(f"{nets}:make(width=64)", inputs=["1x16:int64", "mask=1x16"], batch_size=4)
    assert cost.params == 100 * 64 + 64 * 64 + 64
    assert cost.macs == 4 * 16 * 64 * 64
    assert cost.workload.batch_size == 4
    assert cost.origin is not None
    assert cost.origin.inputs == ("4x16:int64", "mask=4x16:float32")
    assert cost.origin.built_on == "meta"
    assert ("torch", torch.__version__) in cost.origin.versions
    assert capsys.readouterr().out == ""  # what user code prints is no result


def test_attributes_and_modules_that_exist(nets: str) -> None:
    assert opened(f"{nets}:Rooms.linear(3, 5)", "2x3").module.weight.shape == (5, 3)
    found = opened(f"{nets}:existing", "3x4")
    assert (found.batch_size, found.origin.built_on) == (3, "found")


@pytest.mark.parametrize(("name", "place"), [("Steps", "meta"), ("Stubborn", "cpu")])
def test_constructors_that_look_at_numbers(nets: str, name: str, place: str) -> None:
    state = torch.get_rng_state()
    found = opened(f"{nets}:{name}", "2x4")
    assert found.origin.built_on == place
    assert profile(found.module, *found.args).macs == (3 if name == "Steps" else 1) * 2 * 4 * 4
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.is_meta for parameter in found.module.parameters()) == (place == "meta")


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (":bad", r"ValueError: \[bold\]no"),
        (":leaves", "exit"),
        (":nothing", "nn.Module, got NoneType"),
        (":nope", "has no 'nope'"),
        (":number", "a callable"),
        (":existing()", "leave out"),
        (":make(wide=3)", "TypeError"),
        (":make", "--input 1x3x224x224"),
        ("_not_there:make", "no module"),
        (".sub:make", "no module|not a package"),
    ],
)
def test_errors_say_what_is_wrong(nets: str, tail: str, message: str) -> None:
    with pytest.raises(OracleError, match=message):
        opened(f"{nets}{tail}")


def test_an_import_that_fails(nets: str) -> None:
    Path(f"{nets}_b.py").write_text("import surely_not_installed_xyz\n", encoding="utf-8")
    with pytest.raises(OracleError, match=r"importing .* failed.*surely_not_installed_xyz"):
        opened(f"{nets}_b:make")


def test_the_path_is_left_as_it_was(nets: str) -> None:
    before = list(sys.path)
    opened(f"{nets}:make", "1x3:int64", "1x3")
    assert sys.path == before


def test_inputs_are_for_references_alone() -> None:
    with pytest.raises(OracleError, match="a config says its own input"):
        score("R-56", inputs=["1x3x32x32"])
