"""What stopping trainings early saves: epochs and seconds until a study of `digits` is as good as one without it.

OMP_NUM_THREADS=1 python -m tests.benchmarks.pruners record [NETWORKS]    # trains them; goes on where it stopped
python -m tests.benchmarks.pruners [SEEDS]                               # replays them, in seconds

`record` trains feasible networks of configs/studies/digits.yaml for 9 epochs each, by the quality of the study (the
same cosine schedule over 9 epochs whoever is stopped), and keeps accuracy and processor seconds of every epoch in
data/digits_curves.json. A replay meets the networks in an order drawn by its seed, as SAMPLER random does, and stops
by the rules of `search.study.pruning` themselves; with one objective optuna's pruners decide. So all pruners see the
same networks in the same order, and what a network takes is what it took.

`one` maximises accuracy: epochs and seconds until the best is within .5 points of the best of all recorded ones;
`two` also minimises latency on a Raspberry Pi 4: until 99 % of the hypervolume of all of them.
Replays that end before that count as infinite; medians over seeds.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna

from search.pareto import hypervolume
from search.study import load_study, study_of
from search.study.pruning import is_below_median, is_left_behind, pruner_of
from search.study.rungs import Brackets

CURVES = Path(__file__).parent / "data" / "digits_curves.json"
EPOCHS = 9
LATENCY = "latency_ms@raspberry-pi-4"
PRUNERS: tuple[dict[str, Any], ...] = (
    {"TYPE": "none"},
    {"TYPE": "median"},
    {"TYPE": "halving", "MIN": 1, "FACTOR": 3},
    {"TYPE": "hyperband", "MIN": 1, "FACTOR": 3},
)


class Curve(NamedTuple):
    """A recorded training: accuracy and processor seconds per epoch, and what the network costs."""

    accuracy: list[float]
    seconds: list[float]
    scores: dict[str, float]


def _plan(pruner: dict[str, Any], objectives: int) -> Any:
    plan = load_study("digits")
    changed = {"OBJECTIVES": plan.values["OBJECTIVES"][:objectives], "QUALITY": {**plan.quality, "EPOCHS": EPOCHS}}
    return study_of({**plan.values, **changed, "PRUNER": pruner})


def record(count: str = "100") -> None:
    """Train networks, and add them to the file."""
    from oracle.families import to_spec
    from search.objectives import Builder, quality_of
    from search.study.samplers import LEARNERS

    plan = _plan({"TYPE": "none"}, 2)
    pool = LEARNERS["pool"].make(plan, 0).pool  # type: ignore[attr-defined]
    order = np.random.default_rng(0).permutation(len(pool))[: int(count)].tolist()
    train = quality_of(plan.quality, plan.space)
    assert train is not None
    curves: list[Any] = json.loads(CURVES.read_text()) if CURVES.exists() else []
    for row in order[len(curves) :]:
        evaluation = _Recording()
        spec = to_spec(plan.space.cfg(pool.columns, row))
        train(spec, Builder(spec, 0), evaluation)
        scores = {name: float(pool.scores[name][row]) for name in ("params", "macs", LATENCY)}
        curves.append([[round(value, 5) for value in evaluation.accuracy], evaluation.seconds, scores])
        CURVES.write_text("[\n" + ",\n".join(json.dumps(curve) for curve in curves) + "\n]\n")


class _Recording:
    """An evaluation that stops nothing."""

    seed = 0

    def __init__(self) -> None:
        self.accuracy: list[float] = []
        self.seconds: list[float] = []
        self._before = time.process_time()

    def report(self, value: float, step: int) -> None:
        now = time.process_time()
        self.accuracy.append(value)
        self.seconds.append(round(now - self._before, 3))
        self._before = now

    check = report


class Replay:
    """A study with a pruner over recorded trainings, in an order drawn by a seed."""

    def __init__(self, pruner: dict[str, Any], objectives: int, seed: int) -> None:
        self.plan = _plan({**pruner}, objectives)
        section = self.plan.pruner
        self.study = optuna.create_study(study_name=f"digits-{seed}", direction="maximize", pruner=pruner_of(self.plan))
        self.brackets = Brackets(section["TYPE"], section.get("MIN", 1), EPOCHS, section.get("FACTOR", 3), seed)
        self.peers: list[optuna.trial.FrozenTrial] = []
        self.epochs, self.seconds = 0, 0.0

    def accuracy(self, curve: Curve) -> float | None:
        """Of a whole training; None of one that was stopped."""
        trial = self.study.ask()
        reports: dict[int, float] = {}
        stopped = False
        for step, (value, seconds) in enumerate(zip(curve.accuracy, curve.seconds, strict=True), 1):
            reports[step] = value
            trial.report(value, step)
            self.epochs, self.seconds = self.epochs + 1, self.seconds + seconds
            stopped = step < EPOCHS and self._stops(trial, reports, curve)
            if stopped:
                break
        state = optuna.trial.TrialState.PRUNED if stopped else optuna.trial.TrialState.COMPLETE
        self.study.tell(trial, None if stopped else curve.accuracy[-1], state=state)
        note = optuna.trial.create_trial(
            state=optuna.trial.TrialState.PRUNED,
            user_attrs={"scores": curve.scores, "reports": {str(step): value for step, value in reports.items()}},
        )
        note.number = trial.number
        self.peers.append(note)
        return None if stopped else curve.accuracy[-1]

    def _stops(self, trial: optuna.Trial, reports: dict[int, float], curve: Curve) -> bool:
        section, objectives = self.plan.pruner, self.plan.objectives
        if len(objectives) == 1:
            return trial.should_prune()
        if section["TYPE"] == "none":
            return False
        if section["TYPE"] == "median":
            return is_below_median(reports, curve.scores, self.peers, objectives, self.plan.startup)
        factor = section["FACTOR"]
        return is_left_behind(trial.number, reports, curve.scores, self.peers, objectives, self.brackets, factor)


def _goodness(found: list[tuple[float, float]], objectives: int) -> float:
    """The best accuracy, or the hypervolume from no accuracy at the limit of latency."""
    if not found:
        return 0.0
    if objectives == 1:
        return max(accuracy for accuracy, _ in found)
    return hypervolume(list(zip(*found, strict=True)), (0.0, 0.02), (True, False))


def replayed(curves: list[Curve], pruner: dict[str, Any], objectives: int, seed: int) -> tuple[float, ...]:
    """Epochs and seconds to the goal; epochs and seconds of all networks, and how good that is, relative to the best."""
    whole = _goodness([(curve.accuracy[-1], curve.scores[LATENCY]) for curve in curves], objectives)
    goal = whole - 0.005 if objectives == 1 else 0.99 * whole
    replay, found, reached = Replay(pruner, objectives, seed), list[tuple[float, float]](), (np.inf, np.inf)
    for place in np.random.default_rng(seed).permutation(len(curves)):
        accuracy = replay.accuracy(curves[place])
        if accuracy is not None:
            found.append((accuracy, curves[place].scores[LATENCY]))
            if _goodness(found, objectives) >= goal and np.isinf(reached[0]):
                reached = replay.epochs, replay.seconds
    return *reached, replay.epochs, replay.seconds, _goodness(found, objectives) / whole


def main(seeds: str = "20") -> None:
    """Print a line per task and pruner."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    curves = [Curve(*curve) for curve in json.loads(CURVES.read_text())]
    print(f"{len(curves)} trainings of {EPOCHS} epochs; medians of {seeds} orders")
    print("task  pruner      epochs to goal  seconds  reached  epochs of all  seconds  of the best")
    for objectives, task in ((1, "one"), (2, "two")):
        for pruner in PRUNERS:
            rows = [replayed(curves, pruner, objectives, seed) for seed in range(int(seeds))]
            medians = [statistics.median(column) for column in zip(*rows, strict=True)]
            reached = sum(np.isfinite(row[0]) for row in rows)
            print(
                f"{task:5} {pruner['TYPE']:11} {medians[0]:14.0f} {medians[1]:8.0f} {reached:5d}/{seeds} "
                f"{medians[2]:13.0f} {medians[3]:9.0f} {medians[4]:11.1%}",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        record(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
