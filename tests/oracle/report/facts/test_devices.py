"""Facts of devices: every figure with its source; and of the run."""

from __future__ import annotations

import oracle
from oracle.devices import in_file_units
from oracle.report.facts import device_facts, run_facts


def test_every_figure_is_there_with_its_source() -> None:
    for name in ("t4", "eyeriss"):
        device = oracle.load_device(name)
        found = device_facts(device)
        stated = [(key, figure.value, figure.source) for key, figure in in_file_units(device).items()]
        assert [(one.key, one.value, one.source) for one in found.figures] == stated
        assert bool(found.slopes) == (not device.calibrate_only)


def test_a_run_tells_its_versions_and_each_note_once() -> None:
    found = run_facts(["one\ntwo", "", "one"], "oracle report")
    assert found.notes == ("one", "two")
    assert dict(found.versions).keys() == {"nas-cost-oracle", "Python", "torch", "numpy"}
    assert dict(found.versions)["nas-cost-oracle"] == oracle.__version__
