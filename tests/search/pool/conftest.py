from __future__ import annotations

import optuna
import pytest

from search.space import Space, space_of

_OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def cells(*choices: list[str]) -> Space:
    """Cells of NAS-Bench-201 with some operations on each of the six edges."""
    items = [{"TYPE": "grid_sampler", "VALUES": own} for own in choices]
    sampler = {"TYPE": "list_sampler", "ITEM_SAMPLERS": items}
    return space_of(
        {"SETUP": {"SAMPLERS": {"NB201.OPS": sampler}, "BASE_CFG": {"MODEL": {"TYPE": "nasbench201"}}}}, "cells"
    )


@pytest.fixture(scope="session")
def few() -> Space:
    """108 spellings of cells, some of them equal, some without a path."""
    return cells(_OPS[:3], _OPS[:2], _OPS[1:4], _OPS[:2], _OPS[2:3], _OPS[:3])


@pytest.fixture(scope="session")
def regnets() -> Space:
    """Small RegNets with a number that has no steps, and a learning rate that costs nothing."""
    return space_of(
        {
            "SETUP": {
                "NUM_SAMPLES": 20_000,
                "CHUNK_SIZE": 2_000,
                "SAMPLERS": {
                    "REGNET": {
                        "TYPE": "regnet_sampler",
                        "DEPTH": [2, 8],
                        "W0": [8, 32],
                        "WA": [1, 32],
                        "WM": [1.5, 3],
                        "GROUP_W": [8, 32],
                    },
                    "REGNET.STEM_W": {"TYPE": "grid_sampler", "RANGE": [4, 32], "STEP": 4},
                    "OPTIM.BASE_LR": {"TYPE": "grid_sampler", "VALUES": [0.1, 0.2]},
                },
                "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [1, 3]}},
                "BASE_CFG": {
                    "MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10},
                    "REGNET": {"STEM_TYPE": "res_stem_cifar"},
                    "TRAIN": {"IM_SIZE": 8},
                },
            }
        },
        "regnets",
    )
