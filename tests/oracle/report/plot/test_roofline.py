"""Rooflines as matplotlib draws them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import oracle
from oracle.devices import Figure
from oracle.errors import OracleError
from oracle.query import Cost
from oracle.report.facts import DeviceFacts, NetworkFacts, device_facts, network_facts
from oracle.report.marks import MARKS
from oracle.report.plot import roofline_figure


def test_every_kernel_that_computes_is_a_mark_below_its_roofs(
    network: NetworkFacts, devices: list[DeviceFacts], cost: Cost
) -> None:
    panels = roofline_figure(network, devices).axes
    assert [axes.get_title(loc="left") for axes in panels] == [device.title for device in devices]
    for axes, device in zip(panels, devices, strict=True):
        kernels = [kernel for kernel in cost.kernels(device.name) if kernel.flops]
        points = np.concatenate([marks.get_offsets() for marks in axes.collections if marks.get_alpha() == 0.8])
        expected = sorted((kernel.intensity, kernel.achieved_flops_per_s) for kernel in kernels)
        assert sorted(map(tuple, points.tolist())) == [pytest.approx(pair) for pair in expected]
        low, high = axes.get_xlim()
        bottom, top = axes.get_ylim()
        assert all(low < x < high and bottom < y < top for x, y in points.tolist())
        texts = " ".join(text.get_text() for text in axes.texts)
        assert f"ridge {cost.times[device.name].ridge:.3g}" in texts
        assert "memory" in texts


def test_kinds_differ_in_colour_and_in_marker(network: NetworkFacts, devices: list[DeviceFacts]) -> None:
    (legend,) = roofline_figure(network, devices).legends
    names = [text.get_text() for text in legend.get_texts()]
    kinds = set(network.kernels["op_class"])
    assert names == [mark.name for mark in MARKS if kinds & set(mark.classes)]
    looks = {(line.get_marker(), line.get_markerfacecolor(), line.get_color()) for line in legend.get_lines()}
    assert len(looks) == len(names)


def test_the_cache_has_a_dashed_roof(cost: Cost) -> None:
    device = replace(oracle.load_device("t4"), llc_bandwidth=Figure(1280e9, "measured"))
    cached = oracle.score("R-56", [device], batch_size=8, dtype="float16")
    (axes,) = roofline_figure(network_facts(cached, {"t4": device}), [device_facts(device)]).axes
    assert any("last-level cache" in text.get_text() for text in axes.texts)
    steep = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(steep) == 1
    (x0, x1), (y0, y1) = steep[0].get_data()
    assert (y0 / x0, y1 / x1) == pytest.approx((1280e9, 1280e9))
    assert cost.times  # the roofs of the others are solid


def test_text_stays_inside_a_narrow_figure(network: NetworkFacts, devices: list[DeviceFacts]) -> None:
    figure = roofline_figure(network, devices[:1], width=3.5)
    assert figure.get_figwidth() == 3.5
    edge = figure.bbox.x1
    assert figure._suptitle.get_window_extent().x1 <= edge
    assert all(axes.title.get_window_extent().x1 <= edge for axes in figure.axes)


def test_a_network_that_computes_nothing_has_no_roofline(network: NetworkFacts, devices: list[DeviceFacts]) -> None:
    idle = {name: replace(on, ceilings=()) for name, on in network.devices.items()}
    with pytest.raises(OracleError, match="no kernel computes"):
        roofline_figure(replace(network, devices=idle), devices)
