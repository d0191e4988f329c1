"""One chunk of a sweep, from drawing to text: what a worker does. Depends on the plan and the chunk alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oracle.families.fingerprint import Fingerprints

from ..space import Tally
from .columns import csv_lines, flat
from .plan import Plan

Columns = dict[str, NDArray[Any]]

_FIRST = 100  # draws among which some network is looked for


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The feasible candidates of a chunk.

    Attributes:
        index: of the chunk.
        names: of the columns.
        prints: (2, n) their fingerprints.
        lines: (n,) their lines of the CSV file, if that is wanted.
        columns: their columns, if something else is wanted.
        tally: what became of all.
    """

    index: int
    names: tuple[str, ...]
    prints: Fingerprints
    lines: list[str]
    columns: Columns
    tally: Tally


def evaluate(plan: Plan, index: int) -> Evaluated:
    """Draw a chunk, score it, and keep what the limits allow.

    Raises:
        OracleError: a candidate that cannot be scored.
    """
    columns, prints, tally = _feasible(plan, index)
    csv, more = "csv" in plan.formats, set(plan.formats) != {"csv"}
    lines = csv_lines(columns) if csv else []
    return Evaluated(index, tuple(columns), prints, lines, columns if more else {}, tally)


def check(plan: Plan) -> None:
    """Complain now about what would keep the first candidates from being scored.

    Raises:
        OracleError: a device without a peak for the dtype, for one.
    """
    few = replace(plan.space, chunk_size=min(_FIRST, plan.space.chunk_size)).chunk(0).population
    if few.size:
        plan.limits.scores(few.part(0, 1))


def _feasible(plan: Plan, index: int) -> tuple[Columns, Fingerprints, Tally]:
    chunk = plan.space.chunk(index)
    scores = plan.limits.scores(chunk.population)
    feasible, judged = plan.space.judge(scores, len(chunk.rows))
    columns = {"row": chunk.rows, **chunk.columns, **scores.columns()}
    rows = np.flatnonzero(feasible)
    kept = {name: flat(column if len(rows) == len(feasible) else column[rows]) for name, column in columns.items()}
    return kept, chunk.prints[:, rows], chunk.tally + judged
