"""Knobs: the turned network is the one the config says, and the differences are those of two scores."""

from __future__ import annotations

import math

import pytest

from oracle.config import load_cfg
from oracle.errors import ConfigError, OracleError
from oracle.families import to_spec
from oracle.families.knobs import knobs_of, turns_of
from oracle.query import knobs, score
from oracle.spec import NetSpec


@pytest.mark.parametrize("name", ["RegNetX-400MF", "RegNetY-800MF", "EfficientNet-B0", "ViT-S-16", "ResNet-50"])
def test_the_config_that_has_the_knobs_is_the_same_network(name: str) -> None:
    cfg = load_cfg(name)
    explicit, found = knobs_of(cfg)
    assert to_spec(explicit) == to_spec(cfg)
    assert len({(knob.key, knob.index) for knob in found}) == len(found) > 1


def test_a_step_of_depth_is_one_more_block() -> None:
    cfg = load_cfg("RegNetX-400MF")
    cells = to_spec(cfg).cells
    turns = {(turn.knob.name, turn.after): turn.network for turn in turns_of(cfg, to_spec)}
    deeper = turns["depth of stage 3", 8]
    assert len(deeper.cells) == len(cells) + 1
    assert set(deeper.cells) == set(cells)
    assert turns["resolution", 192].input_shape == (3, 192, 192)
    # The first stage has one block: one fewer is no network.
    assert ("depth of stage 1", 0) not in turns


def test_effects_are_differences_of_scores() -> None:
    found = knobs("RegNetX-200MF", ["t4", "rtx-4090"], batch_size=2)
    base = score("RegNetX-200MF", ["t4"], batch_size=2)
    assert (found.macs, found.latency_ms["t4"]) == (base.macs, pytest.approx(base.latency_ms["t4"]))
    turns = list(turns_of(load_cfg("RegNetX-200MF"), to_spec))
    assert len(found.effects) == len(turns)
    for effect, turn in zip(found.effects, turns, strict=True):
        turned = score(turn.network, ["t4"], batch_size=2)
        assert base.macs is not None
        assert turned.macs == base.macs + effect.delta_macs
        assert turned.traffic_bytes == base.traffic_bytes + effect.delta_traffic_bytes
        expected = turned.latency_ms["t4"] - base.latency_ms["t4"]
        assert effect.delta_latency_ms["t4"] == pytest.approx(expected, abs=1e-12)


def test_the_best_step_buys_most_latency_per_mac() -> None:
    found = knobs("RegNetX-200MF", ["t4"])
    best = found.best("t4")
    assert all(effect.delta_latency_ms["t4"] < 0 for effect in best)
    worth = [effect.ms_per_gmac("t4") for effect in best]
    assert worth == sorted(worth, reverse=True)
    assert not any(math.isnan(value) for value in worth)


def test_what_has_no_knobs_says_so() -> None:
    with pytest.raises(ConfigError, match=r"MODEL\.TYPE"):
        knobs_of(load_cfg("R-56", ["MODEL.TYPE", "nasbench201"]))
    with pytest.raises(OracleError, match="a spec has no knobs"):
        knobs(NetSpec((), (3, 8, 8)), ["t4"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("R-56", {("layers", 50), ("layers", 62), ("resolution", 24), ("resolution", 40)}),
        ("ResNet-101", {("layers", 50), ("layers", 152), ("width per group", 56), ("width per group", 72)}),
        ("ResNeXt-50-32x4d", {("layers", 101), ("groups", 16), ("groups", 64), ("width per group", 2)}),
    ],
)
def test_knobs_of_resnets_matter(name: str, steps: set[tuple[str, int]]) -> None:
    cfg = load_cfg(name)
    turns = list(turns_of(cfg, to_spec))
    assert steps <= {(turn.knob.name, turn.after) for turn in turns}
    assert all(turn.network != to_spec(cfg) for turn in turns)
