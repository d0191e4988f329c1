"""configs/studies/digits.yaml against random search with as many trainings: hypervolume, five seeds.

    python tests/benchmarks/study_digits.py [SEEDS] [TRIALS] [KINDS]     # KINDS: study,random,blind

`random` draws feasible members only, by the closed form; `blind` draws any member and trains it, feasible or not,
as a loop without an oracle does, and only its feasible ones count. Processor time stands beside wall time, as the
machine may be shared.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from search.pareto import hypervolume
from search.study import Results, StudyPlan, load_study, run_study, study_of


def _study(plan: StudyPlan, sampler: str, seed: int, trials: int, *, blind: bool) -> tuple[Results, float, float]:
    values = {**plan.values, "SAMPLER": {**plan.sampler, "TYPE": sampler}, "SEED": seed, "TRIALS": trials}
    if blind:
        values["CONSTRAINTS"] = []
    began, processor = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as directory:
        results = run_study(study_of(values), str(Path(directory) / "study.journal"))
        assert results.trials  # read before the file goes
        return results, time.perf_counter() - began, time.process_time() - processor


def _volume(results: Results, plan: StudyPlan) -> float:
    """Of accuracy and latency on the Pi, relative to the box from no accuracy at the limit."""
    limit = next(bound.high for bound in plan.bounds if bound.device == plan.objectives[1].device)
    kept = [
        record.values
        for record in results.evaluated
        if all(bound.violation(record.scores[bound.name]) <= 0 for bound in plan.bounds)
    ]
    columns = list(zip(*kept, strict=True)) or [(), ()]
    return hypervolume(columns, (0.0, limit), (True, False)) / limit


def main() -> None:
    """Print a table."""
    seeds, trials, kinds = (*sys.argv[1:], *("5", "0", "study,random,blind")[len(sys.argv) - 1 :])
    plan = load_study("digits")
    wanted = int(trials) or plan.trials
    print(f"{wanted} trainings; hypervolume (share of the box), wall and processor seconds")
    found: dict[str, list[float]] = {}
    for seed in range(int(seeds)):
        for kind in kinds.split(","):
            sampler = plan.sampler["TYPE"] if kind == "study" else "random"
            results, wall, processor = _study(plan, sampler, seed, wanted, blind=kind == "blind")
            volume = _volume(results, plan)
            found.setdefault(kind, []).append(volume)
            print(f"seed {seed} {kind:7} {volume:.4f} {wall:6.1f} s {processor:6.1f} s", flush=True)
    for kind, volumes in found.items():
        print(f"median {kind:7} {statistics.median(volumes):.4f}")


if __name__ == "__main__":
    main()
