from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial

import oracle
from oracle.errors import ConfigError, OracleError
from search.study import Progress, StudyPlan, join_study, open_results, run_study, study_of
from search.study.candidates import Gate, gate_of
from search.study.claims import claim
from search.study.files import SAMPLERS
from search.study.params import Parameters
from search.study.propose import Proposer
from search.study.recording import Proposal, Recorder, Timer
from search.study.storage import open_storage
from search.study.store import create, quiet
from tests.nightly import unless
from tests.search.study.conftest import SMALL

Make = Callable[..., StudyPlan]

QUALITY = {"OBJECTIVES": ["maximise quality", "minimise latency_ms@t4"], "QUALITY": {"TYPE": "call", "FUNCTION": "a:b"}}
# About one member of regnetx in 30,000 obeys these, by the lower bound.
BAND = ["0.40 <= latency_ms@t4 <= 0.404", "params <= 3.2e6"]


def without_rates() -> dict[str, Any]:
    """The small space with networks alone: 80 members."""
    samplers = {key: value for key, value in SMALL["SETUP"]["SAMPLERS"].items() if key != "OPTIM.BASE_LR"}
    return {"SETUP": SMALL["SETUP"] | {"SAMPLERS": samplers}}


def by_macs(spec: Any, builder: Any, evaluation: Any) -> float:
    return float(evaluation.scores["macs"] / 1e6)


@pytest.mark.parametrize(
    ("sampler", "trials"),
    unless(
        lambda case: case[0] not in ("gp", "nsga3"),
        [("pool", 10), ("tpe", 6), ("nsga2", 10), ("nsga3", 10), ("gp", 3), ("random", 10)],
    ),
)
def test_every_evaluation_is_of_a_feasible_candidate_however_rare(tmp_path: Path, sampler: str, trials: int) -> None:
    plan = study_of(
        {
            **QUALITY,
            "NAME": "band",
            "SPACE": "regnetx",
            "OBJECTIVES": ["maximise quality"],
            "CONSTRAINTS": BAND,
            "MODEL": "roofline",
            "SAMPLER": {"TYPE": sampler, "STARTUP": 2, "POPULATION": 4},
            "TRIALS": trials,
        }
    )
    met = []

    def quality(spec: oracle.NetSpec, builder: Any, evaluation: Any) -> float:
        cost = oracle.score(spec, devices=["t4"])
        met.append((cost.roofline_ms["t4"], cost.params or 0))
        return by_macs(spec, builder, evaluation)

    results = run_study(plan, str(tmp_path / "j.journal"), quality=quality)
    assert len(met) == len(set(met)) == trials == len(results.evaluated)
    assert all(0.40 <= latency <= 0.404 and params <= 3.2e6 for latency, params in met)
    probe = results.study.user_attrs["probe"]
    assert 0 < probe["feasible"] / probe["drawn"] < 1e-4
    assert len(results.trials) == trials  # nothing was suggested that is not feasible
    by_sampler = [record.origin == "sampler" for record in results.trials]
    assert by_sampler == [sampler == "pool" or (sampler != "random" and number >= 2) for number in range(trials)]


@pytest.mark.parametrize("sampler", unless("gp".__ne__, ["pool", "tpe", "nsga2", "nsga3", "gp"]))
def test_trials_hold_the_parameters_of_the_member_that_was_evaluated(
    tmp_path: Path, make_plan: Make, sampler: str
) -> None:
    many = 5 if sampler == "gp" else 12
    plan = make_plan(SAMPLER={"TYPE": sampler, "STARTUP": 4, "POPULATION": 4}, TRIALS=many)
    results = run_study(plan, str(tmp_path / "j.journal"))
    gate, parameters = gate_of(plan), Parameters.of(plan.space)
    for trial, record in zip(results.study.trials, results.trials, strict=True):
        candidate = gate.check(parameters.config(trial.params))
        assert candidate.feasible
        assert (candidate.key, candidate.config, candidate.scores) == (record.key, record.config, record.scores)
        assert candidate.violations == record.constraints
    if sampler.startswith("nsga"):
        generations = [next(v for k, v in t.system_attrs.items() if "generation" in k) for t in results.study.trials]
        assert generations == [0] * 4 + [1] * 4 + [2] * 4


def test_a_grid_finds_the_few_feasible_members_and_evaluates_nothing_else(tmp_path: Path) -> None:
    def grid(*values: float) -> dict[str, Any]:
        return {"TYPE": "grid_sampler", "VALUES": list(values)}

    samplers = {
        "REGNET.DEPTH": grid(*range(12, 29)),
        "REGNET.W0": grid(*range(16, 129, 8)),
        "REGNET.WA": grid(*range(8, 65, 4)),
        "REGNET.WM": grid(2.0, 2.25, 2.5, 2.75, 3.0),
        "REGNET.GROUP_W": grid(8, 16, 24),
    }
    space = {"SAMPLERS": samplers, "CONSTRAINTS": {"REGNET": {"NUM_STAGES": [4, 4]}}}
    space["BASE_CFG"] = {"MODEL": {"TYPE": "regnet"}}
    plan = study_of(
        {
            **QUALITY,
            "SPACE": {"SETUP": space},
            "OBJECTIVES": ["maximise quality"],
            "CONSTRAINTS": BAND,
            "MODEL": "roofline",
            "SAMPLER": "grid",
            "TRIALS": 500,
        }
    )
    met = []

    def quality(spec: oracle.NetSpec, builder: Any, evaluation: Any) -> float:
        cost = oracle.score(spec, devices=["t4"])
        met.append((cost.roofline_ms["t4"], cost.params or 0))
        return by_macs(spec, builder, evaluation)

    results = run_study(plan, str(tmp_path / "j.journal"), quality=quality)
    probe = results.study.user_attrs["probe"]
    assert probe["drawn"] == 17 * 15 * 15 * 5 * 3
    assert len(met) == len(results.trials) == probe["feasible"]
    assert 0 < probe["feasible"] / probe["drawn"] < 1e-3
    assert all(0.40 <= latency <= 0.404 and params <= 3.2e6 for latency, params in met)


def test_a_grid_is_gone_through_once_and_ends(tmp_path: Path, make_plan: Make) -> None:
    messages = []
    plan = make_plan(SAMPLER="grid", TRIALS=500, CONSTRAINTS=["params <= 5e3"])
    results = run_study(plan, str(tmp_path / "j.journal"), watcher=lambda p: messages.append(p.message))
    by_hand = set()
    for depth, width, stem in itertools.product(range(2, 7), range(8, 72, 8), (8, 16)):
        keys = {"DEPTH": depth, "W0": width, "STEM_W": stem, "WA": 0.0, "WM": 2.0, "GROUP_W": 8}
        cfg = {
            "MODEL": {"TYPE": "regnet", "NUM_CLASSES": 10},
            "REGNET": keys | {"STEM_TYPE": "res_stem_cifar"},
            "TRAIN": {"IM_SIZE": 8},
        }
        net = oracle.to_spec(oracle.config.cfg_from_dict(cfg))
        if (oracle.score(net).params or 0) <= 5e3:
            by_hand.add(net)
    assert {results.spec(record) for record in results.evaluated} == by_hand
    assert len(results.evaluated) == len(by_hand) == len(results.trials)
    assert f"has been evaluated ({len(by_hand)})" in messages[-2]


@pytest.mark.parametrize("sampler", ["pool", "tpe", "random", "nsga2"])
def test_equal_networks_share_one_evaluation(tmp_path: Path, make_plan: Make, sampler: str) -> None:
    met = []

    def quality(spec: oracle.NetSpec, builder: Any, evaluation: Any) -> float:
        met.append(spec)
        return by_macs(spec, builder, evaluation)

    sampler_section = {"TYPE": sampler, "STARTUP": 4, "POPULATION": 6}
    space = without_rates()
    plan = make_plan(**QUALITY, SPACE=space, SAMPLER=sampler_section, TRIALS=40, CONSTRAINTS=["params <= 60e3"])
    results = run_study(plan, str(tmp_path / "j.journal"), quality=quality)
    assert len(met) == len(set(met)) == 40
    assert len(results.trials) == 40  # none of them suggested twice


def test_a_waiting_trial_reuses_the_evaluation_of_its_equal_and_one_that_breaks_a_limit_has_none(
    tmp_path: Path, make_plan: Make
) -> None:
    storage = str(tmp_path / "j.journal")
    plan = make_plan(**QUALITY, TRIALS=1)
    results = run_study(plan, storage, quality=by_macs)
    large = {**results.study.trials[0].params, "REGNET.DEPTH": 6, "REGNET.W0": 64}
    results.study.enqueue_trial(results.study.trials[0].params)
    results.study.enqueue_trial(large)
    results = run_study(make_plan(**QUALITY, TRIALS=2), storage, quality=by_macs)
    first, same, broken, last = results.trials
    assert [record.outcome for record in results.trials] == ["evaluated", "reused", "rejected", "evaluated"]
    assert (same.key, same.values, same.quality, same.reused_from) == (first.key, first.values, first.quality, 0)
    assert broken.constraints["params"] > 0
    assert math.isinf(broken.values[0])
    assert last.key != first.key


@pytest.mark.parametrize("sampler", ["pool", "tpe", "random"])
def test_what_another_worker_takes_meanwhile_is_chosen_anew(
    tmp_path: Path, make_plan: Make, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    path = tmp_path / "j.journal"
    plan = make_plan(**QUALITY, SAMPLER={"TYPE": sampler, "STARTUP": 2}, CONSTRAINTS=["params <= 60e3"], TRIALS=6)
    taken: list[str] = []

    def propose(proposer: Proposer) -> Proposal | None:
        proposal = own(proposer)
        if proposal is not None and len(taken) < 3:  # another worker has chosen the same, and evaluates it at once
            other = Recorder(open_results("small", str(path)).study, Parameters.of(plan.space), "other", Timer())
            other.close(other.open(proposal), "evaluated", [1.0, 1.0])
            taken.append(proposal.candidate.key)
        return proposal

    own = Proposer.propose
    monkeypatch.setattr(Proposer, "propose", propose)
    results = run_study(plan, str(path), quality=by_macs)
    assert len(set(taken)) == 3
    assert [record.outcome for record in results.trials] == ["evaluated"] * 6  # no trial for what came to nothing
    assert len({record.key for record in results.trials}) == 6


def test_what_others_take_of_the_last_trials_is_no_trial_of_ours(
    tmp_path: Path, make_plan: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plan = tmp_path / "j.journal", make_plan(**QUALITY, TRIALS=3)

    def propose(proposer: Proposer) -> Proposal | None:
        others, proposal = open_results("small", str(path)).study, own(proposer)
        if len(others.trials) == 2 and proposal is not None:
            other = Recorder(others, Parameters.of(plan.space), "other", Timer())
            other.close(other.open(proposal), "evaluated", [1.0, 1.0])
            return own(proposer)
        return proposal

    own = Proposer.propose
    monkeypatch.setattr(Proposer, "propose", propose)
    results = run_study(plan, str(path), quality=by_macs)
    assert [record.outcome for record in results.trials] == ["evaluated"] * 3


@pytest.mark.parametrize("it_counts", [True, False])
def test_a_waiting_trial_waits_for_those_after_it_that_counted_without_it(
    tmp_path: Path, make_plan: Make, monkeypatch: pytest.MonkeyPatch, it_counts: bool
) -> None:
    path = str(tmp_path / "j.journal")
    run_study(make_plan(**QUALITY, TRIALS=2), path, quality=by_macs)
    study, sleep = open_results("small", path).study, time.sleep
    study.enqueue_trial(study.trials[1].params | {"REGNET.DEPTH": 5, "REGNET.W0": 8})
    unfinished = create_trial(state=TrialState.RUNNING, user_attrs={"evaluating": "other", "fingerprint": "another"})

    def claimed(*args: Any) -> Any:
        if len(study.trials) == 3:  # the other begins, and does not see ours at work
            study.add_trial(unfinished)
        return claim(*args)

    def slept(seconds: float) -> None:
        last = study.get_trials(deepcopy=False)[-1]
        if last.state == TrialState.RUNNING:
            state, values = (TrialState.COMPLETE, [1.0] * 2) if it_counts else (TrialState.FAIL, None)
            study._storage.set_trial_state_values(last._trial_id, state, values)
        sleep(seconds)

    monkeypatch.setattr("search.study.loop.claim", claimed)
    monkeypatch.setattr("search.study.loop.time.sleep", slept)
    results = run_study(make_plan(**QUALITY, TRIALS=3), path, quality=by_macs)
    outcomes = [record.outcome for record in results.trials]
    assert outcomes[2:] == (["busy", "evaluated"] if it_counts else ["evaluated", "lost"])
    assert outcomes.count("evaluated") == 3


def test_a_sampled_learning_rate_tells_candidates_of_one_network_apart(tmp_path: Path, make_plan: Make) -> None:
    def quality(spec: Any, builder: Any, evaluation: Any) -> float:
        return float(evaluation.config["OPTIM.BASE_LR"])

    plan = make_plan(
        **QUALITY | {"OBJECTIVES": ["maximise quality"]}, SAMPLER="random", TRIALS=500, CONSTRAINTS=["params <= 4e3"]
    )
    results = run_study(plan, str(tmp_path / "j.journal"), quality=quality)
    rates: dict[Any, list[float]] = {}
    for record in results.evaluated:
        rates.setdefault(results.spec(record), []).append(record.config["OPTIM.BASE_LR"])
    assert len(results.trials) == 2 * len(rates) > 2
    assert all(sorted(found) == [0.1, 0.2] for found in rates.values())
    assert all(record.quality == record.config["OPTIM.BASE_LR"] for record in results.evaluated)


@pytest.mark.parametrize("sampler", unless("gp".__ne__, ["pool", "tpe", "nsga2", "nsga3", "gp", "random", "grid"]))
def test_stopped_and_resumed_is_what_one_go_gives(tmp_path: Path, make_plan: Make, sampler: str) -> None:
    def trials(path: str, *stops: int) -> list[Any]:
        section = {"TYPE": sampler, "STARTUP": 4, "POPULATION": 4}
        for stop in stops:
            plan = make_plan(**QUALITY, SAMPLER=section, TRIALS=stop, SEED=3)
            results = run_study(plan, str(tmp_path / path), quality=by_macs)
        return [(t.params, t.values, t.user_attrs["config"]) for t in results.study.trials]

    stops = (3, 5, 6) if sampler == "gp" else (3, 7, 12)
    assert trials("a.journal", stops[-1]) == trials("b.journal", *stops)


@pytest.mark.parametrize("sampler", unless({"pool", "tpe", "nsga2", "grid"}.__contains__, SAMPLERS))
def test_same_seed_same_study_and_another_seed_another(tmp_path: Path, make_plan: Make, sampler: str) -> None:
    def trials(seed: int, name: str) -> list[Any]:
        many = 6 if sampler == "gp" else 9  # which takes a second each on a busy processor
        plan = make_plan(SEED=seed, SAMPLER={"TYPE": sampler, "STARTUP": 4, "POPULATION": 4}, TRIALS=many)
        results = run_study(plan, str(tmp_path / name))
        return [(r.outcome, r.config, r.values, r.constraints, r.origin, r.reused_from) for r in results.trials]

    first = trials(3, "a.journal")
    assert first == trials(3, "b.journal")
    assert (first == trials(4, "c.journal")) == (sampler in ("grid", "exact", "pool"))  # all is known


@pytest.mark.parametrize("sampler", ["pool", "tpe", "nsga2", "nsga3", "gp", "random", "grid"])
def test_nothing_feasible_ends_at_once_and_says_what_is_tight(tmp_path: Path, make_plan: Make, sampler: str) -> None:
    plan = make_plan(CONSTRAINTS=["params <= 1000", "latency_ms@t4 <= 5"], TRIALS=5, SAMPLER=sampler)
    with pytest.raises(ConfigError) as error:
        run_study(plan, str(tmp_path / "j.journal"))
    smallest = {"REGNET.DEPTH": 2, "REGNET.W0": 8, "REGNET.STEM_W": 8}
    least = Gate(plan.space, plan.limits).check(smallest).scores["params"]
    assert error.value.key == "CONSTRAINTS"
    assert "0 of 160 candidates are feasible" in str(error.value)
    assert "tightest: params rejects 80; nearest is" in str(error.value)
    assert f"nearest is {least:,.6g}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda: float("nan"), "quality=nan: expected a finite number"),
        (lambda: "0.9", "quality='0.9': expected a finite number"),
        (lambda: None, "quality=None"),
        (lambda: torch.zeros(2), "quality=tensor([0., 0.]): expected a finite number"),
        (lambda: 1 / 0, "ZeroDivisionError"),
        (lambda: sys.exit(3), "SystemExit: 3"),
    ],
)
def test_a_failing_evaluation_fails_its_trial_only(
    tmp_path: Path, make_plan: Make, bad: Callable[[], Any], reason: str
) -> None:
    calls: list[int] = []

    def quality(spec: Any, builder: Any, evaluation: Any) -> Any:
        calls.append(1)
        return bad() if len(calls) % 2 else by_macs(spec, builder, evaluation)

    results = run_study(make_plan(**QUALITY), str(tmp_path / "j.journal"), quality=quality)
    failed = [record for record in results.trials if record.outcome == "failed"]
    assert len(failed) == 8
    assert all(reason in record.reason for record in failed)
    assert len(results.evaluated) == 8  # TRIALS counts those that did not fail
    assert results.best().values[0] == max(record.values[0] for record in results.evaluated)


@pytest.mark.parametrize(
    "number", [np.float32(0.5), np.array(0.5), torch.tensor(0.5), torch.tensor([0.5]), np.int64(1), 1]
)
def test_scalars_of_any_library_are_numbers(tmp_path: Path, make_plan: Make, number: Any) -> None:
    results = run_study(
        make_plan(**QUALITY, TRIALS=2), str(tmp_path / "j.journal"), quality=lambda spec, builder, evaluation: number
    )
    assert [record.quality for record in results.evaluated] == [float(number)] * 2


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_study_that_only_fails_stops_and_begins_anew_when_resumed(
    tmp_path: Path, make_plan: Make, sampler: str
) -> None:
    calls: list[Any] = []

    def broken(spec: Any, builder: Any, evaluation: Any) -> float:
        calls.append(spec)
        raise ValueError("no\nluck")

    plan = make_plan(**QUALITY, SPACE=without_rates(), SAMPLER=sampler, TRIALS=3)
    storage = str(tmp_path / "j.journal")
    with pytest.raises(OracleError, match=r"10 evaluations failed in a row, after 0.*The last, trial \d+: .*no luck"):
        run_study(plan, storage, quality=broken)
    assert len(calls) == len(set(calls)) == 10
    with pytest.raises(OracleError, match=r"no feasible evaluated trial yet: 10 failed, the last, .*no luck"):
        open_results("small", storage).best()
    results = run_study(plan, storage, quality=by_macs)
    assert len(results.evaluated) == 3
    if sampler == "grid":  # what failed is not left out
        assert {results.spec(record) for record in results.evaluated} == set(calls[:3])


def test_failures_in_a_row_may_be_as_many_as_successes_before_them(tmp_path: Path, make_plan: Make) -> None:
    calls: list[int] = []

    def quality(spec: Any, builder: Any, evaluation: Any) -> float:
        calls.append(1)
        if len(calls) > 13:
            raise OSError("disk full")
        return by_macs(spec, builder, evaluation)

    plan = make_plan(**QUALITY, TRIALS=60, CONSTRAINTS=["params <= 1e9"])
    with pytest.raises(OracleError, match=r"13 evaluations failed in a row, after 13 .*disk full"):
        run_study(plan, str(tmp_path / "j.journal"), quality=quality)
    assert len(calls) == 26


def test_resume_evaluates_only_what_is_missing(tmp_path: Path, make_plan: Make) -> None:
    met = []

    def quality(spec: Any, builder: Any, evaluation: Any) -> float:
        met.append(spec)
        return by_macs(spec, builder, evaluation)

    storage = str(tmp_path / "j.journal")
    run_study(make_plan(**QUALITY, TRIALS=5), storage, quality=quality)
    run_study(make_plan(**QUALITY, TRIALS=5), storage, quality=quality)
    assert len(met) == 5
    results = run_study(make_plan(**QUALITY, TRIALS=9), storage, quality=quality)
    assert len(met) == len(set(met)) == len(results.evaluated) == 9


def test_another_study_of_that_name_is_refused(tmp_path: Path, make_plan: Make) -> None:
    storage = str(tmp_path / "j.journal")
    run_study(make_plan(TRIALS=2), storage)
    with pytest.raises(ConfigError, match="CONSTRAINTS: the storage has a study 'small' with another CONSTRAINTS"):
        run_study(make_plan(TRIALS=2, CONSTRAINTS=["params <= 30e3"]), storage)


def test_a_study_in_which_nothing_was_looked_at_gives_way(tmp_path: Path, make_plan: Make) -> None:
    storage = str(tmp_path / "j.journal")
    with pytest.raises(ConfigError, match="nothing is feasible"):
        run_study(make_plan(TRIALS=2, CONSTRAINTS=["params <= 10"]), storage)
    results = run_study(make_plan(TRIALS=2, OBJECTIVES=["maximise macs"]), storage)
    assert len(results.evaluated) == 2
    assert [len(record.values) for record in results.evaluated] == [1, 1]


def test_a_study_that_somebody_begins_does_not_give_way(
    tmp_path: Path, make_plan: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(tmp_path / "j.journal"))
    with quiet():
        create(make_plan(), storage).set_user_attr("alive:somebody", 1)
    monkeypatch.setattr("search.study.store.is_alive", lambda worker: worker == "somebody")
    with quiet(), pytest.raises(ConfigError, match="another CONSTRAINTS"):
        create(make_plan(CONSTRAINTS=["params <= 30e3"]), storage)


def test_what_is_finished_says_so_and_keeps_its_seed(tmp_path: Path, make_plan: Make) -> None:
    storage, told = str(tmp_path / "j.journal"), []
    run_study(make_plan(TRIALS=5), storage, watcher=lambda p: told.append(p.message))
    assert not any(told)
    results = run_study(make_plan(TRIALS=3, SEED=4), storage, watcher=lambda p: told.append(p.message))
    ignored, finished = filter(None, told)
    assert "SEED 4 is ignored: the study has trials, and goes on with its own, 0" in ignored
    assert "finished: 5 evaluated, 3 requested" in finished
    assert len(results.trials) == 5
    assert (results.plan.seed, results.plan.values["SEED"]) == (0, 0)
    assert open_results("small", storage).plan.seed == 0


@pytest.mark.parametrize("scheme", ["", "sqlite:///"])
def test_who_joins_a_study_that_is_not_there_makes_no_file(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(OracleError, match=r"zz\.db: no such file"):
        join_study("zz", f"{scheme}{tmp_path}/zz.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
@pytest.mark.parametrize("others", [[], ["minimise params"]])
def test_pruning_with_one_objective_or_several(
    tmp_path: Path, make_plan: Make, sampler: str, others: list[str]
) -> None:
    def quality(spec: Any, builder: Any, evaluation: Any) -> float:
        good = len(spent) % 2 == 0
        spent.append(evaluation.number)
        for step in range(3):
            evaluation.check(1.0 if good else 0.0, step)
        return 1.0

    spent: list[int] = []
    plan = make_plan(
        **QUALITY | {"OBJECTIVES": ["maximise quality", *others]},
        TRIALS=20,
        SAMPLER={"TYPE": sampler, "STARTUP": 2, "POPULATION": 4},
        CONSTRAINTS=["params <= 60e3"],
    )
    results = run_study(plan, str(tmp_path / "j.journal"), quality=quality)
    pruned = [record for record in results.trials if record.outcome == "pruned"]
    assert {record.number for record in pruned} <= set(spent[1::2])
    assert len(pruned) > (5 if not others else 0)
    assert all(record.state == optuna.trial.TrialState.PRUNED for record in pruned)
    assert len(pruned) + len(results.evaluated) == len(spent) == 20


@pytest.mark.parametrize("kind", ["halving", "hyperband"])
@pytest.mark.parametrize("others", [[], ["minimise params"]])
def test_rungs_with_one_objective_or_several(tmp_path: Path, make_plan: Make, kind: str, others: list[str]) -> None:
    """One in three leaves a rung; a study that was stopped goes on as if it had not been; the last step stops none."""

    def quality(spec: Any, builder: Any, evaluation: Any) -> float:
        for step in range(1, 10):
            steps.append(step)
            (evaluation.check if step < 9 else evaluation.report)(-float(evaluation.scores["traffic_bytes"]), step)
        return -float(evaluation.scores["traffic_bytes"])

    def plan(trials: int) -> StudyPlan:
        return make_plan(
            **QUALITY | {"OBJECTIVES": ["maximise quality", *others]},
            TRIALS=trials,
            PRUNER={"TYPE": kind, "MIN": 1, "MAX": 9, "FACTOR": 3},
            CONSTRAINTS=["params <= 60e3"],
        )

    steps: list[int] = []
    whole = run_study(plan(27), str(tmp_path / "whole.journal"), quality=quality)
    pruned = [record for record in whole.trials if record.outcome == "pruned"]
    assert len(steps) < 27 * 9 * 0.7
    assert len(pruned) + len(whole.evaluated) == 27
    assert whole.evaluated
    if kind == "halving":
        assert len(pruned) >= 14
    run_study(plan(10), str(tmp_path / "parts.journal"), quality=quality)
    parts = run_study(plan(27), str(tmp_path / "parts.journal"), quality=quality)
    assert [(r.outcome, r.config) for r in parts.trials] == [(r.outcome, r.config) for r in whole.trials]
    with pytest.raises(ConfigError, match="another PRUNER"):
        run_study(make_plan(**{**plan(27).values, "PRUNER": "none"}), str(tmp_path / "parts.journal"), quality=quality)


def test_a_study_says_what_its_parameters_count(tmp_path: Path) -> None:
    plan = study_of({"SPACE": "cifar-regnet", "OBJECTIVES": "maximise quality", "QUALITY": {"TYPE": "call"}})
    with quiet():
        told = create(plan, open_storage(str(tmp_path / "j.journal"))).user_attrs["parameters"]
    assert told == {"REGNET.GROUP_W#": "0 is REGNET.GROUP_W = 1; `config` has the values"}


def test_no_pruner_stops_nothing(tmp_path: Path, make_plan: Make) -> None:
    def quality(spec: Any, builder: Any, evaluation: Any) -> float:
        evaluation.check(-float(evaluation.number), 1)
        return 0.0

    plan = make_plan(**QUALITY, PRUNER="none", SAMPLER={"TYPE": "random", "STARTUP": 1})
    assert len(run_study(plan, str(tmp_path / "j.journal"), quality=quality).evaluated) == 8


def test_progress_counts_what_the_study_holds(tmp_path: Path, make_plan: Make) -> None:
    seen: list[Progress] = []
    results = run_study(make_plan(SAMPLER="tpe", TRIALS=15), str(tmp_path / "j.journal"), watcher=seen.append)
    last = seen[-1]
    outcomes = [record.outcome for record in results.trials]
    assert last.outcomes == {word: outcomes.count(word) for word in set(outcomes)}
    assert last.spent == 15
    assert last.front == len(results.front())
    assert last.best["macs"] == max(record.values[0] for record in results.evaluated)
    assert not last.rejected
    assert set(last.seconds) == {"oracle", "sampler", "quality", "storage"}


@pytest.mark.parametrize("by_space", [True, False])
def test_limits_have_the_names_that_whoever_set_them_gave_them(tmp_path: Path, make_plan: Make, by_space: bool) -> None:
    def plan(most: float, **changes: Any) -> StudyPlan:
        widths = {"REGNET.WA": {"TYPE": "grid_sampler", "VALUES": [0.0, 48.0]}}
        setup = SMALL["SETUP"] | {"SAMPLERS": SMALL["SETUP"]["SAMPLERS"] | widths}
        setup |= {"CONSTRAINTS": {"REGNET": {"NUM_STAGES": [1, 1]}, "CX": {"PARAMS": [0, most if by_space else 1e9]}}}
        given = [] if by_space else [f"params <= {most}"]
        sampler = {"TYPE": "tpe", "STARTUP": 20}
        return make_plan(SPACE={"SETUP": setup}, CONSTRAINTS=given, SAMPLER=sampler, **changes)

    names = {"REGNET.NUM_STAGES", "CX.PARAMS" if by_space else "params"}
    results = run_study(plan(2e5, TRIALS=20), str(tmp_path / "j.journal"))
    assert {f"constraint {name}" for name in names} <= results.rows()[0].keys()
    with pytest.raises(ConfigError) as error:
        run_study(plan(10, NAME="none"), str(tmp_path / "j.journal"))
    assert all(f"{name} rejects" in str(error.value) for name in names)


def test_time_out_ends_a_run(tmp_path: Path, make_plan: Make) -> None:
    results = run_study(make_plan(TIMEOUT=1e-6), str(tmp_path / "j.journal"))
    assert not results.evaluated
