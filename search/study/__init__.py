"""Studies: optuna decides what to look at, the oracle what is worth an evaluation.

    import oracle
    results = oracle.search.run_study(oracle.search.load_study("digits"))
    results.best(); results.front()

Every suggestion becomes a network and is scored before anything is spent on it; what breaks a constraint is
reported to the sampler and never evaluated, and equal networks are evaluated once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle._lazy import lazy

if TYPE_CHECKING:
    from .files import StudyPlan, load_study, study_of
    from .progress import Progress
    from .records import Record
    from .results import Results, find_study, open_results
    from .run import join_study, run_study

__all__ = [
    "Progress",
    "Record",
    "Results",
    "StudyPlan",
    "find_study",
    "join_study",
    "load_study",
    "open_results",
    "run_study",
    "study_of",
]

# The imports above once more, for the interpreter: a study file is read without optuna.
lazy(
    __name__,
    {
        f"{__name__}.files": "StudyPlan load_study study_of",
        f"{__name__}.progress": "Progress",
        f"{__name__}.records": "Record",
        f"{__name__}.results": "Results find_study open_results",
        f"{__name__}.run": "join_study run_study",
    },
)
