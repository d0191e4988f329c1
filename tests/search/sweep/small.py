"""A small space that sweeps of several workers share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.space import space_of
from search.sweep import SweepResult, sweep

__all__ = ["SETUP", "run"]

SETUP: dict[str, Any] = {
    "NUM_SAMPLES": 300,
    "CHUNK_SIZE": 20,
    "SAMPLERS": {
        "REGNET": {"TYPE": "regnet_sampler", "DEPTH": [6, 9], "W0": [16, 48], "WA": [8, 32], "GROUP_W": [8, 16]}
    },
    "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [0, 0]}},
    "BASE_CFG": {"MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10}, "TRAIN": {"IM_SIZE": 32}},
}


def run(out: Path, **more: Any) -> SweepResult:
    """Sweep the space on one device."""
    return sweep(space_of({"SETUP": SETUP}, "small"), ["t4"], out=out, **more)
