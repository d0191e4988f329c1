from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from oracle.config import cfg_from_dict
from oracle.errors import ConfigError
from oracle.families import FAMILIES
from oracle.families.many import depends, population_of
from oracle.families.many.groups import groups, overlaid
from tests.programs import imported

# A few rows of every family, of keys that twins read as columns and of others, one row being impossible.
ROWS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "regnet": (
        {"REGNET": {"WA": 20.0}},
        [
            {"REGNET.DEPTH": depth, "REGNET.SE_ON": on, "REGNET.STEM_TYPE": stem}
            for depth in (3, 9)
            for on in (True, False)
            for stem in ("res_stem_cifar", "simple_stem_in", "nothing")
        ],
    ),
    "anynet": (
        {"ANYNET": {"WIDTHS": [16], "STRIDES": [2], "BLOCK_TYPE": "vanilla_block"}},
        [{"ANYNET.DEPTHS": [depth], "BN.EPS": eps} for depth in (0, 1, 4) for eps in (1e-5, 1e-3)],
    ),
    "effnet": (
        {"EN": {"DEPTHS": [2], "WIDTHS": [16], "EXP_RATIOS": [4], "STRIDES": [2], "KERNELS": [3]}},
        [{"EN.SE_R": ratio, "EN.DROPOUT_RATIO": p} for ratio in (0.01, 0.25) for p in (0.0, 0.2, 1.0)],
    ),
    "resnet": (
        {"RESNET": {"TRANS_FUN": "bottleneck_transform"}},
        [{"MODEL.DEPTH": depth, "RESNET.NUM_GROUPS": groups} for depth in (50, 51, 101) for groups in (1, 32)],
    ),
    "vit": ({"VIT": {"NUM_LAYERS": 2}}, [{"VIT.NUM_HEADS": heads} for heads in (3, 5, 12)]),
    "fbnet": ({}, [{"FBNET.OPS": [op] * 22} for op in (0, 8, 9)]),
    "nasbench201": (
        {},
        [
            {"NB201.ARCH": f"|{op}~0|+|none~0|{op}~1|+|{op}~0|none~1|skip_connect~2|"}
            for op in ("nor_conv_3x3", "none", "conv")
        ],
    ),
    "ofa_mobilenetv3": (
        {"OFA": {"EXPANSIONS": [3], "DEPTHS": [2]}},
        [{"OFA.KERNELS": [kernel]} for kernel in (3, 4, 7)],
    ),
}


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"decoder"}))  # which test_decoder.py has
def test_every_family_can_be_asked_in_columns(agree: Callable[..., Any], family: str) -> None:
    base, rows = ROWS[family]

    population = agree({"MODEL": {"TYPE": family}} | base, rows)

    assert 0 < population.size < len(rows)


@pytest.mark.parametrize("family", ["regnet", "anynet", "effnet"])
def test_scaled_networks_go_one_by_one(agree: Callable[..., Any], family: str) -> None:
    base, rows = ROWS[family]
    model = {"TYPE": family, "SCALING_TYPE": "d1_w8_g8_r1", "SCALING_FACTOR": 2.0}

    agree({"MODEL": model} | base, [row | {"MODEL.NUM_CLASSES": 5 + i} for i, row in enumerate(rows)])


def test_what_no_network_depends_on_is_ignored() -> None:
    cfg = cfg_from_dict({"MODEL": {"TYPE": "regnet"}})
    columns = {
        "OPTIM.BASE_LR": np.array([0.1, 0.2]),
        "VIT.NUM_HEADS": np.array([5, 7]),
        "RNG_SEED": np.array([1, 2]),
    }
    population, rows, rejected = population_of(cfg, columns)

    assert (population.size, rows.tolist(), rejected) == (2, [0, 1], {})
    assert population.spec(0) == population.spec(1)
    assert [depends("regnet", key) for key in columns] == [False] * 3


def test_lists_of_different_lengths_are_one_column() -> None:
    column = np.empty(3, dtype=object)
    column[:] = [[1], [1, 2], [3]]
    base = {"WIDTHS": [16], "STRIDES": [2], "BLOCK_TYPE": "vanilla_block"}
    cfg = cfg_from_dict({"MODEL": {"TYPE": "anynet"}, "ANYNET": base})
    population, rows, rejected = population_of(cfg, {"ANYNET.DEPTHS": column})

    assert rows.tolist() == [0, 2]
    assert rejected == {"ANYNET.WIDTHS": 1}
    assert [len(spec.cells) for spec in population.specs()] == [3, 5]


def test_no_rows_are_no_networks() -> None:
    cfg = cfg_from_dict({"MODEL": {"TYPE": "regnet"}})
    columns = {"REGNET.DEPTH": np.zeros(0, dtype=np.int64), "REGNET.SE_ON": np.zeros(0, dtype=bool)}
    population, rows, rejected = population_of(cfg, columns)

    assert (population.size, len(rows), rejected) == (0, 0, {})


@pytest.mark.parametrize(
    ("family", "columns", "words"),
    [
        ("regnet", {}, "a column"),
        ("regnet", {"REGNET.DEPTH": np.arange(3), "REGNET.W0": np.arange(2)}, "one length"),
        ("regnet", {"MODEL.TYPE": np.array(["regnet", "vit"])}, "one family"),
        ("regnot", {"REGNET.DEPTH": np.arange(3)}, "did you mean regnet"),
    ],
)
def test_columns_that_make_no_sense_are_refused(family: str, columns: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        population_of(cfg_from_dict({"MODEL": {"TYPE": family}}), columns)


def test_groups_hold_every_row_once() -> None:
    columns = {
        "A": np.array(["x", "y", "x", "y", "x"]),
        "B": np.array([[1, 2], [1, 2], [1, 2], [1, 3], [2, 2]]),
        "C": np.arange(5),
    }
    found = [(rows.tolist(), values, rest["C"].tolist()) for rows, values, rest in groups(columns, 5, ["A", "B"])]

    assert sorted(found) == [
        ([0, 2], {"A": "x", "B": [1, 2]}, [0, 2]),
        ([1], {"A": "y", "B": [1, 2]}, [1]),
        ([3], {"A": "y", "B": [1, 3]}, [3]),
        ([4], {"A": "x", "B": [2, 2]}, [4]),
    ]


def test_a_view_leaves_the_config_alone() -> None:
    cfg = cfg_from_dict({"MODEL": {"TYPE": "regnet"}})
    view = overlaid(cfg, {"REGNET.DEPTH": np.int64(3), "MODEL.NUM_CLASSES": 7})

    assert (view.REGNET.DEPTH, view.REGNET["DEPTH"], view["MODEL"].NUM_CLASSES) == (3, 3, 7)
    assert type(view.REGNET.DEPTH) is int
    assert (cfg.REGNET.DEPTH, cfg.MODEL.NUM_CLASSES) == (10, 10)
    with pytest.raises(AttributeError, match="DEPHT"):
        _ = view.REGNET.DEPHT


def test_columns_need_neither_torch_nor_yacs() -> None:
    assert imported("import oracle.families.many, oracle.families.fingerprint", {"torch", "yacs"}) == set()
