"""What a measurement depends on beside the code: driver, clocks, power limit, versions."""

from __future__ import annotations

import csv
import io
import platform
import shutil
import subprocess
from typing import Any

import torch

from oracle._versions import today
from oracle.measure.host import affinity, cpu_name, ranges

# nvidia-smi's name -> ours, with the unit of nvidia-smi's `nounits`
_QUERIES = {
    "name": "name",
    "driver_version": "driver",
    "vbios_version": "vbios",
    "pstate": "performance_state",
    "clocks.sm": "sm_clock_mhz",
    "clocks.mem": "memory_clock_mhz",
    "clocks.max.sm": "max_sm_clock_mhz",
    "clocks.max.mem": "max_memory_clock_mhz",
    "power.draw": "power_draw_w",
    "power.limit": "power_limit_w",
    "power.default_limit": "default_power_limit_w",
    "temperature.gpu": "temperature_c",
    "memory.total": "memory_mib",
    "ecc.mode.current": "ecc",
}
_PATIENCE_S = 20


def machine_facts(device: str) -> dict[str, Any]:
    """Plain data: host, software, and of a CUDA device what torch and nvidia-smi say of it; clocks are those of now."""
    found: dict[str, Any] = {
        "date": today(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cpu": cpu_name(),
        "cpus": ranges(affinity()),
        "torch_threads": torch.get_num_threads(),
        "device": device,
    }
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "compute_capability": f"{properties.major}.{properties.minor}",
            "compute_units": properties.multi_processor_count,
            "memory_bytes": properties.total_memory,
            "l2_bytes": int(getattr(properties, "L2_cache_size", 0)),
            "gpu": gpu_facts(str(getattr(properties, "uuid", ""))),
        }
    return found


def gpu_facts(uuid: str = "") -> dict[str, Any]:
    """What nvidia-smi says of the GPU with a UUID (of the first one without); empty where it is not to be had."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    query = [program, f"--query-gpu=uuid,{','.join(_QUERIES)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return parsed_gpu_facts(done.stdout, uuid) if done.returncode == 0 else {}


def parsed_gpu_facts(text: str, uuid: str = "") -> dict[str, Any]:
    """A line of nvidia-smi's as plain data: numbers as such, and None for what the GPU does not report."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if len(row) == len(_QUERIES) + 1]
    own = [row for row in rows if uuid and row[0].removeprefix("GPU-") == uuid.removeprefix("GPU-")] or rows
    return {name: _value(cell) for name, cell in zip(_QUERIES.values(), own[0][1:], strict=True)} if own else {}


def _value(cell: str) -> str | float | None:
    if cell.startswith(("[", "N/A")):  # [N/A], [Not Supported]
        return None
    try:
        return float(cell)
    except ValueError:
        return cell
