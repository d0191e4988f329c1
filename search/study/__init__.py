"""Studies: optuna decides what to look at, the oracle what is worth an evaluation.

    from search.study import load_study, run_study
    results = run_study(load_study("digits"))
    results.best(); results.front()

Every suggestion becomes a network and is scored before anything is spent on it; what breaks a constraint is
told to the sampler and never evaluated, and equal networks are evaluated once.
"""

from __future__ import annotations

from search.study.files import StudyPlan, load_study, study_of
from search.study.progress import Progress
from search.study.records import Record
from search.study.results import Results, find_study, open_results
from search.study.run import join_study, run_study

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
