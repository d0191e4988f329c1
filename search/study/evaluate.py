"""One evaluation by somebody's quality function, whatever comes of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import optuna

from oracle.errors import OracleError
from oracle.spec import NetSpec

from ..objectives import Builder, Quality
from .pruning import Evaluation
from .records import EVALUATED, FAILED, PRUNED

__all__ = ["Verdict", "evaluate"]

_LONGEST = 2_000  # characters of a reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluation came to.

    Attributes:
        outcome: evaluated, pruned or failed.
        seconds: what it took.
        quality: of an evaluated network.
        reason: why it failed.
    """

    outcome: str
    seconds: float
    quality: float | None = None
    reason: str = ""


def evaluate(quality: Quality, spec: NetSpec, evaluation: Evaluation) -> Verdict:
    """Call a quality function; whatever it raises is a failure of this network alone."""
    began = time.perf_counter()

    def verdict(outcome: str, found: float | None = None, reason: str = "") -> Verdict:
        return Verdict(outcome, time.perf_counter() - began, found, reason[:_LONGEST])

    try:
        return verdict(EVALUATED, _number(quality(spec, Builder(spec, evaluation.seed), evaluation)))
    except optuna.TrialPruned:
        return verdict(PRUNED)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's function may raise anything
        return verdict(FAILED, reason=f"{type(error).__name__}: {error}")


def _number(value: Any) -> float:
    """A quality as a float.

    Raises:
        OracleError: no finite number.
    """
    if math.prod(getattr(value, "shape", (0,))) == 1:  # numpy's and torch's scalars
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise OracleError(f"quality={value!r}: expected a finite number")
    return float(value)
