"""Small studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search.study import StudyPlan, study_of

# 80 networks, each twice: the learning rate tells no network from another.
SMALL = {
    "SETUP": {
        "SAMPLERS": {
            "REGNET.DEPTH": {"TYPE": "grid_sampler", "RANGE": [2, 6], "STEP": 1},
            "REGNET.W0": {"TYPE": "grid_sampler", "RANGE": [8, 64], "STEP": 8},
            "REGNET.STEM_W": {"TYPE": "grid_sampler", "VALUES": [8, 16]},
            "OPTIM.BASE_LR": {"TYPE": "grid_sampler", "VALUES": [0.1, 0.2]},
        },
        "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [0, 0]}},
        "BASE_CFG": {
            "MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10},
            "REGNET": {"WA": 0.0, "WM": 2.0, "GROUP_W": 8, "STEM_TYPE": "res_stem_cifar"},
            "TRAIN": {"IM_SIZE": 8},
        },
    }
}


@pytest.fixture(autouse=True)
def own_templates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Closed forms are kept at a place that is no user's."""
    monkeypatch.setenv("NAS_COST_ORACLE_CACHE", str(tmp_path))


@pytest.fixture
def make_plan() -> Callable[..., StudyPlan]:
    """Makes a plan for a study of the small space, with some keys changed."""

    def make(**changes: Any) -> StudyPlan:
        values: dict[str, Any] = {
            "NAME": "small",
            "SPACE": SMALL,
            "OBJECTIVES": ["maximise macs", "minimise latency_ms@t4"],
            "CONSTRAINTS": ["params <= 20e3"],
            "SAMPLER": "random",
            "TRIALS": 8,
            "PROBE": 100,
        }
        return study_of(values | changes)

    return make
