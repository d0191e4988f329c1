from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from oracle.measure import machine
from oracle.measure.machine import gpu_facts, parsed_gpu_facts
from tests.benchmarks import _machine
from tests.benchmarks._machine import machine_facts

TWO = """\
GPU-1111, NVIDIA L4, 550.54.15, 95.04.29.00.06, P8, 210, 405, 2040, 6251, 16.42, 72.00, 72.00, 41, 23034, Enabled
GPU-2222, NVIDIA GeForce RTX 4090, 550.54.15, 95.02, P0, 2520, 10501, 3105, 10501, 312.10, 400.00, 450.00, 60, 24564, [N/A]
"""


def test_a_line_of_nvidia_smi() -> None:
    facts = parsed_gpu_facts(TWO, "2222")
    assert (facts["name"], facts["driver"], facts["performance_state"]) == (
        "NVIDIA GeForce RTX 4090",
        "550.54.15",
        "P0",
    )
    assert (facts["sm_clock_mhz"], facts["max_sm_clock_mhz"], facts["power_limit_w"]) == (2520, 3105, 400)
    assert facts["ecc"] is None
    assert parsed_gpu_facts(TWO)["name"] == "NVIDIA L4"
    assert parsed_gpu_facts("No devices were found\n") == {}


def test_without_nvidia_smi_or_where_it_fails_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine.shutil, "which", lambda _: None)
    assert gpu_facts() == {}
    program = tmp_path / "nvidia-smi"
    monkeypatch.setattr(machine.shutil, "which", lambda _: str(program))
    assert gpu_facts() == {}
    program.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    program.chmod(0o755)
    assert gpu_facts() == {}
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{TWO}END\n", encoding="utf-8")
    assert gpu_facts("GPU-2222")["power_draw_w"] == 312.1


def test_facts_are_plain_data(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = json.loads(json.dumps(machine_facts("cpu")))
    assert (facts["torch"], facts["device"]) == (torch.__version__, "cpu")
    assert "gpu" not in facts
    properties = SimpleNamespace(major=8, minor=9, multi_processor_count=58, total_memory=24 * 2**30, uuid="1111")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(_machine, "gpu_facts", lambda uuid: {"uuid": uuid})
    facts = json.loads(json.dumps(machine_facts("cuda:0")))
    assert (facts["compute_capability"], facts["compute_units"], facts["l2_bytes"]) == ("8.9", 58, 0)
    assert facts["gpu"] == {"uuid": "1111"}
