"""Predicted against measured, as a figure."""

from __future__ import annotations

import pytest

import oracle
from oracle.measure import Measurement
from oracle.query import Comparison, compare
from oracle.report.plot import parity_figure
from oracle.spec import Workload

mpl = pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def found() -> Comparison:
    words = Workload(dtype="float16", batch_size=4)
    names = ("R-56", "R-110", "NB201-ResNet")
    return compare("rtx-4090", [Measurement(name, "rtx-4090", words, 8.0, family=name[:2]) for name in names])


def test_every_network_is_a_point(found: Comparison) -> None:
    (axes,) = parity_figure(found).axes
    points = sorted(tuple(map(float, point)) for group in axes.collections for point in group.get_offsets())
    expected = sorted((2.0, case.time.latency_ms / 4) for case in found.cases)  # per image
    assert points == [pytest.approx(point) for point in expected]
    assert sorted(text.get_text() for text in axes.get_legend().get_texts()) == ["NB (1)", "R- (2)"]
    low, high = axes.get_xlim()
    assert all(low < value < high for point in expected for value in point)
    assert "MAPE" in axes.get_title(loc="left")


def test_many_families_share_a_colour() -> None:
    words = Workload(dtype="float16")
    rows = [Measurement("R-56", "rtx-4090", words, 1.0 + n, family=f"f{n // 2}") for n in range(24)]
    (axes,) = parity_figure(compare("rtx-4090", rows)).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert (len(names), names[-1]) == (10, "others (6)")


def test_the_front_weighs_accuracy_where_it_is_known() -> None:
    words = Workload(dtype="float16")
    costs = {name: oracle.score(name, dtype="float16").macs or 0 for name in ("R-56", "R-110")}
    assert costs["R-56"] < costs["R-110"]
    # The network with fewer MACs is slower and better: by accuracy both are on the front, by MACs one.
    rows = [Measurement("R-56", "rtx-4090", words, 9.0, accuracy=95.0), Measurement("R-110", "rtx-4090", words, 5.0)]
    by_macs = compare("rtx-4090", rows)
    rows[1] = Measurement("R-110", "rtx-4090", words, 5.0, accuracy=94.0)
    by_accuracy = compare("rtx-4090", rows)
    assert (by_macs.worth, by_macs.front[0]) == ("macs", 1)
    assert (by_accuracy.worth, by_accuracy.front[0]) == ("accuracy", 2)
    # R-56 is predicted to be faster, so the prediction finds it alone, and choosing it is right: no other is as good.
    assert by_accuracy.front == (2, 1, 1)
    assert by_accuracy.regret == (0, 0)
