"""Pages to look at: of a network, of ten thousand candidates, of a study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.query import Cost
from oracle.report.facts import (
    ConstraintFacts,
    ObjectiveFacts,
    PairFacts,
    Population,
    PopulationValue,
    StudyFacts,
    device_facts,
    knob_of,
    run_facts,
    runtime_facts,
    training_facts,
)
from oracle.report.page import Detail, PageFacts, cost_page, write_page

DEVICES = ("rtx-4090", "t4")
SIZE = 10_000


@pytest.fixture(scope="session")
def cost() -> Cost:
    return oracle.score("R-56", DEVICES, batch_size=8, dtype="float16")


@pytest.fixture(scope="session")
def step() -> Cost:
    return oracle.score("R-56", DEVICES, batch_size=8, dtype="float16", mode="training")


@pytest.fixture(scope="session")
def make_page(tmp_path_factory: pytest.TempPathFactory) -> Callable[[PageFacts], Path]:
    """Writes a page."""

    def make(facts: PageFacts) -> Path:
        path = tmp_path_factory.mktemp("page") / "page.html"
        write_page(path, facts)
        return path

    return make


@pytest.fixture(scope="session")
def network_page(cost: Cost, step: Cost, make_page: Callable[[PageFacts], Path]) -> Path:
    """One network on two devices, with everything."""
    engine = oracle.score("R-56", DEVICES, batch_size=8, dtype="float16", runtime="engine")
    runtimes = runtime_facts([cost, engine], {"compiled": ["not on this device"]})
    training = training_facts(step, oracle.fit("R-56", ["t4"], dtype="float16"), ["pixel-4 states no memory size."])
    devices = {name: oracle.load_device(name) for name in DEVICES}
    return make_page(cost_page([Detail(cost, runtimes, training)], devices, "oracle report R-56"))


def population(size: int = SIZE) -> Population:
    """Candidates whose latency on the second device differs from the first's by a known factor."""
    rng = np.random.default_rng(0)
    macs = np.round(10 ** rng.uniform(7, 10, size)).astype(int)
    first = macs / 1e9 * rng.uniform(1, 2, size)
    second = first * np.where(np.arange(size) % 2, 3.0, 0.5)
    latency = {"rtx-4090": first, "t4": second}
    order = {name: np.argsort(column) for name, column in latency.items()}
    fronts = {name: _front(rows, macs) for name, rows in order.items()}
    return Population(
        noun="candidates",
        names=[f"row {row}" for row in range(size)],
        latency_ms={name: column.tolist() for name, column in latency.items()},
        ranks={name: (np.argsort(rows) + 1).tolist() for name, rows in order.items()},
        values={
            "macs": PopulationValue(macs.tolist(), True, fronts),
            "params": PopulationValue((macs // 50).tolist(), True, fronts),
        },
        knobs={
            "REGNET.DEPTH": knob_of(rng.integers(12, 29, size).tolist()),
            "STEM": knob_of(["simple", "res"] * (size // 2)),
        },
        extra={},
        pairs=(PairFacts(DEVICES, 0.25, 12, size * (size - 1) // 2, (3, 4, 1.5, 1.25)),),
        total=250_000 if size == SIZE else size,
        shown="those on a front, and others drawn at random" if size == SIZE else "",
    )


def _front(rows: Any, macs: Any) -> list[int]:
    """Positions with more MACs than every faster one."""
    best = np.maximum.accumulate(np.concatenate([[0], macs[rows][:-1]]))
    return [int(row) for row, most in zip(rows, best, strict=True) if macs[row] > most]


@pytest.fixture(scope="session")
def population_page(make_page: Callable[[PageFacts], Path]) -> Path:
    """Ten thousand candidates on two devices."""
    devices = tuple(device_facts(oracle.load_device(name)) for name in DEVICES)
    return make_page(PageFacts("Candidates", "Per call of 1 image.", run_facts([]), devices, population=population()))


@pytest.fixture(scope="session")
def study_page(make_page: Callable[[PageFacts], Path]) -> Path:
    """Twelve trials of a study with two objectives."""
    found = population(12)
    found = replace(
        found,
        knobs={**found.knobs, "REGNET.W0": knob_of(list(range(8, 104, 8))), "REGNET.WA": knob_of(list(range(12)))},
    )
    quality = [0.5, 0.7, 0.6, 0.9, 0.8, 0.65, 0.95, 0.4, 0.3, 0.2, 0.1, 0.85]
    front = [0, 6]
    study = StudyFacts(
        objectives=(
            ObjectiveFacts("quality", True, quality),
            ObjectiveFacts("latency_ms@t4", False, found.latency_ms["t4"]),
        ),
        outcomes={"rejected": 30, "evaluated": 12},
        constraints=(
            ConstraintFacts("params at most 20,000", 42, 20, 5),
            ConstraintFacts("latency_ms@t4 at most 2", 42, 25, 10),
        ),
        trials=[3 * number for number in range(12)],
        front=front,
        snapshots=[(6, [0, 3]), (12, front)],
        progress=[0.1, 0.2, 0.2, 0.6, 0.6, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        sampler="Sampler tpe.",
    )
    devices = tuple(device_facts(oracle.load_device(name)) for name in DEVICES)
    return make_page(PageFacts("Study", "Per call of 1 image.", run_facts([]), devices, population=found, study=study))
