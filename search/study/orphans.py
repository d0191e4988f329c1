"""Trials whose worker died: given up, and what they were at is tried again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from .claims import Index
from .records import FAILED, LOST
from .workers import Watch

MAX_LOSSES = 3
"""A network that took so many workers with it counts as failed, and is not tried again."""


def reap(study: Study, index: Index, watch: Watch, names: Collection[str]) -> None:
    """Give up the trials of dead workers; of several workers that notice, one puts each in line again.

    Args:
        study, index: the study; the index is refreshed.
        watch: knows which workers are dead.
        names: of all parameters; a trial that has fewer died before it knew what to evaluate.
    """
    index.refresh()
    dead = [trial for trial in index.running if _is_orphan(trial, watch)]
    for trial in dead:
        _give_up(study, trial, names)
    if dead:
        index.refresh()


def retry(study: Study, suggestions: Mapping[str, Any], losses: int, number: int) -> None:
    """Put parameters in line again, for trial `number`."""
    attrs = {"origin": "retry", "losses": losses, "retry_of": number}
    study.enqueue_trial(dict(suggestions), user_attrs=attrs)


def _is_orphan(trial: FrozenTrial, watch: Watch) -> bool:
    # A worker that died between two lines left a trial without its name: that is watched as a worker is.
    worker = trial.user_attrs.get("evaluating", trial.user_attrs.get("worker", f"trial {trial.number}"))
    return worker != watch.worker and watch.is_dead(worker)


def _give_up(study: Study, trial: FrozenTrial, names: Collection[str]) -> None:
    losses = int(trial.user_attrs.get("losses", 0)) + 1
    final = losses >= MAX_LOSSES and "evaluating" in trial.user_attrs
    handle = Trial(study, trial._trial_id)  # noqa: SLF001 - the way to a trial of another worker
    try:
        handle.set_user_attr("outcome", FAILED if final else LOST)
        handle.set_user_attr("reason", f"its worker died ({losses} of {MAX_LOSSES})")
        study.tell(trial.number, state=TrialState.FAIL)
    except (UpdateFinishedTrialError, ValueError):
        return  # another worker was faster, and does the rest
    suggestions = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    if not final and set(names) <= set(suggestions):
        retry(study, suggestions, losses, trial.number)
