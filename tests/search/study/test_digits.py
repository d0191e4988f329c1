"""configs/studies/digits.yaml from end to end, in the small."""

from __future__ import annotations

from pathlib import Path

import pytest

import oracle
from search.study import load_study, run_study, study_of

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def test_trained_networks_are_within_the_limits_on_both_devices(tmp_path: Path) -> None:
    values = load_study("digits").values
    plan = study_of({**values, "TRIALS": 3, "QUALITY": {**values["QUALITY"], "EPOCHS": 1}})
    results = run_study(plan, str(tmp_path / "digits.journal"))
    assert len(results.evaluated) == 3
    for record in results.evaluated:
        cost = oracle.score(results.spec(record), devices=["raspberry-pi-4", "t4"])
        assert cost.roofline_ms["raspberry-pi-4"] <= 0.02
        assert cost.roofline_ms["t4"] <= 0.0008
        assert (cost.peak_memory_bytes or 0) <= 64e3
        assert 0 <= record.values[0] <= 1
        assert record.seconds["quality"] > 0
