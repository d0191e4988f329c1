"""Every shipped network against published integers, counted by hand over its cells."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oracle._resources import shipped
from oracle.config import load_cfg
from oracle.families import to_spec
from oracle.spec import NetSpec

ByHand = Callable[[NetSpec], Any]

# Millions of parameters and of MACs of networks that the table beside the checkout leaves out: RegNet and
# EfficientNet from pycls's model zoo, ResNeXt and ViT from timm's results, the CIFAR networks from
# github.com/akamaster/pytorch_resnet_cifar10 (whose shortcuts have no weights, hence a little less),
# NAS-Bench-201 from its own interface, FBNet-C from timm's results.
PUBLISHED = {
    "RegNetX-1.6GF": (9.2, 1600),
    "RegNetX-12GF": (46.1, 12100),
    "RegNetY-800MF": (6.3, 800),
    "RegNetY-3.2GF": (19.4, 3200),
    "ResNeXt-101-32x4d": (44.2, 8000),
    "EfficientNet-B3": (12.2, 1800),
    "ViT-S-16": (22.05, 4610),
    "ViT-B-16": (86.57, 17580),
    "ViT-L-16": (304.33, 61600),
    "R-56": (0.86, 126),
    "R-110": (1.73, 253),
    "NB201-AllConv3x3": (1.531, 220.12),
    "NB201-AllSkip": (0.0733, 7.783),
    "FBNet-C": (5.57, 385),
}

# Decoders read tokens; tests/oracle/families/test_decoder*.py has theirs.
OF_IMAGES = [name for name, path in shipped("networks").items() if path.parent.name != "decoder"]


@pytest.mark.parametrize("name", OF_IMAGES)
def test_the_figures_in_a_shipped_file_are_true(name: str, by_hand: ByHand) -> None:
    counted = by_hand(to_spec(load_cfg(name)))
    comment = shipped("networks")[name].read_text(encoding="utf-8").splitlines()[2]
    figures = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", comment)]

    assert figures == [counted.params, counted.macs, counted.activations]


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_have_their_published_size(name: str, by_hand: ByHand) -> None:
    counted = by_hand(to_spec(load_cfg(name)))
    params_m, macs_m = PUBLISHED[name]

    assert counted.params / 1e6 == pytest.approx(params_m, rel=0.01)
    assert counted.macs / 1e6 == pytest.approx(macs_m, rel=0.02)


@pytest.mark.parametrize("name", [name for name in shipped("networks") if name.startswith("RegNet")])
def test_a_regnet_keeps_what_its_name_promises(name: str, by_hand: ByHand) -> None:
    number, unit = re.fullmatch(r"RegNet[XY]-([\d.]+)([MG])F", name).groups()  # type: ignore[union-attr]
    promised = float(number) * {"M": 1e6, "G": 1e9}[unit]

    assert by_hand(to_spec(load_cfg(name))).macs == pytest.approx(promised, rel=0.03)


def test_counts_equal_those_of_pycls(shared_data: Path, by_hand: ByHand) -> None:
    with (shared_data / "pycls_complexity.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))

    assert len(rows) == 30
    for row in rows:
        counted = by_hand(to_spec(load_cfg(row["network"])))
        ours = (counted.macs, counted.params, counted.activations)
        assert ours == (int(row["macs_with_bias"]), int(row["params"]), int(row["activations"])), row["network"]
