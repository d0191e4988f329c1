"""Facts of networks: what `Cost` says, as plain columns."""

from __future__ import annotations

import json
from dataclasses import asdict

import oracle
from oracle.report.export import finite
from oracle.report.facts import network_facts, runtime_facts


def test_columns_are_the_kernels() -> None:
    cost = oracle.score("R-56", ["t4", "rtx-4090"], dtype="float16", batch_size=4)
    devices = {name: oracle.load_device(name) for name in cost.times}
    found = network_facts(cost, devices)
    assert (found.counts["macs"], found.counts["traffic_bytes"], found.name) == (cost.macs, cost.traffic_bytes, "R-56")
    for name in ("name", "op_class", "module", "shape", "flops", "traffic_bytes", "weight_bytes"):
        assert found.kernels[name] == [getattr(kernel, name) for kernel in cost.kernels()]
    for device, on in found.devices.items():
        assert on.kernels["time_ms"] == [kernel.time_ms for kernel in cost.kernels(device)]
        assert on.time["latency_ms"] == cost.latency_ms[device]
        assert on.time["bound_share"] == dict(cost.times[device].bound_share)
    assert set(found.kernels["stage"]) == {"stem", "s1", "s2", "s3", "head"}
    json.dumps(finite(asdict(found)), allow_nan=False)  # plain data


def test_a_network_without_a_device_has_counts_alone() -> None:
    cost = oracle.score("R-56")
    found = network_facts(cost, {})
    assert (found.devices, len(found.kernels["flops"])) == ({}, len(cost.kernels()))


def test_runtimes_stand_beside_each_other_on_the_devices_that_can() -> None:
    eager = oracle.score("R-56", ["t4", "rtx-4090"])
    engine = oracle.score("R-56", ["t4"], runtime="engine")
    found = runtime_facts([eager, engine], {"engine": ["not on that one", "nor on this"]})
    assert [split.name for split in found.times["t4"]] == ["eager", "engine"]
    assert [split.name for split in found.times["rtx-4090"]] == ["eager"]
    assert found.times["t4"][1].total_ms < found.times["t4"][0].total_ms
    assert found.missing == {"engine": "not on that one; nor on this"}
    assert runtime_facts([], {}).times == {}
