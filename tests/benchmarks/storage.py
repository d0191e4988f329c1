"""What a trial costs beside its evaluation, and whether that grows: ours and plain optuna's, side by side.

python tests/benchmarks/storage.py journal 20000            # also sqlite, memory; trials at most
python tests/benchmarks/storage.py journal 300 tpe          # a sampler that learns; random else

A study of RegNets within a limit on parameters, with a quality that costs nothing. Plain optuna draws the same
parameters by its own sampler and stores nothing but them, so that its trials are lighter than ours, which keep the
config and every score. Milliseconds a trial, in windows that end at each of the counts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import optuna
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalStorage

from search.study import Progress, run_study, study_of
from search.study.params import Parameters

_COUNTS = (100, 300, 1_000, 2_000, 5_000, 10_000, 20_000)
_PLAN: dict[str, Any] = {
    "NAME": "speed",
    "SPACE": "regnetx",
    "OBJECTIVES": ["maximise quality"],
    "CONSTRAINTS": ["params <= 20e6"],
    "QUALITY": {"TYPE": "call", "FUNCTION": "a:b"},
}


def ours(kind: str, trials: int, sampler: str, directory: str) -> None:
    """Our loop."""
    plan = study_of({**_PLAN, "SAMPLER": sampler, "TRIALS": trials})
    storage: Any = InMemoryStorage() if kind == "memory" else f"{directory}/ours.{kind}"
    note = _printer("ours")
    before = dict.fromkeys(("oracle", "sampler", "storage"), 0.0)

    def watch(progress: Progress) -> None:
        if not progress.probed and not progress.message:
            parts = {name: progress.seconds[name] - before[name] for name in before}
            if note(progress.spent, parts):
                before.update({name: progress.seconds[name] for name in before})

    run_study(
        plan,
        f"sqlite:///{storage}" if kind == "sqlite" else storage,
        watcher=watch,
        quality=lambda spec, builder, evaluation: float(evaluation.scores["macs"]),
    )


def plain(kind: str, trials: int, sampler: str, directory: str) -> None:
    """The same number of trials of optuna alone."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    parameters = Parameters.of(study_of(_PLAN).space)
    storage: Any = {
        "memory": InMemoryStorage,
        "journal": lambda: JournalStorage(JournalFileBackend(f"{directory}/plain.journal")),
        "sqlite": lambda: RDBStorage(f"sqlite:///{directory}/plain.db"),
    }[kind]()
    made = optuna.samplers.TPESampler(seed=0) if sampler == "tpe" else optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage, sampler=made, direction="maximize")
    note = _printer("optuna")
    for number in range(1, trials + 1):
        trial = study.ask(parameters.distributions)
        study.tell(trial, float(sum(value for value in trial.params.values())))
        note(number, {})


def _printer(label: str) -> Callable[[int, dict[str, float]], bool]:
    last = [0, time.perf_counter()]

    def note(count: int, parts: dict[str, float]) -> bool:
        if count not in _COUNTS or count <= last[0]:
            return False
        now = time.perf_counter()
        own = "".join(f"  {name} {1e3 * seconds / (count - last[0]):6.2f}" for name, seconds in parts.items())
        print(f"{label:7} to {count:6,}: {1e3 * (now - last[1]) / (count - last[0]):7.2f} ms a trial{own}", flush=True)
        last[:] = [count, now]
        return True

    return note


if __name__ == "__main__":
    _, _kind, _trials, *_sampler = sys.argv
    with tempfile.TemporaryDirectory() as _directory:
        for _run in (plain, ours):
            _run(_kind, int(_trials), *(_sampler or ["random"]), _directory)
