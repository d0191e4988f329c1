"""Pages of studies: their front as it grew, and what limits turned away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.errors import OracleError
from search.pareto import hypervolume, non_dominated
from search.report import study_page
from search.report.studies import study_facts, study_population
from search.study import Results, StudyPlan, open_results, run_study
from search.study.storage import open_storage
from search.study.store import create, quiet


@pytest.fixture
def results(make_plan: Callable[..., StudyPlan], tmp_path: Path) -> Results:
    return run_study(make_plan(STORAGE=str(tmp_path / "s.journal"), TRIALS=12))


def test_candidates_are_the_feasible_trials(results: Results) -> None:
    found, facts = study_population(results), study_facts(results)
    records = results.evaluated
    assert len(records) > 3
    assert facts.trials == [record.number for record in records]
    assert found.names == [f"trial {record.number}" for record in records]
    assert next(iter(found.values)) == "macs"
    assert found.latency_ms["t4"] == [record.scores["latency_ms@t4"] for record in records]
    assert found.knobs.keys() == {"REGNET.DEPTH", "REGNET.W0", "REGNET.STEM_W", "OPTIM.BASE_LR"}
    assert [objective.name for objective in facts.objectives] == ["macs", "latency_ms@t4"]
    assert facts.objectives[0].column == [record.values[0] for record in records]
    assert {facts.trials[row] for row in facts.front} == {record.number for record in results.front()}


def test_outcomes_and_limits_count_trials(results: Results) -> None:
    facts = study_facts(results)
    assert facts.outcomes == dict(Counter(trial.outcome for trial in results.trials).most_common())
    by_name = {one.name: one for one in facts.constraints}
    params = by_name["params at most 20,000"]
    broken = [trial for trial in results.trials if trial.constraints.get("params", 0) > 0]
    assert (params.broken, params.judged) == (len(broken), sum(bool(trial.constraints) for trial in results.trials))
    alone = [trial for trial in broken if sum(value > 0 for value in trial.constraints.values()) == 1]
    assert params.alone == len(alone)
    assert [one.broken for one in facts.constraints] == sorted((one.broken for one in facts.constraints), reverse=True)


def test_snapshots_and_hypervolume_grow_to_the_front(results: Results) -> None:
    facts = study_facts(results)
    columns = [np.array(objective.column) for objective in facts.objectives]
    assert [count for count, _ in facts.snapshots][-1] == len(facts.trials)
    for count, rows in facts.snapshots:
        assert rows == np.flatnonzero(non_dominated([c[:count] for c in columns], [True, False])).tolist()
    worst = [columns[0].min(), columns[1].max()]
    whole = hypervolume(columns, worst, [True, False])
    for row, share in enumerate(facts.progress):
        part = hypervolume([c[: row + 1] for c in columns], worst, [True, False])
        assert share == pytest.approx(part / whole)


def test_one_objective_has_a_best_so_far(make_plan: Callable[..., StudyPlan], tmp_path: Path) -> None:
    plan = make_plan(STORAGE=str(tmp_path / "s.journal"), OBJECTIVES=["minimise latency_ms@t4"])
    facts = study_facts(run_study(plan))
    (objective,) = facts.objectives
    assert facts.progress == np.minimum.accumulate(objective.column).tolist()


def test_a_study_without_a_feasible_trial_has_a_page(make_plan: Callable[..., StudyPlan], tmp_path: Path) -> None:
    plan = make_plan(STORAGE=str(tmp_path / "s.journal"))
    with quiet():
        page = study_page(Results(create(plan, open_storage(plan.storage)), plan))
    assert page.study is not None
    assert (page.study.trials, page.study.front, page.study.progress) == ([], [], [])
    assert page.population is None  # no empty figures


def test_a_calibrated_study_says_how_far_to_trust_it(make_plan: Callable[..., StudyPlan], tmp_path: Path) -> None:
    words = {"MODEL": "calibrated", "OBJECTIVES": ["minimise latency_ms@t4"], "TRIALS": 2}
    page = study_page(run_study(make_plan(STORAGE=str(tmp_path / "s.journal"), **words)))
    assert any("mean error" in note for note in page.run.notes)


def test_a_notebook_shows_its_tables(results: Results) -> None:
    html = results._repr_html_()
    assert html.count("<table>") == 1
    assert all(str(record.number) in html for record in results.front())


def test_the_page_has_everything(results: Results) -> None:
    page = study_page(results, "oracle-search report small")
    assert page.title == "Study small"
    assert [device.name for device in page.devices] == ["t4"]
    assert page.run.command == "oracle-search report small"


def test_failures_are_told_with_their_reasons(make_plan: Callable[..., StudyPlan], tmp_path: Path) -> None:
    def fail(spec: Any, builder: Any, evaluation: Any) -> float:
        raise RuntimeError("boom")

    words = {"OBJECTIVES": ["maximise quality"], "QUALITY": {"TYPE": "call", "FUNCTION": "a:b"}}
    plan = make_plan(STORAGE=str(tmp_path / "s.journal"), **words)
    with quiet(), pytest.raises(OracleError, match="boom"):
        run_study(plan, quality=fail)
    page = study_page(open_results(plan.storage))
    assert "Failed 10 times: RuntimeError: boom" in page.run.notes
