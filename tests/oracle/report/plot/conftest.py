"""What figures are drawn from."""

from __future__ import annotations

import pytest

import oracle
from oracle.query import Cost
from oracle.report.facts import (
    DeviceFacts,
    NetworkFacts,
    PairFacts,
    Population,
    PopulationValue,
    device_facts,
    knob_of,
    network_facts,
)

pytest.importorskip("matplotlib")

DEVICES = ("rtx-4090", "t4")


@pytest.fixture(scope="session")
def cost() -> Cost:
    return oracle.score("R-56", DEVICES, batch_size=8, dtype="float16")


@pytest.fixture(scope="session")
def network(cost: Cost) -> NetworkFacts:
    return network_facts(cost, {name: oracle.load_device(name) for name in DEVICES})


@pytest.fixture(scope="session")
def devices() -> list[DeviceFacts]:
    return [device_facts(oracle.load_device(name)) for name in DEVICES]


@pytest.fixture(scope="session")
def candidates() -> Population:
    """Three of them on two devices, small enough to be drawn by hand."""
    return Population(
        noun="candidates",
        names=["a", "b", "c"],
        latency_ms={"t4": [1.0, 2.0, 4.0], "a10": [8.0, 2.0, 3.0]},
        ranks={"t4": [1, 2, 3], "a10": [3, 1, 2]},
        values={
            "macs": PopulationValue([10, 30, 20], True, {"t4": [0, 1], "a10": [1]}),
            "loss": PopulationValue([3, 1, 2], False, {"t4": [0, 1], "a10": [1]}),
        },
        knobs={"DEPTH": knob_of([1, 2, 2]), "SAME": knob_of([1, 1, 1])},
        extra={},
        pairs=(PairFacts(("t4", "a10"), -1 / 3, 2, 3),),
        total=3,
    )
