from __future__ import annotations

from collections.abc import Callable

import pytest

from search.space import Tally
from search.space.limits import Miss
from search.study import StudyPlan
from search.study.candidates import Gate
from search.study.pool import Pool, nothing_feasible

Make = Callable[..., StudyPlan]


def _pool(plan: StudyPlan, *, in_order: bool = False) -> Pool:
    return Pool(Gate(plan.space, plan.bounds, plan.devices, plan.workload), plan.seed, in_order=in_order)


@pytest.mark.parametrize("in_order", [False, True])
def test_every_feasible_network_comes_once(make_plan: Make, in_order: bool) -> None:
    plan = make_plan(CONSTRAINTS=["params <= 1e9"])
    pool, members = _pool(plan, in_order=in_order), []
    while (member := pool.take(lambda key: False)) is not None:
        members.append(member)
    assert len(members) == len({member.key for member in members}) == 80
    order = [(m.config["REGNET.DEPTH"], m.config["REGNET.W0"], m.config["REGNET.STEM_W"]) for m in members]
    assert (order == sorted(order)) == in_order


def test_the_nearest_that_is_not_taken(make_plan: Make) -> None:
    pool = _pool(make_plan(CONSTRAINTS=["params <= 1e9"]))

    def far(config: dict[str, int]) -> float:
        return abs(config["REGNET.DEPTH"] - 4) + abs(config["REGNET.W0"] - 24) / 8 + config["REGNET.STEM_W"] / 100

    first = pool.take(lambda key: False, far)
    second = pool.take(lambda key: False, far)
    assert first is not None
    assert second is not None
    assert [first.config[f"REGNET.{key}"] for key in ("DEPTH", "W0", "STEM_W")] == [4, 24, 8]
    assert [second.config[f"REGNET.{key}"] for key in ("DEPTH", "W0", "STEM_W")] == [4, 24, 16]


def test_a_stream_without_feasible_members_is_given_up(make_plan: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.study.pool._PATIENCE", 12_000)
    plan = make_plan(SPACE="regnetx", CONSTRAINTS=["params <= 10"])
    tally = _pool(plan).probe(100)
    assert tally.feasible == 0
    assert 12_000 <= tally.drawn <= plan.space.chunk_size  # far from all of its samples


def test_the_tightest_rejects_the_largest_share_of_what_it_saw() -> None:
    rejected = {"REGNET.NUM_STAGES": 80, "repeated": 10, "params": 10, "macs": 4}
    nearest = {"params": Miss(0.5, 15.0, "at most 10"), "macs": Miss(0.1, 11.0, "at most 10")}
    text = str(nothing_feasible(Tally(100, 0, rejected, nearest), {}))
    assert "0 of 100 candidates are feasible; tightest: params rejects 10; nearest is 15 (50.00% off" in text
