"""What goes onto the page of networks."""

from __future__ import annotations

from dataclasses import replace

import oracle
from oracle.report.page import DETAILED, Detail, cost_page


def test_a_title_names_what_is_few_and_counts_what_is_many() -> None:
    devices = {name: oracle.load_device(name) for name in ("t4", "rtx-4090", "l4", "a10")}
    cost = oracle.score("R-56", list(devices))
    titles = []
    for count in (1, 2, 3, 4):
        some = dict(list(devices.items())[:count])
        titles.append(cost_page([Detail(replace(cost, times={n: cost.times[n] for n in some}))], some).title)
    assert titles == [
        "R-56 on NVIDIA T4",
        "R-56 on NVIDIA T4 and NVIDIA GeForce RTX 4090",
        "R-56 on NVIDIA T4, NVIDIA GeForce RTX 4090 and NVIDIA L4",
        "R-56 on 4 devices",
    ]
    assert cost_page([Detail(oracle.score("R-56"))], {}).title == "R-56"


def test_several_networks_on_the_same_devices_are_a_population() -> None:
    t4 = {"t4": oracle.load_device("t4")}
    costs = [oracle.score(name, ["t4"]) for name in ("R-56", "R-110")]
    page = cost_page([Detail(cost) for cost in costs], t4)
    assert page.population is not None
    assert page.population.names == ["R-56", "R-110"]
    assert cost_page([Detail(costs[0])], t4).population is None
    assert cost_page([Detail(costs[0]), Detail(oracle.score("R-110"))], t4).population is None


def test_of_very_many_networks_the_first_are_shown_in_detail() -> None:
    cost = oracle.score("R-56", ["t4"])
    page = cost_page(
        [Detail(replace(cost, name=str(i))) for i in range(DETAILED + 3)], {"t4": oracle.load_device("t4")}
    )
    assert (len(page.networks), page.undetailed) == (DETAILED, 3)
    assert page.population is not None
    assert len(page.population.names) == DETAILED + 3


def test_notes_say_what_was_run_and_how_far_to_trust_it() -> None:
    cost = oracle.score("ResNet-50", ["rtx-4090"], batch_size=256, dtype="float16")
    notes = cost_page([Detail(cost)], {"rtx-4090": oracle.load_device("rtx-4090")}, "oracle report").run.notes
    text = "\n".join(notes)
    assert notes[0] == "Per call of 256 images: float16, inference, eager, nchw."
    assert "operators known" in text
    assert "Latency is the prediction, what a stopwatch should show, or the lower bound itself" in text
    assert "mean error" in text
