"""Confidence and ties held against latencies that somebody measured, on networks that no shipped fit has seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.confidence import Table, kept, separated, tables


@pytest.fixture(scope="module")
def measured(shared_data: Path) -> list[Table]:
    return list(tables(shared_data, ("1080ti_256", "gold_6226", "raspi4")))


def test_who_is_predicted_feasible_with_confidence_is_feasible(measured: list[Table]) -> None:
    for table in measured:
        for share in (0.25, 0.5, 0.75):
            limit_ms = float(np.quantile(table.measured_ms, share))
            alone, half, most = (kept(table, limit_ms, level) for level in ("", " at 50%", " at 90%"))
            assert most[0] >= 0.9, (table.column, share)
            assert most[0] >= min(alone[0], half[0]), (table.column, share)
            assert most[1] >= 0.5, (table.column, share)
            assert half[2] >= most[2] > 0


def test_quantiles_hold_about_as_many_as_they_say(measured: list[Table]) -> None:
    for table in measured:
        for probability, least in ((0.5, 0.35), (0.9, 0.85), (0.99, 0.93)):
            below = table.measured_ms <= table.scores.latency_quantile_ms(table.device, probability)
            assert below.mean() >= least, (table.column, probability)


def test_who_is_separated_is_in_order(measured: list[Table]) -> None:
    for table in measured:
        apart, right, tied = separated(table, 5_000)
        assert 0.6 < apart < 0.95
        assert right > 0.97 > tied
