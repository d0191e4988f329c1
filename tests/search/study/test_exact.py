"""Fronts of studies that need no evaluation, against brute force."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.errors import ConfigError
from search.study import Progress, Results, StudyPlan, load_study, open_results, run_study, study_of
from search.study.coverage import Coverage
from tests.search.study.conftest import SMALL

Make = Callable[..., StudyPlan]

DRAWN: dict[str, Any] = {
    "NAME": "drawn",
    "SPACE": {
        "SETUP": {
            "CHUNK_SIZE": 500,
            "SAMPLERS": {"REGNET": {"TYPE": "regnet_sampler", "DEPTH": [2, 8], "W0": [8, 64], "WA": [8, 64]}},
            "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [1, 3]}},
            "BASE_CFG": {"MODEL": {"TYPE": "regnet"}, "TRAIN": {"IM_SIZE": 32}},
        }
    },
    "OBJECTIVES": ["maximise macs", "minimise latency_ms@t4"],
    "CONSTRAINTS": ["params <= 2e6"],
    "SAMPLER": {"TYPE": "exact", "DRAWS": 4_000},
}


def by_hand() -> list[tuple[dict[str, int], float, float]]:
    """Every feasible member of the small space, by `oracle.score` alone."""
    found = []
    for depth, width, stem in itertools.product(range(2, 7), range(8, 72, 8), (8, 16)):
        keys = {"DEPTH": depth, "W0": width, "STEM_W": stem}
        cfg = {
            "MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10},
            "REGNET": keys | {"WA": 0.0, "WM": 2.0, "GROUP_W": 8, "STEM_TYPE": "res_stem_cifar"},
            "TRAIN": {"IM_SIZE": 8},
        }
        cost = oracle.score(oracle.to_spec(oracle.config.cfg_from_dict(cfg)), ["t4"])
        if (cost.params or 0) <= 20e3:
            found.append((keys, float(cost.macs), cost.latency_ms["t4"]))
    return found


@pytest.mark.parametrize("store", ["{}/s.journal", "sqlite:///{}/s.db"])
def test_a_finite_space_is_looked_at_as_a_whole(tmp_path: Path, make_plan: Make, store: str) -> None:
    plan = make_plan(SAMPLER="exact", TRIALS=1)
    results = run_study(plan, store.format(tmp_path))
    members = by_hand()
    front = {
        tuple(keys.values())
        for keys, macs, ms in members
        if not any(a >= macs and b <= ms and (a, b) != (macs, ms) for _, a, b in members)
    }
    names = [f"REGNET.{name}" for name in ("DEPTH", "W0", "STEM_W")]
    assert {tuple(record.config[name] for name in names) for record in results.front()} == front
    assert len(results.evaluated) == len(results.trials) == len(front) > 1  # a front is kept whole, whatever TRIALS
    found = results.coverage
    assert found is not None
    assert (found.drawn, found.feasible, found.whole, found.done) == (160, len(members), True, True)
    assert str(found) == f"Exact: all 160 members of the space were looked at, {len(members)} of them feasible."


def test_one_objective_keeps_the_best_few(tmp_path: Path, make_plan: Make) -> None:
    storage = str(tmp_path / "s.journal")
    macs = sorted((macs for _, macs, _ in by_hand()), reverse=True)
    results = run_study(make_plan(SAMPLER="exact", OBJECTIVES="maximise macs", TRIALS=4), storage)
    assert [record.values[0] for record in results.ranked()] == macs[:4]
    assert results.best().values[0] == macs[0]
    more = run_study(make_plan(SAMPLER="exact", OBJECTIVES="maximise macs", TRIALS=9), storage)
    assert [record.values[0] for record in more.ranked()] == macs[:9]
    assert len({record.key for record in more.trials}) == len(more.trials) == 9


def _points(results: Results) -> list[Any]:
    return [(trial.params, trial.values, trial.user_attrs["config"]) for trial in results.study.trials]


def test_draws_of_a_large_space_keep_the_front_of_all_that_was_seen(tmp_path: Path) -> None:
    plan = study_of(DRAWN)
    results = run_study(plan, str(tmp_path / "s.journal"))
    values = np.array([record.values for record in results.front()])
    for record in results.front():
        cost = oracle.score(results.spec(record), ["t4"])
        assert record.values == (cost.macs, pytest.approx(cost.latency_ms["t4"], rel=1e-12))
        assert (cost.params or 0) <= 2e6
    for chunk in range(8):  # no draw beats the front
        drawn = plan.space.chunk(chunk)
        scores = oracle.score_many(drawn.population, ["t4"], **plan.workload.to_dict())
        for macs, ms, params in zip(scores.macs, scores.latency_ms["t4"], scores.params, strict=True):
            beaten = (values[:, 0] >= macs) & (values[:, 1] <= ms * (1 + 1e-12))
            assert params > 2e6 or beaten.any()
    found = results.coverage
    assert found is not None
    assert (found.drawn, found.chunks, found.whole, found.done) == (4_000, 8, False, True)
    assert found.neighbours > 0
    assert found.gain is not None
    assert 0 <= found.gain < 0.5


def test_same_seed_same_front_and_stopped_and_resumed_is_one_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = study_of(DRAWN)
    once = run_study(plan, str(tmp_path / "once.journal"))

    def interrupter(stop: int) -> Callable[[Progress], None]:
        def interrupt(progress: Progress) -> None:
            if progress.probed and progress.probed[0] > stop:
                raise KeyboardInterrupt

        return interrupt

    storage = str(tmp_path / "parts.journal")
    for stop in (900, 2_600):
        with pytest.raises(KeyboardInterrupt):
            run_study(plan, storage, watcher=interrupter(stop))
        kept = open_results(storage)
        assert kept.best().feasible  # what is done is there
        assert kept.coverage is not None
        assert "Not finished" in str(kept.coverage)
    parts = run_study(plan, storage)
    assert _points(parts) == _points(once)
    assert parts.coverage == once.coverage
    assert len(run_study(plan, storage).trials) == len(once.trials)  # nothing is left to look at
    other = run_study(study_of(DRAWN | {"SEED": 1}), str(tmp_path / "other.journal"))
    assert _points(other) != _points(once)


def test_time_out_ends_between_chunks_and_more_draws_go_on(tmp_path: Path) -> None:
    storage = str(tmp_path / "s.journal")
    assert not run_study(study_of(DRAWN | {"TIMEOUT": 1e-9}), storage).trials
    few = run_study(study_of(DRAWN | {"SAMPLER": {"TYPE": "exact", "DRAWS": 900}}), storage)
    assert few.coverage is not None
    assert few.coverage.drawn == 1_000  # whole chunks
    more = run_study(study_of(DRAWN), storage)
    assert more.coverage is not None
    assert more.coverage.drawn == 4_000


def test_nothing_feasible_says_what_is_tight(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 of 4,000 candidates are feasible; tightest: params rejects"):
        run_study(study_of(DRAWN | {"CONSTRAINTS": ["params <= 100"]}), str(tmp_path / "s.journal"))


def test_what_needs_an_evaluation_is_not_enumerated(make_plan: Make) -> None:
    quality = {"OBJECTIVES": ["maximise quality"], "QUALITY": {"TYPE": "call", "FUNCTION": "a:b"}}
    with pytest.raises(ConfigError, match="value 'exact', but an objective is quality"):
        make_plan(**quality, SAMPLER="exact")
    assert make_plan(**quality, SAMPLER={}).sampler["TYPE"] == "pool"
    assert make_plan(SAMPLER={}).sampler["TYPE"] == "exact"


def test_a_learning_rate_makes_no_second_network(tmp_path: Path, make_plan: Make) -> None:
    assert "OPTIM.BASE_LR" in SMALL["SETUP"]["SAMPLERS"]
    results = run_study(make_plan(SAMPLER="exact", CONSTRAINTS=["params <= 1e9"]), str(tmp_path / "s.journal"))
    assert len({results.spec(record) for record in results.trials}) == len(results.trials)


def test_the_shipped_regnetx_is_at_least_as_good_as_a_million_draws(tmp_path: Path) -> None:
    plan = load_study("regnetx-t4-latency")
    fewer = study_of({**plan.values, "SAMPLER": {"TYPE": "exact", "DRAWS": 160_000}})
    results = run_study(fewer, str(tmp_path / "s.journal"))
    assert results.best().values[0] >= 14.21e9  # the best of a million draws: 14,218,928,128
    cost = oracle.score(results.spec(results.best()), ["t4"], **plan.workload.to_dict())
    assert cost.latency_ms["t4"] <= 2
    assert (cost.params or 0) <= 30e6


def test_coverage_in_words() -> None:
    drawn = Coverage(1_000, 300, 50, 1_000_000, chunks=2, kept=5, gain=0.0125, done=True)
    assert str(drawn) == (
        "The best of 1,000 candidates out of 1,000,000 combinations (0.001 of them), 300 of them feasible, and of 50 "
        "around the best. The last doubling improved the best value by 1.25%."
    )
    endless = str(Coverage(1_000, 300, 0, None, chunks=2, gain=0.5, thinned=True))
    assert endless.startswith("The best of 1,000 candidates out of a continuous space, 300 of them feasible.")
    assert "hypervolume of the front by 50.00%. The front has more than the 5,000 members" in endless
    assert endless.endswith("Not finished: `oracle-search resume` goes on.")
