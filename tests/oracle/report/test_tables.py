"""Captions and tables of results that no shipped network or device gives."""

from __future__ import annotations

import re
from dataclasses import replace
from types import MappingProxyType

import pytest

import oracle
from oracle.measure import Measurement
from oracle.query import Cost, DeviceTime
from oracle.report.captions import count_caption, spread_note, time_caption, workload_caption
from oracle.report.console import text_of
from oracle.report.rows import cost_rows, ranking_rows
from oracle.report.table.costs import cost_tables
from oracle.report.table.ranking import ranking_tables


@pytest.fixture(scope="module")
def cost() -> Cost:
    return oracle.score("R-56", ["t4", "pixel-4"])


def calibrated(cost: Cost) -> Cost:
    times = {
        name: replace(
            time,
            model="calibrated",
            expected_error=0.123,
            source="240 networks, PyTorch 2.13",
            interval_ms=(time.latency_ms * 0.9, time.latency_ms * 1.1),
        )
        for name, time in cost.times.items()
    }
    return replace(cost, times=MappingProxyType(times))


@pytest.mark.parametrize(
    ("workload", "caption"),
    [
        (oracle.Workload(), "Per call of 1 image: float32, inference, eager, nchw."),
        (
            oracle.Workload(64, "bfloat16", "training", "compiled", "nhwc", "adamw"),
            "Per call of 64 images: bfloat16, training (adamw), compiled, nhwc.",
        ),
        (
            oracle.Workload(causal="half"),
            "Per call of 1 image: float32, inference, eager, nchw, causal attention half.",
        ),
        (
            oracle.Workload(dtype="float16", weights="float16", runtime="compiled"),
            "Per call of 1 image: float16, inference, compiled, nchw, weights float16.",
        ),
    ],
)
def test_a_caption_names_the_workload(workload: oracle.Workload, caption: str) -> None:
    assert workload_caption(workload) == caption


def test_a_caption_names_the_convention_and_the_coverage(cost: Cost) -> None:
    assert count_caption([cost]) == (
        f"Counts: the oracle's own, 1 MAC = 2 FLOPs; all {sum(cost.coverage)} operators known."
    )
    other = replace(cost, convention="thop")
    assert "as thop counts; traffic, intensity and times: the oracle's own" in count_caption([other])
    unknown = replace(cost, unknown=("a.b",), coverage=(10, 2, 3))
    assert "3 of 15 operators count 0 FLOPs, having no formula (a.b)" in count_caption([unknown])


def test_a_caption_names_the_model_and_its_error(cost: Cost) -> None:
    bounds = oracle.score("R-56", ["t4", "pixel-4"], model="roofline").times
    assert time_caption(bounds.values()) == (
        "Times: textbook roofline, a lower bound (full peaks, free launches, cold cache); error not measured."
    )
    both = (
        "Latency is the prediction, what a stopwatch should show, or the lower bound itself where nothing was measured; "
        "the lower bound is what no software can beat there: every peak reached, launches free (the textbook's roofline)."
    )
    model = "calibrated (240 networks, PyTorch 2.13); mean error 12.3 %."
    assert time_caption(calibrated(cost).times.values()).splitlines() == [
        both,
        *(f"Times on {device}: {model}" for device in ("t4", "pixel-4")),
    ]
    prior = DeviceTime("t4", 1.0, "launch", {}, 25.0, "prior", None, "prior of gpus: two of them", call_ms=0.25)
    assert time_caption([prior]).splitlines() == [
        both,
        (
            "Times on t4: prior of gpus: two of them; error not measured; 0.2500 ms per call are in no kernel: "
            "entering it, or waiting for the host."
        ),
    ]
    nothing = replace(prior, model="roofline", source="lower bound: nothing was measured on t4", call_ms=0.0)
    assert time_caption([nothing]).splitlines() == [
        both,
        "Times on t4: lower bound: nothing was measured on t4.",
    ]
    cases = [replace(prior, call_ms=0.0, source=f"a fit; fitted to batches of 4, this is {n}; a cap") for n in (1, 2)]
    assert time_caption(cases).splitlines()[1:] == [
        "Times on t4: a fit; fitted to batches of 4, this is 1, the first of 2 such cases; a cap; error not measured."
    ]


def test_tables_have_the_interval_and_the_bound_beside_the_latency(cost: Cost) -> None:
    def heads(some: Cost) -> str:
        return next(line for line in text_of(cost_tables([some])).splitlines() if "Latency" in line)

    assert re.search("Latency +80 % of cases +Lower bound", heads(calibrated(cost)))
    unknown = {name: replace(time, interval_ms=None) for name, time in cost.times.items()}
    assert re.search("Latency +Lower bound", heads(replace(cost, times=MappingProxyType(unknown))))
    bound = heads(oracle.score("R-56", ["t4"], model="roofline"))
    assert "80 % of cases" not in bound
    assert "Lower bound" not in bound


def test_rows_have_the_interval_and_the_error(cost: Cost) -> None:
    row = cost_rows(calibrated(cost))[0]
    assert row["expected_error"] == 0.123
    assert row["model"] == "calibrated"
    assert row["latency_low_ms"] < row["latency_ms"] < row["latency_high_ms"]
    assert list(row) == list(cost_rows(cost)[0])
    assert row["roofline_ms"] == cost.roofline_ms["t4"] < row["latency_ms"]
    bound = cost_rows(oracle.score("R-56", ["t4"], model="roofline"))[0]
    assert bound["latency_low_ms"] is None
    assert bound["latency_ms"] == bound["roofline_ms"]


def test_a_count_that_a_convention_does_not_have_is_a_dash(cost: Cost) -> None:
    text = text_of(cost_tables([replace(cost, flops=None, params=None, convention="x")]))
    counts = next(line.split() for line in text.splitlines() if line.startswith("R-56"))
    assert (counts[1], counts[3]) == ("-", "-")


def test_whether_the_memory_suffices(cost: Cost) -> None:
    def column(some: Cost) -> list[str]:
        lines = text_of(cost_tables([some])).splitlines()
        return [line.split()[-1] for line in lines if " t4 " in line or " pixel-4 " in line]

    assert cost.times["pixel-4"].fits is None
    assert column(cost) == ["yes", "?"]
    small = {name: replace(time, fits=False) for name, time in cost.times.items()}
    assert column(replace(cost, times=MappingProxyType(small))) == ["NO", "NO"]


def test_a_ranking_by_quality_says_so() -> None:
    ranking = oracle.rank(["R-56", "R-110"], ["t4"], quality={"R-56": 0.94, "R-110": 0.93})
    text = text_of(ranking_tables(ranking))
    assert "Pareto front: no other network has more quality in no more time, or as much in less time." in text
    assert [line.split()[1] for line in text.splitlines() if line.endswith("yes")] == ["R-56"]
    assert [(row["network"], row["quality"], row["dominated"]) for row in ranking_rows(ranking)] == [
        ("R-56", 0.94, False),
        ("R-110", 0.93, True),
    ]


def test_a_cost_in_python_is_one_line() -> None:
    cost = oracle.score("ResNet-50", ["t4", "rtx-4090"])
    t4, rtx = cost.latency_ms.values()
    assert repr(cost) == (
        "Cost('ResNet-50', batch_size=1, float32, inference, eager: 4.089 GMACs, 25.56 M params, "
        f"t4 {t4:.2f} ms, rtx-4090 {rtx:.3f} ms)"
    )
    assert repr([cost, cost]) == f"[{cost!r}, {cost!r}]"


def test_the_line_of_a_cost_tells_apart_what_is_unusual_and_leaves_out_what_is_not_known() -> None:
    cost = oracle.score("R-56", layout="nhwc", batch_size=8, mode="training", convention="note")
    assert repr(cost).startswith("Cost('R-56', batch_size=8, float32, training, eager, nhwc, note: ")
    assert "MACs" not in repr(cost)
    assert "FLOPs" in repr(cost)
    devices = ["t4", "p4", "l4", "a10", "a10g", "rtx-4090", "rtx-3090"]
    assert repr(oracle.score("R-56", devices)).endswith(" ms, and 2 devices more)")


def measured(network: str, spread: float | None) -> Measurement:
    return Measurement(network, "t4", oracle.Workload(), 2.0, None if spread is None else 2 * spread)


def test_measurements_that_vary_are_named_the_worst_first() -> None:
    calm = [measured("a", 0.1), measured("b", 0.2), measured("c", None)]
    assert spread_note(calm) == ""
    assert spread_note([]) == ""
    note = spread_note([*calm, measured("d", 0.55), measured("e", 4.29)])
    assert note.startswith("spread (iqr_ms / latency_ms) above 20 % in 2 of 5 measurements (e 429 %, d 55 %): ")
    many = spread_note([measured(f"n{index}", 0.3) for index in range(30)])
    assert many.count("30 %") == 5
    assert "and 25 more)" in many
