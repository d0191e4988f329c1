"""Limits with confidence and ties, held against measured latencies of NAS-Bench-201: python -m tests.benchmarks.confidence DATA

DATA holds nasbench201_latency_ms.csv (1,000 architectures, HayeonLee/HELP, MIT). The shipped calibrations were fitted to
160 of its rows; only the 840 others are looked at.

For limits at the quartiles of the measured latencies it prints, without a confidence and at 50, 80, 90 and 95 %, what
share of the networks that are predicted feasible are, and what share of those that are was kept; how many latencies the
quantiles hold; and for pairs of networks, how many the rule of ties separates, and how many of those rightly.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import oracle
from oracle.calibration.intervals import tie_ratio
from oracle.query.many import Scores
from search.space.expressions import limits_of_texts
from search.space.limits import judge

__all__ = ["COLUMNS", "Table", "kept", "separated", "tables"]

COLUMNS = {
    "1080ti_1": ("gtx-1080-ti", 1, "eager"),
    "1080ti_256": ("gtx-1080-ti", 256, "eager"),
    "2080ti_1": ("rtx-2080-ti", 1, "eager"),
    "2080ti_256": ("rtx-2080-ti", 256, "eager"),
    "gold_6226": ("gold-6226", 1, "eager"),
    "pixel2": ("pixel-2", 1, "eager"),
    "raspi4": ("raspberry-pi-4", 1, "engine"),
    "samsung_a50": ("samsung-a50", 1, "eager"),
}
"""Column -> device, batch size, runtime."""

_SEEN = 160  # rows that the shipped calibrations were fitted to: the first of this permutation, see calibrate.py
_LEVELS = ("", " at 50%", " at 80%", " at 90%", " at 95%")
_PAIRS = 20_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One column.

    Attributes:
        column: its name.
        device: of the oracle.
        measured_ms: (n,) of the rows that no fit has seen.
        scores: of the same networks.
    """

    column: str
    device: str
    measured_ms: Floats
    scores: Scores


def tables(data: Path, columns: tuple[str, ...] = tuple(COLUMNS)) -> Iterator[Table]:
    """Some columns, without the rows that the shipped calibrations were fitted to."""
    with (data / "nasbench201_latency_ms.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    unseen = [rows[index] for index in np.random.default_rng(0).permutation(len(rows))[_SEEN:]]
    specs = [oracle.to_spec(oracle.load_cfg("NB201-ResNet", ["NB201.ARCH", row["arch"]])) for row in unseen]
    for column in columns:
        device, batch, runtime = COLUMNS[column]
        scores = oracle.score_many(specs, [device], batch_size=batch, runtime=runtime, dtype="float32")
        yield Table(column, device, np.array([float(row[column]) for row in unseen]), scores)


def kept(table: Table, limit_ms: float, level: str) -> tuple[float, float, int]:
    """Of the networks predicted feasible, the share that are; of those that are, the share predicted; how many.

    Args:
        table: the networks.
        limit_ms: on their latency.
        level: "" or ` at 90%`.
    """
    limits = limits_of_texts([f"latency_ms@{table.device} <= {limit_ms!r}{level}"])
    predicted, _ = judge(limits, table.scores, len(table.measured_ms))
    true = table.measured_ms <= limit_ms
    return (
        float(true[predicted].mean()) if predicted.any() else float("nan"),
        float(predicted[true].mean()) if true.any() else float("nan"),
        int(predicted.sum()),
    )


def separated(table: Table, pairs: int = _PAIRS, seed: int = 0) -> tuple[float, float, float]:
    """Of random pairs, the share that is not tied; of these, and of the tied, the share in the measured order.

    Pairs that were measured equal are left out: phones report whole milliseconds.
    """
    trust = table.scores.trust[table.device]
    assert trust.interval is not None
    first, second = np.random.default_rng(seed).integers(len(table.measured_ms), size=(2, pairs))
    own = table.scores.latency_ms[table.device]
    differ = table.measured_ms[first] != table.measured_ms[second]
    apart = np.abs(np.log(own[first] / own[second]))[differ] > np.log(tie_ratio(trust.interval))
    right = ((own[first] < own[second]) == (table.measured_ms[first] < table.measured_ms[second]))[differ]
    return float(apart.mean()), float(right[apart].mean()), float(right[~apart].mean())


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    found = list(tables(parser.parse_args().data))
    print("truly feasible of predicted feasible, %; (kept of the truly feasible, %)")
    print(f"{'column':12s} limit at  {'prediction':>15s}" + "".join(f"{level:>15s}" for level in _LEVELS[1:]))
    for table in found:
        for share in (0.25, 0.5, 0.75):
            limit = float(np.quantile(table.measured_ms, share))
            cells = [kept(table, limit, level) for level in _LEVELS]
            line = "".join(f"{100 * right:8.1f} ({100 * recall:3.0f})" for right, recall, _ in cells)
            print(f"{table.column:12s} {share:7.0%}   {line}")
    print("\nlatencies below the quantile, %")
    print(f"{'column':12s}" + "".join(f"{q:8.0%}" for q in (0.05, 0.1, 0.5, 0.8, 0.9, 0.95, 0.99)))
    for table in found:
        shares = [
            np.mean(table.measured_ms <= table.scores.latency_quantile_ms(table.device, q))
            for q in (0.05, 0.1, 0.5, 0.8, 0.9, 0.95, 0.99)
        ]
        print(f"{table.column:12s}" + "".join(f"{100 * share:8.1f}" for share in shares))
    print("\npairs, %: separated; rightly, of those; in the measured order, of the tied; factor of the tie")
    for table in found:
        apart, right, tied = separated(table)
        interval = table.scores.trust[table.device].interval
        assert interval is not None
        print(f"{table.column:12s}{100 * apart:8.1f}{100 * right:8.2f}{100 * tied:8.1f}{tie_ratio(interval):8.3f}")


if __name__ == "__main__":
    main()
