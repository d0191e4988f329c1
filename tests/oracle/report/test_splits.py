"""Splits add up to the latency, whichever way it is split."""

from __future__ import annotations

import pytest

import oracle
from oracle.query import Cost
from oracle.report.splits import PER_CALL, by_kind, by_phase, by_stage, whole


@pytest.fixture(scope="module", params=["roofline", "calibrated"])
def cost(request: pytest.FixtureRequest) -> Cost:
    return oracle.score("R-56", ["rtx-4090"], batch_size=64, dtype="float16", mode="training", model=request.param)


@pytest.mark.parametrize("split", [by_stage, by_kind, by_phase])
def test_parts_add_up_to_the_whole(cost: Cost, split: object) -> None:
    parts = split(cost, "rtx-4090")
    time = cost.times["rtx-4090"]
    assert sum(part.total_ms for part in parts) == pytest.approx(time.latency_ms)
    for bound in ("compute", "memory", "launch"):
        own = sum(getattr(part, f"{bound}_ms") for part in parts)
        assert own == pytest.approx(time.latency_ms * time.bound_share[bound])
    assert sum(part.kernels for part in parts) == len(cost.kernels())
    assert sum(part.flops for part in parts) == cost.executed_flops
    assert sum(part.traffic_bytes for part in parts) == cost.traffic_bytes
    assert (parts[-1].name == PER_CALL) == bool(time.call_ms)


def test_the_whole_goes_by_its_runtime(cost: Cost) -> None:
    found = whole(cost, "rtx-4090")
    assert (found.name, found.kernels) == ("eager", len(cost.kernels()))
    assert found.total_ms == pytest.approx(cost.latency_ms["rtx-4090"])


def test_parts_come_in_the_order_of_execution(cost: Cost) -> None:
    names = [part.name for part in by_stage(cost, "rtx-4090") if part.name != PER_CALL]
    assert names == ["stem", "s1", "s2", "s3", "head", "loss"]
    phases = [part.name for part in by_phase(cost, "rtx-4090") if part.name != PER_CALL]
    assert phases == ["forward", "backward", "optimizer"]
