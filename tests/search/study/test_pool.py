from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import optuna
import pytest

from search.space import Tally
from search.space.limits import Miss
from search.study import StudyPlan
from search.study.candidates import Candidate, gate_of
from search.study.params import Parameters
from search.study.pool import Pool, nothing_feasible

Make = Callable[..., StudyPlan]


def _pool(plan: StudyPlan, *, in_order: bool = False, points: bool = False) -> Pool:
    return Pool(gate_of(plan), plan.seed, in_order=in_order, points=points)


@pytest.mark.parametrize("in_order", [False, True])
def test_every_feasible_network_comes_once(make_plan: Make, in_order: bool) -> None:
    plan = make_plan(CONSTRAINTS=["params <= 1e9"])
    pool, members = _pool(plan, in_order=in_order), []
    while (member := pool.next(lambda key: False)) is not None:
        members.append(member)
    assert len(members) == len({member.key for member in members}) == 80
    order = [(m.config["REGNET.DEPTH"], m.config["REGNET.W0"], m.config["REGNET.STEM_W"]) for m in members]
    assert (order == sorted(order)) == in_order


def test_workers_that_join_choose_further_on(make_plan: Make) -> None:
    order, pool = _pool(make_plan()), _pool(make_plan())
    first = [order.next(lambda key: False) for _ in range(8)]
    assert pool.next(lambda key: False, skip=5) == first[5]
    assert pool.next(lambda key: False) == first[0]  # those left out are still there
    assert _pool(make_plan()).next(lambda key: False, skip=10_000) is not None


@pytest.mark.parametrize("space", ["small", "regnetx"])
def test_the_nearest_that_is_not_taken_by_brute_force(make_plan: Make, space: str) -> None:
    changes = {} if space == "small" else {"SPACE": space, "CONSTRAINTS": ["params <= 6e6"]}
    plan = make_plan(**changes)
    pool = _pool(plan, points=True)
    pool.probe(100)
    parameters = Parameters.of(plan.space)
    members: list[Candidate] = []
    taken: set[str] = set()
    everything = _pool(plan, points=True)
    everything.probe(100)
    while len(members) < 2_000 and (member := everything.next(lambda key: False)) is not None:
        members.append(member)
    sampler = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        params = sampler.ask(parameters.distributions).params

        def away(config: Mapping[str, Any], params: Mapping[str, Any] = params) -> float:
            own = parameters.suggestions(config)
            pairs = ((p, p.place(own[p.name]) - p.place(params[p.name])) for p in parameters)
            return sum(float(d != 0) if "Cat" in type(p.distribution).__name__ else d * d for p, d in pairs)

        found = pool.nearest(params, taken.__contains__, len(taken))
        assert found is not None
        free = [away(member.config) for member in members if member.key not in taken]
        assert away(found.config) <= min(free) + 1e-6
        assert found.key not in taken
        assert found.feasible
        taken.add(found.key)


def test_a_rare_region_is_filled_from_the_neighbourhood_of_its_few_members(make_plan: Make) -> None:
    plan = make_plan(
        SPACE="regnetx", CONSTRAINTS=["0.40 <= latency_ms@t4 <= 0.404", "params <= 3.2e6"], MODEL="roofline"
    )
    pool, gate = _pool(plan, points=True), gate_of(plan)
    drawn = pool.probe(100_000)
    assert 0 < drawn.feasible < 20
    params = Parameters.of(plan.space).suggestions(_first(plan))
    met: set[str] = set()
    for _ in range(60):
        found = pool.nearest(params, met.__contains__, len(met))
        assert found is not None
        met.add(found.key)
        assert gate.check(found.config) == found
    assert pool.tally.drawn <= 1_120_000  # a million draws and the rest of a chunk: no more were needed


def _first(plan: StudyPlan) -> dict[str, Any]:
    return {key: column[0].tolist() for key, column in plan.space.sample(0, 1).items()}


def test_a_space_that_is_used_up_has_no_nearest(make_plan: Make) -> None:
    pool = _pool(make_plan(CONSTRAINTS=["params <= 1e9"]), points=True)
    taken: set[str] = set()
    params = Parameters.of(make_plan().space).suggestions(_first(make_plan()))
    while (found := pool.nearest(params, taken.__contains__, len(taken))) is not None:
        taken.add(found.key)
    assert len(taken) == 80


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
