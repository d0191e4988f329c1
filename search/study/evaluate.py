"""Evaluations by somebody's quality function, whatever comes of them."""

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
from .storage import StorageLostError

_LONGEST = 2_000  # characters of a reason
_FAILURES = 10  # evaluations in a row that may fail; more where more have succeeded


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
    except StorageLostError:
        raise  # of a report, and no fault of the network
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's function may raise anything
        return verdict(FAILED, reason=f"{type(error).__name__}: {error}")


class Failures:
    """The evaluations of a run that fail."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._in_a_row = 0
        self._succeeded = 0

    def count(self, verdict: Verdict, number: int) -> str:
        """Take note of an evaluation; what people are to know of it, "" for nothing.

        The first failure of a kind is worth a line: a whole study of them should not come as a surprise.

        Raises:
            OracleError: evaluations do nothing but fail; a study of an infinite space would never end.
        """
        if verdict.outcome != FAILED:
            self._succeeded += 1
            self._in_a_row = 0
            return ""
        self._in_a_row += 1
        if self._in_a_row >= max(_FAILURES, self._succeeded):
            raise OracleError(
                f"{self._in_a_row} evaluations failed in a row, after {self._succeeded:,} that did not; what is "
                "finished is kept, and `oracle-search resume` goes on. The last, trial "
                f"{number}: {' '.join(verdict.reason.split())}"
            )
        kind = verdict.reason.partition(":")[0]
        if kind in self._kinds:
            return ""
        self._kinds.add(kind)
        return f"trial {number} failed, and the study goes on: {verdict.reason}"


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
