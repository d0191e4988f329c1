from __future__ import annotations

from search.cli._watching import progress_line, teller
from search.study import Progress


def _at(spent: int, message: str = "") -> Progress:
    return Progress("digits", spent, 20, {"rejected": 3, "evaluated": spent}, {"params": 3}, message=message)


def test_a_line_for_every_tenth_and_after_half_a_minute_without_one() -> None:
    lines: list[str] = []
    warnings: list[str] = []
    now = [0.0]
    watch = teller(lines.append, warnings.append, lambda: now[0])
    for spent in (0, 1, 1, 2, 2, 3):
        watch(_at(spent))
    assert [line.partition(" evaluated")[0] for line in lines] == ["digits: 2 of 20"]
    now[0] = 31.0
    watch(_at(3, "seeded"))
    watch(_at(3))
    assert len(lines) == 2
    assert warnings == ["seeded"]
    watch(_at(20))
    assert len(lines) == 3


def test_the_line_of_a_study() -> None:
    progress = Progress(
        "digits",
        1_200,
        2_000,
        {"rejected": 3_000, "evaluated": 1_200},
        {"params": 1_000, "latency_ms@t4": 2_500},
        {"quality": 0.912345678},
        4,
        {"oracle": 1.26, "sampler": 3.0},
    )
    assert progress_line(progress) == (
        "digits: 1,200 of 2,000 evaluated; 3,000 rejected (latency_ms@t4 2,500, params 1,000); best quality 0.912346; "
        "4 on the front; seconds: oracle 1.3, sampler 3.0"
    )
    assert "none feasible yet" in progress_line(_at(0))
    assert progress_line(_at(40)).startswith("digits: 40 (20 requested) evaluated; ")


def test_a_long_probe_is_told_of() -> None:
    lines: list[str] = []
    now = [0.0]
    watch = teller(lines.append, lines.append, lambda: now[0])
    for second in range(12):
        now[0] = float(second)
        watch(Progress("digits", 0, 20, probed=(second * 100, 15_625)))
    assert lines == [f"digits: probing the space: {count} of 15,625" for count in ("500", "1,000")]
