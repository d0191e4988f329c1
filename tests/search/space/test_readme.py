"""The README's space, drawn as it stands."""

from __future__ import annotations

from pathlib import Path

from oracle.query import score_many
from search.space import load_space

_README = Path(__file__).parents[3] / "README.md"


def test_the_space_has_members_that_obey_it(tmp_path: Path) -> None:
    text = _README.read_text(encoding="utf-8")
    (block,) = (part.partition("```")[0] for part in text.split("```yaml\n")[1:] if part.startswith("SETUP:"))
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    space = load_space(tmp_path / "mine.yaml")
    chunk = space.chunk(0)
    feasible, tally = space.judge(score_many(chunk.population, space.devices), len(chunk.rows))
    assert space.devices == ("t4",)
    assert feasible.sum() == tally.feasible > 100
    assert set(tally.rejected) == {"CX.MACS", "CX.PEAK_MEMORY", "CX.LATENCY_MS.t4"}
