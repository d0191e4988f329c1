from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest

from oracle.errors import MissingDependencyError
from search.study import StudyPlan, run_study
from search.study.params import Parameters
from search.study.samplers import LEARNERS, check_sampler, suggest
from tests.nightly import unless

Make = Callable[..., StudyPlan]


@pytest.mark.parametrize("sampler", unless("gp".__ne__, sorted(LEARNERS)))
def test_a_suggestion_leaves_no_trial_and_depends_on_number_and_words(make_plan: Make, sampler: str) -> None:
    plan = make_plan(SAMPLER={"TYPE": sampler, "STARTUP": 2, "POPULATION": 4}, TRIALS=3, OBJECTIVES=["maximise macs"])
    study = run_study(plan, optuna.storages.InMemoryStorage()).study
    parameters = Parameters.of(plan.space)
    before = len(study.trials)
    params, notes = suggest(plan, study, before, (), parameters.distributions)
    assert len(study.trials) == before
    assert params.keys() == parameters.distributions.keys()
    assert not any("relative_params" in key for key in notes)
    assert bool(notes) == sampler.startswith(("nsga", "pool"))
    assert suggest(plan, study, before, (), parameters.distributions) == (params, notes)
    others = [suggest(plan, study, before, (word,), parameters.distributions)[0] for word in range(3)]
    assert any(other != params for other in others) or sampler in ("gp", "pool")  # whose optimum may be the same


def test_a_sampler_without_its_packages_says_what_to_install(make_plan: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"torch"}
    monkeypatch.setattr("search.study.samplers.find_spec", lambda name: name if name in found else None)
    with pytest.raises(MissingDependencyError, match=r"SAMPLER.TYPE: gp needs scipy; pip install scipy$"):
        run_study(make_plan(SAMPLER="gp"), optuna.storages.InMemoryStorage())
    found.add("scipy")
    check_sampler("gp")
    check_sampler("random")
