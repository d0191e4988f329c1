"""The PRUNER section of a study file: which evaluations stop early, checked without optuna.

    PRUNER: median                                            # the default
    PRUNER: {TYPE: halving, MIN: 1, FACTOR: 3}                # asynchronous successive halving
    PRUNER: {TYPE: hyperband, MIN: 1, MAX: 27, FACTOR: 3}     # several halvings, of which some begin later
    PRUNER: none

Steps are those that a quality function reports; `train` reports the epochs it has trained, from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.errors import ConfigError

from ..space.checks import count, fields, one_of

_RUNGS = {
    "MIN": 1,  # the first rung: no evaluation stops before it
    "MAX": 0,  # the steps of a whole evaluation, which stops nowhere after; 0: EPOCHS of `train`, else unknown
    "FACTOR": 3,  # one in so many goes on from a rung to the next, which is so many times as far
}

# TYPE -> its keys and their defaults.
PRUNERS: dict[str, dict[str, int]] = {"none": {}, "median": {}, "halving": _RUNGS, "hyperband": _RUNGS}
_REPORTING = ("train", "call")  # qualities that can report steps


def check_pruner(values: Mapping[str, Any], quality: Mapping[str, Any]) -> dict[str, Any]:
    """A PRUNER section with its defaults, checked.

    Args:
        values: as in the file.
        quality: the checked QUALITY section.

    Raises:
        ConfigError: an unknown type or key, a value that it cannot have, or a quality that reports no steps.
    """
    kind = one_of(values.get("TYPE", "median"), "PRUNER.TYPE", tuple(PRUNERS))
    section: dict[str, Any] = {"TYPE": kind} | PRUNERS[kind] | fields(values, "PRUNER", ("TYPE", *PRUNERS[kind]))
    if not PRUNERS[kind]:
        return section
    if quality["TYPE"] not in _REPORTING:
        raise ConfigError(
            f"value {kind!r}, but QUALITY.TYPE {quality['TYPE']} reports no steps: expected train or call, "
            "or PRUNER: none",
            key="PRUNER.TYPE",
        )
    for name, least in {"MIN": 1, "MAX": 0, "FACTOR": 2}.items():
        section[name] = count(section[name], f"PRUNER.{name}", least)
    most = resolved(section, quality)["MAX"]
    if kind == "hyperband" and not most:
        raise ConfigError("value 0: hyperband needs to know the steps of a whole evaluation", key="PRUNER.MAX")
    if quality["TYPE"] == "train" and most > quality["EPOCHS"]:
        raise ConfigError(f"value {most}: expected at most QUALITY.EPOCHS, {quality['EPOCHS']}", key="PRUNER.MAX")
    if most and section["MIN"] > most:
        raise ConfigError(f"value {section['MIN']}: expected at most PRUNER.MAX, {most}", key="PRUNER.MIN")
    return section


def resolved(section: Mapping[str, Any], quality: Mapping[str, Any]) -> dict[str, Any]:
    """A checked section with the steps of a whole evaluation as MAX, 0 only where nobody knows them."""
    if not section.get("MAX", 1) and quality["TYPE"] == "train":
        return {**section, "MAX": quality["EPOCHS"]}
    return dict(section)
