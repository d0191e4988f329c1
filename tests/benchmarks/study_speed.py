"""What a study costs beside its evaluations: the share of the oracle, and journals of many trials.

python tests/benchmarks/study_speed.py share [TRIALS]     # TPE with a quality that costs nothing
python tests/benchmarks/study_speed.py band               # every sampler on one member in 30,000
python tests/benchmarks/study_speed.py journal [TRIALS]   # a journal of a million rejected trials opens
python -m tests.benchmarks.study_speed workers [SAMPLER [STORAGE]]   # 1 and 4 workers, a quality of 0.2 s

Where others use the cores, the efficiency of workers says little; their processor time per evaluation does: a worker that
has a core whenever it wants one is 0.2 / (0.2 + that) efficient.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from search.study import Progress, open_results, run_study, study_of

_BASE: dict[str, Any] = {
    "NAME": "speed",
    "SPACE": "regnetx",
    "OBJECTIVES": ["maximise quality"],
    "QUALITY": {"TYPE": "call", "FUNCTION": "a:b"},
}


def _free(spec: Any, builder: Any, evaluation: Any) -> float:
    return float(evaluation.scores["macs"])


def share(trials: str = "300") -> None:
    """The parts of a study's wall time."""
    plan = study_of({**_BASE, "CONSTRAINTS": ["params <= 20e6"], "TRIALS": int(trials)})
    seen: list[Progress] = []
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        run_study(plan, f"{directory}/s.journal", watcher=lambda p: seen.__setitem__(slice(None), [p]), quality=_free)
    wall = time.perf_counter() - began
    last = seen[0]
    print(f"{sum(last.outcomes.values())} trials, {last.spent} evaluated, {wall:.1f} s")
    for part, seconds in last.seconds.items():
        print(f"{part:8} {seconds:7.2f} s {seconds / wall:6.1%}")


def band() -> None:
    """Every sampler on a band of 1 % and a limit on parameters."""
    limits = ["0.40 <= latency_ms@t4 <= 0.404", "params <= 3.2e6"]
    for sampler in ("tpe", "nsga2", "nsga3", "gp", "random"):
        section = {"TYPE": sampler, "STARTUP": 5, "POPULATION": 8}
        plan = study_of({**_BASE, "CONSTRAINTS": limits, "SAMPLER": section, "TRIALS": 20})
        met: list[bool] = []

        def quality(spec: Any, builder: Any, evaluation: Any, met: list[bool] = met) -> float:
            scores = evaluation.scores
            met.append(0.40 <= scores["latency_ms@t4"] <= 0.404 and scores["params"] <= 3.2e6)
            return _free(spec, builder, evaluation)

        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as directory:
            results = run_study(plan, f"{directory}/s.journal", quality=quality)
            probe = results.study.user_attrs["probe"]
            origins = [record.origin for record in results.evaluated]
        print(
            f"{sampler:7} {sum(met)} of {len(met)} evaluations feasible; {len(results.trials) - len(met)} rejected; "
            f"{origins.count('sampler')} found by the sampler; {probe['feasible']} of {probe['drawn']:,} feasible; "
            f"{time.perf_counter() - began:.1f} s"
        )


def journal(trials: str = "1000000") -> None:
    """Open a long journal and go on with it."""
    plan = study_of({**_BASE, "SAMPLER": "random", "TRIALS": 2, "CONSTRAINTS": ["params <= 20e6"]})
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "s.journal"
        run_study(plan, str(path), quality=_free)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        trial = {
            "op_code": 4,
            "worker_id": lines[-1]["worker_id"],
            "study_id": 0,
            "datetime_start": "2026-01-01T00:00:00.000000+00:00",
            "datetime_complete": "2026-01-01T00:00:01.000000+00:00",
            "state": 1,
            "value": 1.0,
            "values": None,
            "distributions": {},
            "params": {},
            "user_attrs": {"outcome": "rejected", "config": {"REGNET.DEPTH": 13}},
            "system_attrs": {"constraints:params": 0.5},
            "intermediate_values": {},
        }
        line = json.dumps(trial) + "\n"
        with path.open("a") as file:
            for _ in range(int(trials) // 1000):
                file.write(line * 1000)
        print(f"{path.stat().st_size / 1e6:.0f} MB")
        began = time.perf_counter()
        results = open_results("speed", str(path))
        print(f"opened {len(results.trials):,} trials in {time.perf_counter() - began:.1f} s")
        began = time.perf_counter()
        more = study_of({**plan.values, "TRIALS": 4})
        print(
            f"{len(run_study(more, str(path), quality=_free).evaluated)} evaluated, two of them now: "
            f"{time.perf_counter() - began:.1f} s"
        )


def workers(sampler: str = "tpe", scheme: str = "") -> None:
    """What `run --workers` makes of 4 workers, and how soon they are at work; processor time of the machine counts."""
    quality = "import time\ndef quality(spec, builder, trial):\n    time.sleep(0.2)\n    return trial.scores['macs']\n"
    for count in (1, 4):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory)
            (path / "nap.py").write_text(quality)
            values = {**_BASE, "QUALITY": {"TYPE": "call", "FUNCTION": "nap:quality"}, "SAMPLER": {"TYPE": sampler}}
            (path / "speed.json").write_text(json.dumps({**values, "CONSTRAINTS": ["params <= 20e6"]}))
            (path / "speed.json").rename(path / "speed.yaml")  # which JSON is, too
            storage = f"{scheme}{path / 'speed.db'}"
            words = ["run", "speed.yaml", "--workers", str(count), "--trials", str(60 * count), "--storage", storage]
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
            called = time.time()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(
                [sys.executable, "-m", "search.cli", *words], cwd=path, check=True, capture_output=True, env=environment
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            trials = open_results("speed", storage).study.trials
        starts = {trial.number: trial.datetime_start.timestamp() for trial in trials if trial.datetime_start}
        first: dict[str, float] = {}
        for trial in trials:
            first.setdefault(trial.user_attrs["evaluating"], starts[trial.number])
        whole = [trial for trial in trials if trial.state == TrialState.COMPLETE]  # what the study keeps
        ends = [trial.datetime_complete.timestamp() for trial in whole if trial.datetime_complete]
        begun, joined, last = min(starts.values()), max(first.values()), max(starts.values())
        steady = sum(joined < end <= last for end in ends)  # while every worker has something to do
        print(
            f"{sampler} {scheme or 'journal'}: {count} workers: {len(whole)} evaluations kept of {len(trials)} trials; "
            f"the first begins {begun - called:.1f} s after the command, the last worker's {joined - called:.1f} s; with "
            f"all at work {steady} evaluations in {last - joined:.1f} s, efficiency "
            f"{steady * 0.2 / (last - joined) / count:.1%}; from the first trial to the last end "
            f"{len(ends) * 0.2 / (max(ends) - begun) / count:.0%}; load {os.getloadavg()[0]:.1f}; "
            f"processor {1e3 * used / len(ends):.1f} ms an evaluation, all processes from start to end"
        )


_PARTS: dict[str, Callable[..., None]] = {"share": share, "band": band, "journal": journal, "workers": workers}

if __name__ == "__main__":
    _PARTS[sys.argv[1]](*sys.argv[2:])
