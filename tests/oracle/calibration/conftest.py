"""Networks and devices whose latencies are known, because the model makes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from oracle.calibration import CLASSES, GENERAL, RoofTimes
from oracle.calibration.classes import CONTRACTIONS
from oracle.calibration.model import NAMES, Floats


@pytest.fixture(scope="session")
def networks() -> Callable[..., list[RoofTimes]]:
    """`networks(count, seed=0)`: random networks whose kernels take from a microsecond to ten milliseconds."""
    return _networks


@pytest.fixture(scope="session")
def some_device() -> Callable[[int], Floats]:
    """`some_device(seed)`: parameters near what is generally known."""
    return _some_device


def _networks(count: int, seed: int = 0) -> list[RoofTimes]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        size = int(rng.integers(5, 30))
        compute, memory = (np.asarray(10 ** rng.uniform(-6, -2, size), dtype=np.float64) for _ in range(2))
        kernels = np.asarray(rng.integers(1, 9, size), dtype=np.float64)
        classes = rng.integers(0, len(CLASSES), size)
        weights = np.where(classes < len(CONTRACTIONS), 0.3 * memory, 0.0)
        found.append(RoofTimes(classes, compute, memory, kernels, weights))
    return found


def _some_device(seed: int) -> Floats:
    spread = np.random.default_rng(seed).normal(0, 0.5, len(NAMES))
    return np.asarray(GENERAL.mean + spread)
