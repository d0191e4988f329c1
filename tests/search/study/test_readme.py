"""The README's study, run as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from search.study import load_study, run_study

_README = Path(__file__).parents[3] / "README.md"


def test_the_study_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = _README.read_text(encoding="utf-8")
    (study,) = re.findall(r"```yaml\n(SPACE: .*?)```", text, re.DOTALL)
    (module,) = re.findall(r"```py\n# mine.py.*?\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("mine.py").write_text(module, encoding="utf-8")
    Path("study.yaml").write_text(study.replace("TRIALS: 50", "TRIALS: 2"), encoding="utf-8")
    results = run_study(load_study("study.yaml"), str(tmp_path / "study.journal"))
    assert len(results.evaluated) == 2
    for record in results.evaluated:
        assert record.values is not None
        assert record.values[0] == pytest.approx(record.scores["params"] ** 0.1)
        assert record.scores["latency_ms@t4"] <= 12
        assert record.scores["params"] <= 30e6
        assert 1e9 <= record.scores["macs"] <= 8e9
