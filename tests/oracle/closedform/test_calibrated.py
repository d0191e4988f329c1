"""Calibrated latency by closed forms: what `score` says."""

from __future__ import annotations

from typing import Any

import pytest

import oracle
from oracle.calibration import Calibration, load_calibration, save_calibration
from oracle.closedform import TemplateStore
from oracle.closedform.library import library
from oracle.errors import WorkloadError
from oracle.query import knobs
from oracle.roofline import Efficiency

_STORE = TemplateStore(library())
NAMES = ("RegNetX-200MF", "EfficientNet-B0", "ViT-S-16", "NB201-ResNet", "FBNet-C", "R-56")
MINE = Calibration(
    "t4", "eager", "inference", "float32", "nchw", Efficiency({"conv": 0.5}, {"conv": 0.25}, call_s=1e-3)
)


@pytest.fixture(scope="module")
def nets() -> list[oracle.NetSpec]:
    return [oracle.to_spec(oracle.load_cfg(name)) for name in NAMES]


@pytest.mark.parametrize("copies", [1, 4], ids=["plain numbers", "arrays"])
@pytest.mark.parametrize(
    "words",
    [
        {"dtype": "float16", "batch_size": 8},
        {"dtype": "float16", "runtime": "compiled", "layout": "nhwc"},
        {"dtype": "float16", "mode": "training"},
        {},
    ],
    ids=str,
)
def test_closed_forms_give_the_calibrated_latency_of_score(
    nets: list[oracle.NetSpec], words: dict[str, Any], copies: int
) -> None:
    devices = ["rtx-3090", "rtx-5090"]
    scores = oracle.score_many(nets * copies, devices, store=_STORE, model="calibrated", **words)
    alone = [oracle.score(net, devices, model="calibrated", **words) for net in nets] * copies
    for index, cost in enumerate(alone):
        for name, time in cost.times.items():
            assert scores.latency_ms[name][index] == pytest.approx(time.latency_ms, rel=1e-12)
            trust = scores.trust[name]
            assert trust.model == time.model
            assert scores.roofline_ms[name][index] == cost.roofline_ms[name]
            if time.interval_ms is not None:
                low = scores.columns()[f"latency_low_ms@{name}"][index]
                assert low == pytest.approx(time.interval_ms[0])


@pytest.mark.parametrize("copies", [1, 4], ids=["plain numbers", "arrays"])
def test_closed_forms_lay_weights_out_anew_as_score_does(copies: int) -> None:
    """An i9-10940X holds 9.6 MiB of weights twice; the widest of these have layers of 14 and 56 MB."""
    nets = [oracle.to_spec(oracle.load_cfg(name)) for name in ("R-56", "ViT-L-16", "RegNetY-32GF")] * copies
    scores = oracle.score_many(nets, ["i9-10940x", "t4"], store=_STORE, runtime="compiled")
    for index, net in enumerate(nets):
        cost = oracle.score(net, ["i9-10940x", "t4"], runtime="compiled")
        for name, time in cost.times.items():
            assert scores.latency_ms[name][index] == pytest.approx(time.latency_ms, rel=1e-12)


@pytest.mark.parametrize("copies", [1, 8], ids=["plain numbers", "arrays"])
def test_images_of_several_sizes_are_predicted_as_each_alone(copies: int) -> None:
    """The Raspberry Pi 4 was measured on 32 x 32: the larger the image, the less its calibration counts."""
    nets = [
        oracle.to_spec(oracle.load_cfg("RegNetX-200MF", ["TRAIN.IM_SIZE", size])) for size in (32, 224, 64, 448)
    ] * copies
    words: dict[str, Any] = {"runtime": "engine", "store": _STORE}
    scores = oracle.score_many(nets, ["raspberry-pi-4"], **words)
    for index, net in enumerate(nets):
        cost = oracle.score(net, ["raspberry-pi-4"], runtime="engine")
        time = cost.times["raspberry-pi-4"]
        assert scores.latency_ms["raspberry-pi-4"][index] == time.latency_ms
        assert tuple(end[index] for end in scores.interval_ms["raspberry-pi-4"]) == time.interval_ms
        assert scores.roofline_ms["raspberry-pi-4"][index] == cost.roofline_ms["raspberry-pi-4"]
    assert scores.trust["raspberry-pi-4"].source.endswith("fitted to 32x32 images, this is 448x448")


def test_ones_own_calibration_counts(nets: list[oracle.NetSpec], tmp_path: Any) -> None:
    save_calibration(MINE, tmp_path / "my.yaml")
    words: dict[str, Any] = {"model": "calibrated", "calibrations": [tmp_path / "my.yaml"]}
    scores = oracle.score_many(nets, ["t4"], store=_STORE, **words)
    shipped = oracle.score_many(nets, ["t4"], store=_STORE, model="calibrated")
    assert (scores.latency_ms["t4"] != shipped.latency_ms["t4"]).all()
    for index, net in enumerate(nets):
        expected = oracle.score(net, ["t4"], model="calibrated", calibrations=[load_calibration(tmp_path / "my.yaml")])
        assert scores.latency_ms["t4"][index] == pytest.approx(expected.latency_ms["t4"], rel=1e-12)


def test_the_textbook_has_nothing_to_trust(nets: list[oracle.NetSpec]) -> None:
    scores = oracle.score_many(nets, ["t4"], store=_STORE, model="roofline")
    assert not scores.trust
    assert (scores.latency_ms["t4"] == scores.roofline_ms["t4"]).all()
    assert "latency_low_ms@t4" not in scores.columns()


def test_a_calibration_without_the_model_that_uses_it_is_an_error(nets: list[oracle.NetSpec]) -> None:
    with pytest.raises(WorkloadError, match="uses no calibration"):
        oracle.score_many(nets, ["t4"], store=_STORE, model="roofline", calibrations=[MINE])


def test_knobs_by_a_calibration() -> None:
    words: dict[str, Any] = {"dtype": "float16", "batch_size": 64, "model": "calibrated"}
    found = knobs("R-56", ["rtx-4090"], **words)
    assert found.latency_ms["rtx-4090"] == pytest.approx(
        oracle.score("R-56", ["rtx-4090"], **words).latency_ms["rtx-4090"]
    )
    assert found.trust["rtx-4090"].model == "calibrated"
    assert not knobs("R-56", ["rtx-4090"], model="roofline").trust
