from __future__ import annotations

from pathlib import Path

import pytest

import oracle
from oracle.calibration import load_calibration
from oracle.measure import read_measurements
from tests.benchmarks.engine_accuracy import OTHERS
from tests.benchmarks.host_engines import ROOT, prior_of_host, read_nodes

DATA = Path(__file__).parent / "data" / "host_engines"


@pytest.mark.parametrize(("engine", "dtype"), [("onnxruntime", "float32"), ("openvino", "int8")])
def test_what_ships_is_what_the_measurements_say(engine: str, dtype: str) -> None:
    device = oracle.load_device(DATA / "host-1.yaml")
    latency = read_measurements(DATA / "latency.csv")
    found = prior_of_host(device, engine, dtype, latency, read_nodes(DATA / "nodes.csv"))
    shipped = load_calibration(ROOT / f"configs/calibrations/server-cpu.{engine}.inference.{dtype}.nchw.yaml")
    for name in ("compute", "memory", "weights", "launches"):
        assert dict(getattr(found.efficiency, name)) == pytest.approx(dict(getattr(shipped.efficiency, name)), rel=0.02)
    assert (found.efficiency.blocking, found.origin) == (shipped.efficiency.blocking, shipped.origin)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("dtype", "most"), [("float32", 0.10), ("int8", 0.15)])
def test_families_that_no_fit_saw_are_predicted(engine: str, dtype: str, most: float) -> None:
    """The goals of other families on the processor at hand; the prior was fitted to other networks on it."""
    device = oracle.load_device(DATA / "host-1.yaml")
    names = [name for part in OTHERS.values() for name in part]
    rows = {
        row.network: row.latency_ms
        for row in read_measurements(DATA / "latency.csv")
        if (row.workload.engine, row.workload.dtype) == (engine, dtype)
    }
    words = {"runtime": "engine", "engine": engine, "dtype": dtype}
    predicted = oracle.score_many(names, [device], **words).latency_ms[device.name]
    errors = [abs(ms / rows[name] - 1) for name, ms in zip(names, predicted, strict=True)]
    assert sum(errors) / len(errors) < most
